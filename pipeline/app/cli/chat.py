"""Chat in the terminal: lines in, answers out. It imports what one answer needs, and no more."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from ...base.formats import TARGETS
from .console import out
from .options import BundleFolder, Key


def chat(
    bundle: BundleFolder,
    runtime: Annotated[
        str | None,
        typer.Option(
            help=f"Artefact that answers: {', '.join(TARGETS)}; default: the lightest here."
        ),
    ] = None,
    key: Key = None,
) -> None:
    """Chat in the terminal, or answer piped lines; /stats shows latency, /quit leaves."""
    from ...bundle.classify import Answer, ChatEngine
    from ...bundle.open import open_bundle
    from .show import chat as show

    opened = open_bundle(bundle, key)
    classifier = opened.classifier(runtime)
    engine = ChatEngine(classifier)
    show.greeting(out, opened, classifier.runtime)
    answers = list[Answer]()
    for line in _lines():
        command = line.strip()
        if command in ("/quit", "/exit"):
            break
        if command == "/stats":
            show.stats(out, answers)
        elif command == "/help":
            show.help(out, opened)
        else:
            answers.append(engine.answer(line))
            show.answer(out, answers[-1])


def _lines() -> Iterator[str]:
    """Lines typed or piped, of any content, until the end of input."""
    if sys.stdin is None:
        return
    if sys.stdin.isatty():
        while True:
            try:
                yield input("> ")
            except EOFError:
                return
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    for line in sys.stdin:
        yield line.rstrip("\n")
