"""Write the list of rooms in docs/architecture.md anew, from the modules' docstrings."""

import ast
from pathlib import Path

from pocketbert.base.versions import ROOMS

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms: made by scripts/rooms.py -->\n", "<!-- end of rooms -->\n"


def describe(file: Path) -> str:
    """The first sentence of a module's docstring."""
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return said.split("\n\n")[0].replace("\n", " ")


def list_rooms() -> str:
    """Markdown of every room and of every module in it."""
    lines = list[str]()
    for number, room in enumerate(ROOMS, 1):
        folder = ROOT / "pipeline" / room
        lines += [f"### {number}. `{room}`", describe(folder / "__init__.py"), ""]
        lines += ["| module | what it is |", "|---|---|"]
        for file in sorted(folder.rglob("*.py")):
            if file.name != "__init__.py":
                name = file.relative_to(folder).with_suffix("").as_posix()
                lines.append(f"| `{name}` | {describe(file)} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Replace the list in the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + BEGIN + list_rooms() + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
