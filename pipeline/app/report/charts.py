"""Pictures of finished figures, for the report's page and as files. It computes no results."""

import io
from collections.abc import Collection, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from markupsafe import Markup

from ...base.events import TrainingEnded
from ...measure.gates import JudgedLogits, Verdict
from ...measure.record import LatencyRecord
from ..owned import PICTURE

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
    figure.savefig(file, format="svg", metadata={"Date": None, "Title": PICTURE})
    pyplot.close(figure)


def sizes(models: Mapping[str, int], verdicts: Mapping[str, Verdict]) -> Markup:
    """Bytes of float models and of artefacts."""
    bars = [*models.items(), *((n, v.stored.size_bytes) for n, v in verdicts.items())]
    names, values = zip(*reversed(bars), strict=True)
    figure, axes = new_figure(0.42 * len(bars) + 0.6)
    colours = [BLUE if name in verdicts else GREY for name in names]
    drawn = axes.barh(names, [size / 1e6 for size in values], color=colours)
    axes.bar_label(drawn, [f"{size / 1e6:.2f} MB" for size in values], padding=4)
    axes.set_xlim(right=max(values) / 1e6 * 1.15)
    axes.set_xlabel("size in MB")
    return to_svg(figure)


def bytes_by_part(verdicts: Mapping[str, Verdict]) -> Markup:
    """Where the bytes of each artefact are."""
    names = list(verdicts)[::-1]
    stored = [verdicts[name].stored.bytes_by_part for name in names]
    figure, axes = new_figure(0.42 * len(names) + 1.3)
    left = np.zeros(len(names))
    for part, colour in zip(stored[0], COLOURS, strict=False):
        widths = np.array([parts[part] / 1e6 for parts in stored])
        axes.barh(names, widths, left=left, color=colour, label=part)
        left += widths
    axes.set_xlabel("size in MB")
    axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.45, 1), fontsize=9)
    return to_svg(figure)


def scores(student: JudgedLogits, threshold: float) -> Markup:
    """Highest logits of in-scope and out-of-scope test texts, and where the line is drawn."""
    figure, axes = new_figure(2.8)
    for logits, colour, name in (
        (student.test, BLUE, "in scope"),
        (student.out_of_scope, ORANGE, "out of scope"),
    ):
        axes.hist(logits.max(1), bins=40, density=True, color=colour, alpha=0.6, label=name)
    axes.axvline(threshold, color=GREY, linestyle="--", label="threshold")
    axes.set_xlabel("highest logit of the student")
    axes.set_ylabel("density of texts")
    axes.legend(frameon=False)
    return to_svg(figure)


def out_of_scope(student: JudgedLogits, threshold: float) -> Markup:
    """Out-of-scope texts found against in-scope texts kept, over every threshold."""
    inside, outside = student.test.max(1), student.out_of_scope.max(1)
    lines = np.concatenate([[-np.inf], np.sort(np.concatenate([inside, outside])), [np.inf]])
    kept = [100 * float((inside >= line).mean()) for line in (*lines, threshold)]
    found = [100 * float((outside < line).mean()) for line in (*lines, threshold)]
    figure, axes = new_figure(3.0)
    axes.plot(kept[:-1], found[:-1], color=BLUE)
    axes.plot(kept[-1], found[-1], "o", color=ORANGE, label="the threshold in the bundle")
    axes.set_xlabel("% of in-scope texts kept")
    axes.set_ylabel("% of out-of-scope found")
    axes.legend(frameon=False, loc="lower left")
    return to_svg(figure)


def training(ended: TrainingEnded) -> Markup:
    """Loss over the steps of one training and, where epochs were scored, the score."""
    figure, axes = new_figure(2.6)
    axes.plot(*zip(*ended.losses, strict=True), color=BLUE, label="loss")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)
    if ended.scores:
        right = axes.twinx()
        right.plot(
            *zip(*ended.scores, strict=True), "o-", color=ORANGE, label="validation accuracy"
        )
        right.set_ylabel("validation accuracy")
        right.spines["top"].set_visible(False)
        figure.legend(frameon=False, loc="upper center", ncols=2)
    return to_svg(figure)


def by_length(records: Sequence[LatencyRecord]) -> Markup:
    """Median of one inference by input length."""
    figure, axes = new_figure(2.8)
    for record, colour in zip(records, cycle(COLOURS), strict=False):
        costs = [cost for cost in record.by_length if cost.inference]
        medians = [cost.inference.p50 for cost in costs if cost.inference]
        tokens = [cost.tokens for cost in costs]
        axes.plot(tokens, medians, "o-", color=colour, label=_label(record, records))
    axes.set_ylim(bottom=0)
    axes.set_xticks([cost.tokens for cost in records[0].by_length])
    axes.set_xlabel("tokens")
    axes.set_ylabel("inference p50 in ms")
    axes.legend(frameon=False)
    return to_svg(figure)


def percentiles(records: Sequence[LatencyRecord]) -> Markup:
    """Percentiles of the wall time of a whole answer."""
    figure, axes = new_figure(0.6 * len(records) + 1.2)
    for place, record in enumerate(reversed(records)):
        assert record.wall, "only timed records are drawn"
        answer = record.wall.answer
        axes.plot([answer.min, answer.p99], [place, place], color=GREY, linewidth=2, zorder=1)
        for value, marker, name in (
            (answer.p50, "o", "p50"),
            (answer.p90, "s", "p90"),
            (answer.p99, "^", "p99"),
        ):
            label = name if place == 0 else None
            axes.scatter(value, place, marker=marker, color=BLUE, label=label, zorder=2)
    axes.set_yticks(range(len(records)), [_label(r, records) for r in reversed(records)])
    axes.set_xlim(left=0)
    axes.margins(y=0.3)
    axes.set_xlabel("whole answer in ms, wall time; the line begins at the fastest")
    axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.45, 1))
    return to_svg(figure)


def instructions(records: Sequence[LatencyRecord]) -> Markup:
    """Instructions of one inference of 32 tokens, or the nearest length, against the floor."""
    figure, axes = new_figure(0.42 * len(records) + 1.2)
    for place, record in enumerate(reversed(records)):
        cost = min(record.by_length, key=lambda cost: abs(cost.tokens - 32))
        assert cost.instructions, "only counted records are drawn"
        total, floor = cost.instructions.total, cost.instructions.floor
        bar = axes.barh(place, total / 1e6, color=BLUE)
        axes.bar_label(bar, [f"{total / 1e6:.2f} M, {total / floor:.1f} x the floor"], padding=4)
        axes.plot([floor / 1e6] * 2, [place - 0.4, place + 0.4], color=ORANGE, linewidth=3)
    names = [f"{record.artifact}, {record.device}" for record in reversed(records)]
    axes.set_yticks(range(len(records)), names)
    axes.margins(x=0.45)
    axes.set_xlim(left=0)
    axes.set_xlabel("million instructions at 32 tokens; orange: the floor")
    return to_svg(figure)


def _label(record: LatencyRecord, among: Sequence[LatencyRecord]) -> str:
    """The artefact, and the device where there are several."""
    several = len({(other.device, other.serial) for other in among}) > 1
    device = f", {record.device} {record.serial}".rstrip() if several else ""
    return f"{record.artifact}{device}{' (busy)' if record.busy else ''}"
