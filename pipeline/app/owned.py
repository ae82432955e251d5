"""What in an output folder is ours: asked before anything starts, so that nothing else is lost."""

from collections.abc import Iterator
from pathlib import Path

from ..base.files import refuse_foreign, refuse_other_file
from ..bundle import layout
from ..learn import checkpoint, shards
from . import folders
from .cache import foreign

REPORT_MARK = '<meta name="generator" content="pocketbert">'  # in every report
BEST_MARK = "# Made by pocketbert search: what pocketbert run --config makes again."
PICTURE = "pocketbert search"  # the picture's title
# What each file that a run or a search writes contains, and no other is likely to.
MARKS = {
    folders.RESULT: ('"learned_from"', '"verdicts"'),
    folders.PACKAGED: ('"architecture"', '"verdicts"'),
    folders.REPORT: (REPORT_MARK,),
    folders.FOUND: ('"min_retention"', '"found"'),
    folders.BEST: (BEST_MARK,),
    folders.FRONT: (f"<dc:title>{PICTURE}</dc:title>",),
}


def check_out(out: Path) -> None:
    """Refuse `out` where a run or a search would replace what neither made.

    Raises:
        PipelineError: the first such path.
    """
    for part in (out, *_shown(out / folders.SHAPES)):
        for folder in _stages(part):
            refuse_foreign(folder, foreign)
        for stage in _shown(part / folders.CHECKPOINTS):
            ours = shards.foreign if stage.name == folders.TRANSFER_SET else checkpoint.foreign
            for kept in _shown(stage):
                refuse_foreign(kept, ours)
    refuse_foreign(out / folders.BUNDLE, layout.foreign)
    for name, marks in MARKS.items():
        refuse_other_file(out / name, *marks)


def _stages(out: Path) -> Iterator[Path]:
    names = (folders.TEACHER, folders.FROZEN_TEACHER, folders.TRANSFER_SET, folders.STUDENT)
    yield from (out / name for name in (*names, folders.REFERENCE, folders.MEASURED))
    for name in (folders.HIDDEN, folders.ARTIFACTS, folders.VERIFIED, folders.BENCHED):
        yield from _shown(out / name)


def _shown(folder: Path) -> Iterator[Path]:
    """What is in `folder`, but for what a killed writer left aside."""
    return (path for path in sorted(folder.glob("*")) if not path.name.startswith("."))
