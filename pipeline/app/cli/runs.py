"""The commands that train: parsing and printing only."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ...base.config import RunConfig
from ...base.errors import GateFailed, InputError, NotRun
from .console import out, print_json, progress, shown
from .options import Json, OutFolder, takes_settings, to_bytes, to_seconds

# What a search heeds of the settings that have a flag.
SEARCHED = (
    *("seed", "processes", "data.source", "data.unlabeled"),
    *("teacher.source", "teacher.fine_tune", "distill.epochs"),
)


@takes_settings()
def run(
    settings: RunConfig,
    out_folder: OutFolder = Path("build"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every stage again.")] = False,
    as_json: Json = False,
) -> None:
    """Distill, quantize, lower, verify and seal: from labelled text to a bundle."""
    from ...flow import run
    from ..result import to_json
    from .show import runs as show

    with progress():
        result = run(settings, out_folder, fresh=fresh)
    if isinstance(result, NotRun):
        return  # another process does the rest
    if as_json:
        print_json(to_json(result))
    else:
        show.run_result(out, result)
    if result.failures:
        raise GateFailed(
            f"{len(result.failures)} of the gates failed, so nothing was sealed; what was made is "
            f"in {out_folder} for inspection, and a bundle there is an earlier run's."
        )


@takes_settings(SEARCHED)
def search(
    settings: RunConfig,
    budget: Annotated[str, typer.Option(help="Time for all of it: 90s, 30m or 2h.")] = "30m",
    max_bytes: Annotated[str, typer.Option(help="Largest int8 artefact: 900KB or 2MB.")] = "2MB",
    min_retention: Annotated[
        float, typer.Option(help="Share of the teacher's accuracy that is enough.")
    ] = 0.98,
    out_folder: OutFolder = Path("build/search"),
    as_json: Json = False,
) -> None:
    """Train students of many shapes within a time budget; show which pay off."""
    seconds, limit = to_seconds(budget), to_bytes(max_bytes)
    from ..search import search
    from .show import runs as show

    with progress():
        result = search(
            settings, out_folder, budget_s=seconds, max_bytes=limit, min_retention=min_retention
        )
    if as_json:
        print_json(asdict(result))
    else:
        show.searched(out, result)
    if result.best is None:
        raise GateFailed(
            f"None of the {len(result.found)} shapes that were trained keeps {min_retention:.1%} "
            "of the teacher's accuracy. Raise --budget or --max-bytes, or lower --min-retention."
        )


def report(
    builds: Annotated[
        list[Path], typer.Argument(help="Folders that pocketbert run or package wrote.")
    ],
    file: Annotated[
        Path | None, typer.Option("--out", help="The page; default: report.html in the first.")
    ] = None,
) -> None:
    """Write one page of one or several builds, with everything measured since."""
    from ..folders import REPORT
    from ..packaged import is_packaged, read_packaged
    from ..report.page import write_package_report, write_report
    from ..result import read_build

    page = file or builds[0] / REPORT
    packaged = [build for build in builds if is_packaged(build)]
    if not packaged:
        write_report([read_build(build) for build in builds], page)
    elif len(builds) == 1:
        write_package_report(read_packaged(builds[0]), page)
    else:
        raise InputError(
            f"{packaged[0]}: a packaged classifier has a page of its own. Give it alone."
        )
    out.print(f"report   {shown(page)}")
