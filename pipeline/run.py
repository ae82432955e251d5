"""The main job, one stage a line: labelled text in, a sealed bundle and its report out."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from .app.stages import learn as learning, ship as stages
from .learn import team
from .bundle.open import Sealed, seal
from .app.cache import Cache, lock
from .base.config import RunConfig, to_command, to_dict
from .data.corpus import load_corpus, read_replies
from .base.errors import NotRun
from .models.metrics import calibrate, evaluate
from .base.files import sha256
from .bundle.golden import golden_texts, make_golden
from .models.batches import Logits
from .app.stages.learn import Job
from .learn.losses import OUTSIDE, UNLABELLED
from .base.progress import Track, silent
from .app.report.page import write_card, write_report
from .app.result import Confusion, ModelResult, RunResult, read_build, write_result
from .app.stages.ship import Lowered
from .models.student import load_student
from .models.teacher import load_teacher
from .learn.transfer import load_transfer_set
from .measure.gates import PartLogits, judge_student
from .models.vocabulary import Segmentation, compare_segmentation

CONFUSIONS = 12  # pairs of intents shown in the report


def run(
    config: RunConfig, out: Path, track: Track = silent, *, fresh: bool = False
) -> RunResult | NotRun:
    """Do everything `config` asks for in the folder `out`; unchanged stages are reused.

    The bundle is sealed only when every gate holds; otherwise the artefacts stay for inspection
    and the result lists the failures. Under `accelerate launch` all processes train, and the main
    one alone does the rest; for the others the result is a `NotRun`.

    Raises:
        PipelineError: input, teacher or configuration that cannot be used.
    """
    torch.set_num_threads(1)  # sums, and so results, must not depend on the number of cores
    with lock(out) if team.is_main() else nullcontext(), threadpool_limits(1):
        corpus = load_corpus(config.data, config.seed)
        replies = read_replies(config.data, corpus.labels)
        job = Job(config, corpus, Cache(out, fresh=fresh), track)

        teacher = learning.fit(job)
        transfer_set = learning.ask(job, teacher)
        student = learning.train(job, teacher, transfer_set)
        if not team.is_main():
            return NotRun("this process only helped to train")
        reference = stages.refer(job, teacher, student)
        models = {
            "teacher": _model(job, teacher, reference.teacher),
            "student": _model(job, student, reference.student),
        }
        failures = judge_student(
            models["student"].evaluation, models["teacher"].evaluation, config.gates
        )
        targets = () if failures else config.targets
        artifacts = {name: stages.lower(job, name, student, reference) for name in targets}
        lowered = {
            name: made if isinstance(made, NotRun) else stages.verify(job, made, student, reference)
            for name, made in artifacts.items()
        }
        failures += _failures(lowered)
        bundle = (
            NotRun("a gate failed") if failures else _seal(job, replies, teacher, student, lowered)
        )
        latency = {
            name: made if isinstance(made, NotRun) else stages.bench(job, name, bundle)
            for name, made in lowered.items()
        }
        result = RunResult(
            out=out,
            bundle=bundle,
            data=corpus.name,
            rows=_count(job),
            labels=len(corpus.labels),
            findings=corpus.findings,
            preset=config.preset,
            seed=config.seed,
            learned_from=_learned_from(transfer_set),
            segmentation=_segmentation(job, teacher, student),
            teacher=models["teacher"],
            student=models["student"],
            verdicts={
                name: made if isinstance(made, NotRun) else made.verdict
                for name, made in lowered.items()
            },
            latency=latency,
            confusions=_confusions(job, reference.student.test),
            failures=failures,
            reused=tuple(job.cache.reused),
        )
        write_result(result)
        build = read_build(out)
        write_report([build], result.report)
        write_card(build, student)
    return result


def _model(job: Job, folder: Path, logits: PartLogits) -> ModelResult:
    weights = (folder / "model.safetensors").stat().st_size
    calibration = calibrate(logits.validation, job.corpus.validation.labels)
    return ModelResult(
        size_bytes=weights,
        parameters=weights // 4,  # float32
        evaluation=evaluate(logits.test, job.corpus.test.labels, logits.out_of_scope, calibration),
        calibration=calibration,
    )


def _failures(lowered: Mapping[str, Lowered | NotRun]) -> tuple[str, ...]:
    made = [value for value in lowered.values() if isinstance(value, Lowered)]
    if lowered and not made:
        reasons = "; ".join(v.reason for v in lowered.values() if isinstance(v, NotRun))
        return (f"No target could be lowered on this machine: {reasons}",)
    return tuple(failure for value in made for failure in value.verdict.failures)


def _seal(
    job: Job,
    replies: Mapping[str, list[str]],
    teacher: Path,
    student: Path,
    lowered: Mapping[str, Lowered | NotRun],
) -> Path:
    made = {name: value for name, value in lowered.items() if isinstance(value, Lowered)}
    logits = {name: value.golden for name, value in made.items()}
    texts = golden_texts(job.corpus.test.texts)
    vocabulary = load_student(student).vocabulary
    return seal(
        job.cache.out / "bundle",
        name=job.corpus.name,
        labels=job.corpus.labels,
        vocabulary=vocabulary,
        artifacts={name: _sealed(value) for name, value in made.items()},
        replies=replies,
        golden=make_golden(texts, vocabulary, logits),
        provenance={
            "seed": job.config.seed,
            "preset": job.config.preset,
            "command": to_command(job.config),
            "data_sha256": job.corpus.digest,
            "teacher_sha256": sha256(teacher / "model.safetensors"),
            "student_sha256": sha256(student / "model.safetensors"),
            "distill": to_dict(job.config.distill),
            "student": to_dict(job.config.student),
            "versions": job.cache.versions,
        },
        out_of_scope_label=job.config.data.out_of_scope_label,
    )


def _sealed(made: Lowered) -> Sealed:
    verdict = made.verdict
    metrics = {**asdict(verdict.evaluation), "agreement": verdict.agreement}
    return Sealed(made.artifact, verdict.calibration, verdict.tolerance, verdict.engine, metrics)


def _count(job: Job) -> dict[str, int]:
    counts = {name: len(part.texts) for name, part in job.corpus.parts.items()}
    return {**counts, "out_of_scope": len(job.corpus.test.out_of_scope)}


def _learned_from(folder: Path) -> dict[str, int]:
    labels = load_transfer_set(folder).labels
    return {
        "labelled": int((labels >= 0).sum()),
        "out-of-scope": int((labels == OUTSIDE).sum()),
        "reworded or unlabelled": int((labels == UNLABELLED).sum()),
    }


def _segmentation(job: Job, teacher: Path, student: Path) -> Segmentation:
    length = job.config.student.max_length
    texts = (*job.corpus.validation.texts, *job.corpus.test.texts)
    whole = load_teacher(teacher, length).vocabulary
    return compare_segmentation(whole, load_student(student).vocabulary, texts)


def _confusions(job: Job, logits: Logits) -> tuple[Confusion, ...]:
    """The pairs of intents that the student confuses most, with the texts."""
    labels, test = job.corpus.labels, job.corpus.test
    pairs = defaultdict[tuple[str, str], list[str]](list)
    for text, label, guess in zip(test.texts, test.labels, logits.argmax(1), strict=True):
        if label != guess:
            pairs[labels[label], labels[guess]].append(text)
    ranked = sorted(pairs.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return tuple(Confusion(*pair, tuple(texts)) for pair, texts in ranked[:CONFUSIONS])
