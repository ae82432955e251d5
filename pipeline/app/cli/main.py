"""The command line put together: its commands, and how each failure ends."""

import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer
from rich.markup import escape

from ... import __version__
from ...base.errors import PipelineError
from ...base.extras import explained
from ...base.quiet import quiet
from . import benches, bundles, chat, doctor, package, runs
from .console import err, in_any_encoding, out

app = typer.Typer(
    name="pocketbert",
    help="Labelled text in, three checked int8 bundles for phones out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for name, command, example in (
    ("run", runs.run, "run --data intents.csv --preset micro --out build"),
    ("package", package.package, "package my-classifier --data texts.csv"),
    ("search", runs.search, "search --budget 30m --max-bytes 2MB --min-retention 0.98"),
    ("chat", chat.chat, "chat build/bundle"),
    ("eval", bundles.evaluate, "eval build/bundle --data new_requests.csv"),
    ("verify", bundles.verify, "verify build/bundle --json"),
    ("install", bundles.install, "install build/bundle android_demo"),
    ("keygen", bundles.keygen, "keygen keys"),
    ("sign", bundles.sign, "sign build/bundle keys/private.pem"),
    ("diff", bundles.diff, "diff shipped/bundle build/bundle"),
    ("bench", benches.bench, "bench build/bundle --on host"),
    ("report", runs.report, "report build"),
    ("doctor", doctor.doctor, "doctor"),
):
    app.command(name, epilog=f"Example: [bold]pocketbert {example}[/]")(command)


class Interrupted(BaseException):
    """Ctrl-C, or another program's wish that this one ends; typer has no handler for it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def main() -> None:
    """Run the command line; failures a user can mend end in one line and an exit code."""
    quiet()
    in_any_encoding()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in the background of a script
            signal.signal(number, _interrupt)
    try:
        with explained():
            app()
    except PipelineError as error:
        err.print(f"[bold red]pocketbert:[/] {escape(str(error))}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        err.print(f"[bold red]pocketbert:[/] {escape(str(error))}. Free space or mend permissions.")
        sys.exit(2)
    except Interrupted as interrupted:
        if not int(os.environ.get("RANK", "0")):  # of several processes, the first one speaks
            kept = sys.argv[1:2] in (["run"], ["package"], ["search"])
            goes_on = "; finished stages are kept, the same command goes on" * kept
            err.print(f"[bold red]pocketbert:[/] interrupted{goes_on}.")
        sys.exit(interrupted.exit_code)


def _interrupt(number: int, _: FrameType | None) -> None:
    raise Interrupted(number)


@app.callback(invoke_without_command=True)
def version(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    """Labelled text in, three checked int8 bundles for phones out."""
    if show_version:
        out.print(f"pocketbert {__version__}")
        raise typer.Exit
