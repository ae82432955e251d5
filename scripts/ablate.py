"""Reproduce the tables of docs/distillation.md: a student a row and seed, a choice changed in each.

    .venv/bin/python scripts/ablate.py --data clinc150 --fine-tune

measures what each choice is worth on the preset, and the presets themselves are measured with

    --preset pico --preset nano --preset small --row 0 --seeds 3 --target executorch

behind it. The teacher is fitted once, and its labels are shared by all students. Every student
stays below --out, so that an interrupted call goes on where it stopped. Figures are of the
validation part, of the float student or, with --target, of its int8 artefact; CPU seconds are those
of its training on one thread.
"""

import hashlib
import json
import time
from dataclasses import asdict, astuple, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer

from pocketbert.base.quiet import quiet

quiet()  # before any toolchain is imported

import torch  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from pocketbert.app.cache import Cache, described, lock  # noqa: E402
from pocketbert.app.cli.console import progress  # noqa: E402
from pocketbert.app.stages import learn as learning  # noqa: E402
from pocketbert.app.stages.learn import Job  # noqa: E402
from pocketbert.base.arrays import Logits  # noqa: E402
from pocketbert.base.config import Gates, RunConfig  # noqa: E402
from pocketbert.base.config_file import load_config, merge  # noqa: E402
from pocketbert.base.config_text import read_assignments  # noqa: E402
from pocketbert.base.errors import NotRun  # noqa: E402
from pocketbert.base.files import tree_bytes, write_json  # noqa: E402
from pocketbert.base.recipes import RECIPES  # noqa: E402
from pocketbert.data.corpus import Corpus, load_corpus  # noqa: E402
from pocketbert.measure.gates import run_texts  # noqa: E402
from pocketbert.models.calibration import calibrate  # noqa: E402
from pocketbert.models.metrics import accuracy, agreement, evaluate  # noqa: E402
from pocketbert.models.student import Student, load_student  # noqa: E402
from pocketbert.models.teacher import load_teacher  # noqa: E402
from pocketbert.targets import get_target  # noqa: E402

# What each row changes of the preset.
ROWS: dict[str, dict[str, dict[str, Any]]] = {
    "as it is": {},
    "no rewordings, 12 epochs": {"distill": {"augment": 0, "epochs": 12}},
    "two rewordings of each text, 4 epochs": {"distill": {"augment": 2, "epochs": 4}},
    "labels only": {"distill": {"logit_weight": 0.0, "label_weight": 1.0, "epochs": 12}},
    "and hidden states": {"distill": {"hidden_weight": 1.0}},
    "and embeddings": {"distill": {"embedding_weight": 1.0}},
    "and attention relations": {"distill": {"relation_weight": 1.0}},
    "and evenness out of scope": {"distill": {"outside_weight": 1.0}},
    "temperature 1.25": {"distill": {"temperature": 1.25}},
    "temperature 5": {"distill": {"temperature": 5.0}},
    "no word dropout": {"distill": {"word_dropout": 0.0}},
    "layers 0 and 3": {"student": {"teacher_layers": (0, 3)}},
    "layers 2 and 5": {"student": {"teacher_layers": (2, 5)}},
    "5,000 word pieces": {"student": {"vocabulary": 5_000}},
    "12,000 word pieces": {"student": {"vocabulary": 12_000}},
    "factorised embedding of 64 columns": {"student": {"embedding": 64}},
}


@dataclass(frozen=True)
class Figures:
    """One student, or its artefact, on the validation part."""

    accuracy: float
    retention: float  # share of the teacher's accuracy
    agreement: float  # with the teacher
    auroc: float
    found: float  # share of out-of-scope texts
    calibration_error: float  # after temperature
    megabytes: float
    cpu_s: float


def main(
    data: Annotated[str, typer.Option(help="As of pocketbert run.")],
    teacher: Annotated[str, typer.Option(help="Likewise.")] = "minilm",
    fine_tune: Annotated[bool, typer.Option("--fine-tune", help="Likewise.")] = False,
    unlabeled: Annotated[str | None, typer.Option(help="Likewise.")] = None,
    preset: Annotated[
        list[str] | None, typer.Option(help="What rows start from; default: nano.")
    ] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of all rows, as of pocketbert run."),
    ] = None,
    row: Annotated[list[int] | None, typer.Option(help="Numbers of rows; default: all.")] = None,
    seeds: Annotated[int, typer.Option(help="Students for each row; the mean is printed.")] = 1,
    target: Annotated[str | None, typer.Option(help="Measure this artefact.")] = None,
    out: Annotated[Path, typer.Option(help="Where students stay.")] = Path("build/ablation"),
) -> None:
    """Train what is not there yet, and print a line of a Markdown table for each row."""
    torch.set_num_threads(1)
    common = {
        # What is measured is validation; a test part, where there is none, takes little.
        "data": {"source": data, "unlabeled": unlabeled, "test_share": 0.01},
        "teacher": {"source": teacher, "fine_tune": fine_tune},
    }
    common = merge(common, read_assignments(assign or ()))
    print("| | accuracy | of the teacher | agrees | AUROC | OOS found | ECE | MB | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|")
    chosen = [(name, ROWS[name]) for number, name in enumerate(ROWS) if not row or number in row]
    with lock(out), threadpool_limits(1), progress():
        for base, (name, changes) in product(preset or (RunConfig.preset,), chosen):
            settings = merge({**common, "preset": base}, changes)
            made = [_figures(out, settings, seed, target) for seed in range(seeds)]
            *shares, megabytes, cpu_s = map(mean, zip(*map(astuple, made), strict=True))
            cells = [f"{share:.2%}" for share in shares] + [f"{megabytes:.2f}", f"{cpu_s:.0f}"]
            print(f"| {base}: {name} | {' | '.join(cells)} |", flush=True)


def _figures(out: Path, settings: dict[str, Any], seed: int, target: str | None) -> Figures:
    config = load_config(None, settings)
    corpus = load_corpus(config.data)
    job = Job(config, corpus, Cache(out))
    teacher = learning.fit_teacher(job)
    # Seeds share what the teacher said; rows with as many rewordings do so, too.
    asked = replace(job, cache=Cache(out / f"copies-{learning.count_copies(job)}"))
    transfer_set = learning.label_texts(asked, teacher)
    config = replace(config, seed=seed)
    inputs = {
        "teacher": teacher,
        "transfer_set": transfer_set,
        "student": config.student,
        "distill": config.distill,
        "seed": seed,
    }
    key = hashlib.sha256(json.dumps(described(inputs)).encode()).hexdigest()
    own = Cache(out / "students" / key[:12])

    def make_student(folder: Path) -> None:
        begun = time.process_time()
        learning.distill_student(Job(config, corpus, own), teacher, transfer_set)
        write_json(folder / "seconds.json", time.process_time() - begun)

    def make_figures(folder: Path) -> None:
        loaded = load_teacher(teacher, config.student.max_length)
        reference = loaded.logits(corpus.validation.texts)
        cpu_s = json.loads((trained / "seconds.json").read_text(encoding="utf-8"))
        figures = _measure(load_student(own.out / "student"), target, folder, corpus, reference)
        write_json(folder / "figures.json", {**asdict(figures), "cpu_s": cpu_s})

    trained = own.folder("trained", inputs, make_student)
    made = own.folder(f"figures-{target}", {**inputs, "target": target}, make_figures)
    return Figures(**json.loads((made / "figures.json").read_text(encoding="utf-8")))


def _measure(
    student: Student, target: str | None, folder: Path, corpus: Corpus, reference: Logits
) -> Figures:
    part, read = corpus.validation, student.logits
    size = 4 * student.model.num_parameters()
    if target:
        artifact = get_target(target).lower(student, folder, RECIPES["int8"])
        read = partial(run_texts, get_target(target).load(artifact), student.vocabulary)
        size = tree_bytes(artifact.path)
    logits, outside = read(part.texts), read(part.out_of_scope)
    found = evaluate(logits, part.labels, outside, calibrate(logits, part.labels, Gates().min_kept))
    assert not isinstance(found.out_of_scope, NotRun), "give data with out-of-scope texts"
    return Figures(
        accuracy=found.accuracy,
        retention=found.accuracy / accuracy(reference, part.labels),
        agreement=agreement(logits, reference),
        auroc=found.out_of_scope.auroc,
        found=found.out_of_scope.recall,
        calibration_error=found.calibration_error,
        megabytes=size / 1e6,
        cpu_s=0.0,
    )


if __name__ == "__main__":
    typer.run(main)
