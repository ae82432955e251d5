"""Write README.md's table of what an app grows by anew: `python scripts/growth.py BUNDLE`."""

import sys
from collections.abc import Iterable
from pathlib import Path

from pocketbert.bundle.open import open_bundle
from pocketbert.measure.growth import Growth, app_growth

PAGE = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- growth: made by scripts/growth.py -->\n", "<!-- end of growth -->\n"
HEAD = (
    "| app | model | vocabulary, tables | golden cases, the rest | runtime | in all | "
    "the runtime's figure is from |\n|---|---|---|---|---|---|---|\n"
)


def megabytes(size: int | None) -> str:
    """To two decimals."""
    return "not known" if size is None else f"{size / 1e6:.2f} MB"


def to_markdown(rows: Iterable[Growth]) -> str:
    """One line an app."""
    lines = [HEAD]
    for row in rows:
        runtime = row.runtime
        sizes = (row.model, row.tables, row.rest, runtime.compressed, row.total)
        cells = (runtime.where, *map(megabytes, sizes), runtime.source)
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


def main(folders: Iterable[Path]) -> None:
    """Replace the table in the page by that of one bundle, or of several with other artefacts."""
    bundles = [open_bundle(folder) for folder in folders]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    made = to_markdown(row for one in bundles for row in app_growth(one.path, one.manifest))
    PAGE.write_text(before + BEGIN + made + END + after, encoding="utf-8")


if __name__ == "__main__":
    main(map(Path, sys.argv[1:]))
