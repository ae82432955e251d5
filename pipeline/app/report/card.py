"""The student's model card, in Hugging Face's format."""

from pathlib import Path

from ..folders import CARD
from ..result import Build
from .templates import environment


def write_card(build: Build, folder: Path) -> Path:
    """Write the student's model card, `README.md` in its folder, in Hugging Face's format."""
    file = folder / CARD
    card = (
        environment(autoescape=False)
        .get_template("card.md")
        .render(build=build, result=build.result)
    )
    file.write_text(card, encoding="utf-8")
    return file
