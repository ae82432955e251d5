"""Reproduce the tables of docs/distillation.md: a student a row and seed, a choice changed in each.

    .venv/bin/python scripts/ablate.py --data clinc150 --fine-tune

Every student stays below --out, so that an interrupted call goes on where it stopped. Figures are
of the float student on the validation part, CPU seconds of its training on one thread.
"""

import hashlib
import json
import time
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer

from pipeline.quiet import quiet

quiet()  # before any toolchain is imported

import torch  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from pipeline import stages  # noqa: E402
from pipeline.cache import Cache, lock  # noqa: E402
from pipeline.config import RunConfig, load_config  # noqa: E402
from pipeline.data import Corpus, load_corpus  # noqa: E402
from pipeline.errors import NotRun  # noqa: E402
from pipeline.evaluate import accuracy, agreement, calibrate, evaluate  # noqa: E402
from pipeline.files import write_json  # noqa: E402
from pipeline.inference import Logits  # noqa: E402
from pipeline.progress import silent  # noqa: E402
from pipeline.stages import Job  # noqa: E402
from pipeline.student import load_student  # noqa: E402
from pipeline.teacher import load_teacher  # noqa: E402

# What each row changes of the preset.
ROWS: dict[str, dict[str, Any]] = {
    "the preset": {},
}


@dataclass(frozen=True)
class Figures:
    """One student on the validation part."""

    accuracy: float
    retention: float
    agreement: float
    auroc: float
    found: float  # share of out-of-scope texts
    calibration_error: float
    cpu_s: float


def main(
    data: Annotated[str, typer.Option(help="As of pocketbert run.")],
    teacher: Annotated[str, typer.Option(help="Likewise.")] = "minilm",
    fine_tune: Annotated[bool, typer.Option("--fine-tune", help="Likewise.")] = False,
    preset: Annotated[str, typer.Option(help="What every row starts from.")] = "nano",
    row: Annotated[list[int] | None, typer.Option(help="Numbers of rows; default: all.")] = None,
    seeds: Annotated[int, typer.Option(help="Students for each row; the mean is printed.")] = 1,
    out: Annotated[Path, typer.Option(help="Where students stay.")] = Path("build/ablation"),
) -> None:
    """Train what is not there yet, and print a line of a Markdown table for each row."""
    torch.set_num_threads(1)
    common = {
        "preset": preset,
        "data": {"source": data, "test_share": 0.01},  # all are measured on validation
        "teacher": {"source": teacher, "fine_tune": fine_tune},
    }
    print("| | accuracy | of the teacher | agrees | AUROC | OOS found | ECE | CPU s |")
    print("|---|---|---|---|---|---|---|---|")
    with lock(out), threadpool_limits(1):
        for number, (name, changes) in enumerate(ROWS.items()):
            if row and number not in row:
                continue
            made = [_figures(out, common, changes, seed) for seed in range(seeds)]
            average = [mean(values) for values in zip(*map(astuple, made), strict=True)]
            *shares, cpu_s = average
            print(f"| {name} | " + " | ".join(f"{s:.2%}" for s in shares) + f" | {cpu_s:.0f} |")


def _figures(out: Path, common: dict[str, Any], changes: dict[str, Any], seed: int) -> Figures:
    config = load_config(None, {**common, **changes, "seed": seed})
    corpus = load_corpus(config.data)  # the same split whatever the seed
    teacher = stages.fit(Job(replace(config, seed=0), corpus, Cache(out), silent))
    lessons = stages.ask(Job(config, corpus, Cache(_lessons(out, config)), silent), teacher)
    inputs = {
        "teacher": teacher,
        "lessons": lessons,
        "student": config.student,
        "distill": config.distill,
        "seed": seed,
    }
    own = Cache(out / "rows" / hashlib.sha256(repr(inputs).encode()).hexdigest()[:12])

    def make(folder: Path) -> None:
        begun = time.process_time()
        made = stages.train(Job(config, corpus, own, silent), teacher, lessons)
        cpu_s = time.process_time() - begun
        loaded = load_teacher(teacher, config.student.max_length)
        reference = loaded.logits(corpus.validation.texts)
        write_json(folder / "figures.json", asdict(_judge(made, corpus, reference, cpu_s)))

    file = own.folder("figures", inputs, make) / "figures.json"
    return Figures(**json.loads(file.read_text(encoding="utf-8")))


def _lessons(out: Path, config: RunConfig) -> Path:
    """Rows of as many rewordings and the same seed share what the teacher said."""
    return out / f"lessons-{config.distill.augment}-{config.seed}"


def _judge(student: Path, corpus: Corpus, reference: Logits, cpu_s: float) -> Figures:
    part, model = corpus.validation, load_student(student)
    logits, outside = model.logits(part.texts), model.logits(part.out_of_scope)
    found = evaluate(logits, part.labels, outside, calibrate(logits, part.labels))
    assert not isinstance(found.out_of_scope, NotRun), "give data with out-of-scope texts"
    return Figures(
        accuracy=found.accuracy,
        retention=found.accuracy / accuracy(reference, part.labels),
        agreement=agreement(logits, reference),
        auroc=found.out_of_scope.auroc,
        found=found.out_of_scope.recall,
        calibration_error=found.calibration_error,
        cpu_s=cpu_s,
    )


if __name__ == "__main__":
    typer.run(main)
