"""Pictures: what figures look like, in the report's page and as files. It computes no results."""

import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

from markupsafe import Markup

# One hue a series, light enough for a dark page and dark enough for a white one (Okabe-Ito).
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#8a8f98"
COLOURS = (BLUE, "#E69F00", "#009E73", "#CC79A7", "#56B4E9", ORANGE, GREY)


def new_figure(height: float) -> tuple[Any, Any]:
    """A figure of page width and `height` inches, with its axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    # Text stays text, and takes the page's colour, so that one picture serves light and dark.
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "pocketbert", "font.size": 11})
    figure, axes = pyplot.subplots(figsize=(7.2, height), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def to_svg(figure: Any) -> Markup:
    """The figure as an inline SVG element, on the page's own background; `figure` is closed."""
    from matplotlib import pyplot

    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    pyplot.close(figure)
    svg = buffer.getvalue()
    return Markup(svg[svg.index("<svg") :].replace("#000000", "currentColor"))  # noqa: S704  our own


class Shape(Protocol):
    """A trained student as a point in the plane."""

    @property
    def name(self) -> str:
        """What to write beside it."""

    @property
    def size_bytes(self) -> int:
        """Of the int8 artefact."""

    @property
    def multiply_adds(self) -> int:
        """Of one inference."""

    @property
    def retention(self) -> float:
        """Share of the teacher's accuracy."""


def draw_front(
    file: Path,
    found: Collection[Shape],
    front: Sequence[Shape],
    best: Shape | None,
    max_mb: float,
    min_retention: float,
) -> None:
    """Write an SVG of size against retention; a dot's area is its multiply-adds."""
    from matplotlib import pyplot

    figure, axes = new_figure(4.4)
    most = max(one.multiply_adds for one in found)
    for shapes, colour, label in (
        ([one for one in found if one not in front], GREY, "beaten"),
        (front, BLUE, "Pareto front"),
        ([best] if best else [], ORANGE, "smallest within the limits"),
    ):
        if shapes:
            axes.scatter(
                [one.size_bytes / 1e6 for one in shapes],
                [100 * one.retention for one in shapes],
                s=[30 + 270 * one.multiply_adds / most for one in shapes],
                color=colour,
                alpha=0.8,
                label=label,
            )
    for one in front:
        axes.annotate(
            one.name,
            (one.size_bytes / 1e6, 100 * one.retention),
            xytext=(0, -16),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.axvline(max_mb, color=GREY, linestyle="--")
    axes.axhline(100 * min_retention, color=GREY, linestyle="--")
    axes.margins(0.12)
    axes.set_xlabel("int8 size in MB, as counted; the dot's area: multiply-adds")
    axes.set_ylabel("% of the teacher's accuracy (validation)")
    axes.legend(frameon=False, loc="lower right", markerscale=0.6)
    figure.savefig(file, format="svg", metadata={"Date": None})
    pyplot.close(figure)
