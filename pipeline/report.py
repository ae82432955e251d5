"""What a run found, and one self-contained HTML page that shows it. It computes no results."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.bench.record import LatencyRecord
from pipeline.errors import NotRun
from pipeline.evaluate import Evaluation
from pipeline.inference import Logits
from pipeline.plots import BLUE, GREY, ORANGE, new_figure, to_svg
from pipeline.verify import Verdict
from pipeline.vocabulary import Segmentation


@dataclass(frozen=True)
class ModelResult:
    """A float model that the run made."""

    size_bytes: int
    parameters: int
    evaluation: Evaluation


@dataclass(frozen=True)
class Confusion:
    """Test texts of one intent that the student takes for another."""

    intent: str
    taken_for: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class RunResult:
    """Everything `pocketbert run` has to tell."""

    out: Path
    bundle: Path | NotRun
    data: str
    rows: Mapping[str, int]  # texts by part, and out-of-scope ones
    labels: int
    findings: tuple[str, ...]  # rows left out, with line numbers
    preset: str
    seed: int
    learned_from: Mapping[str, int]  # texts that the student learned from, by kind
    segmentation: Segmentation  # of validation and test texts, which pruning did not see
    teacher: ModelResult
    student: ModelResult
    verdicts: Mapping[str, Verdict | NotRun]
    latency: Mapping[str, LatencyRecord | NotRun]
    confusions: tuple[Confusion, ...]
    failures: tuple[str, ...]
    reused: tuple[str, ...]  # stages that had not changed

    @property
    def report(self) -> Path:
        """Where `write_report` puts the page."""
        return self.out / "report.html"


def write_report(result: RunResult, inside: Logits, outside: Logits, threshold: float) -> Path:
    """Write the page.

    Args:
        inside: the student's logits (texts, labels) on in-scope test texts.
        outside: the same on out-of-scope ones; (0, 0) where there are none.
        threshold: of the highest logit, as fitted for the student.
    """
    environment = Environment(
        loader=PackageLoader("pipeline", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["not_run"] = lambda value: isinstance(value, NotRun)
    environment.filters["mb"] = lambda size: f"{size / 1e6:.2f} MB"
    environment.filters["percent"] = lambda share: f"{share:.1%}"
    page = environment.get_template("report.html").render(
        result=result,
        sizes=_sizes(result),
        scores=_scores(inside, outside, threshold) if len(outside) else None,
    )
    result.report.write_text(page, encoding="utf-8")
    return result.report


def _sizes(result: RunResult) -> Markup:
    """Bytes of teacher, student and artefacts."""
    bars = [
        ("teacher, float", result.teacher.size_bytes),
        ("student, float", result.student.size_bytes),
    ]
    bars += [(n, v.stored.size_bytes) for n, v in result.verdicts.items() if isinstance(v, Verdict)]
    names, sizes = zip(*reversed(bars), strict=True)
    figure, axes = new_figure(0.42 * len(bars) + 0.6)
    colours = [BLUE if name in result.verdicts else GREY for name in names]
    drawn = axes.barh(names, [size / 1e6 for size in sizes], color=colours)
    axes.bar_label(drawn, [f"{size / 1e6:.2f} MB" for size in sizes], padding=4)
    axes.set_xlim(right=max(sizes) / 1e6 * 1.15)
    axes.set_xlabel("size in MB")
    return to_svg(figure)


def _scores(inside: Logits, outside: Logits, threshold: float) -> Markup:
    """Highest logits of in-scope and out-of-scope test texts, and where the line is drawn."""
    figure, axes = new_figure(2.8)
    for logits, colour, name in ((inside, BLUE, "in scope"), (outside, ORANGE, "out of scope")):
        axes.hist(logits.max(1), bins=40, density=True, color=colour, alpha=0.6, label=name)
    axes.axvline(threshold, color=GREY, linestyle="--", label="threshold")
    axes.set_xlabel("highest logit of the student")
    axes.set_ylabel("density of texts")
    axes.legend(frameon=False)
    return to_svg(figure)
