"""What all tables share: columns, marks, sizes."""

from collections.abc import Sequence

from rich.table import Table

GOOD, BAD = "[green]✓[/]", "[red]✗[/]"


def table(title: str, left: Sequence[str], right: Sequence[str], after: Sequence[str]) -> Table:
    """A table without lines: columns `left` and `after` to the left, `right` to the right."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for columns, justify in ((left, "left"), (right, "right"), (after, "left")):
        for name in columns:
            made.add_column(name, justify=justify)  # type: ignore[arg-type]
    return made


def size(size_bytes: int) -> str:
    """Megabytes, to two decimals."""
    return f"{size_bytes / 1e6:.2f} MB"
