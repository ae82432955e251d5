"""The main jobs, one stage a line: labelled text or a fine-tuned model in, a sealed bundle out."""

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from .app.cache import Cache, lock
from .app.owned import check_out
from .app.packaged import Packaged, assemble_package, read_packaged, write_packaged
from .app.report.card import write_card
from .app.report.page import write_package_report, write_report
from .app.result import RunResult, assemble, read_build, write_result
from .app.stages import judge, learn, ship
from .app.stages import package as as_is
from .app.stages.learn import Job, Learned
from .base.config import RunConfig
from .base.errors import NotRun
from .base.workers import side_by_side
from .bundle.manifest import check_names
from .data.corpus import load_corpus, read_replies
from .learn import team
from .models.encoders import pin


def run(config: RunConfig, out: Path, *, fresh: bool = False) -> RunResult | NotRun:
    """Do everything `config` asks for in the folder `out`; unchanged stages are reused.

    The bundle is sealed only when every gate holds; otherwise the artefacts stay for inspection
    and the result lists the failures. Under `accelerate launch` all processes train, and the main
    one alone does the rest; for the others the result is a `NotRun`.

    Raises:
        PipelineError: input, teacher or configuration that cannot be used.
    """
    if team.is_main():
        check_out(out)
    held = lock(out) if team.is_main() else nullcontext()
    with held, team.one_thread():
        config = _pinned(config)
        corpus = load_corpus(config.data, config.seed)
        replies = read_replies(config.data, corpus.labels)
        check_names(corpus.name, corpus.labels, config.data.out_of_scope_label)
        job = learn.read_texts(Job(config, corpus, Cache(out, fresh=fresh)))
        with side_by_side(config.processes):
            teacher = learn.fit_teacher(job)
            transfer_set = learn.label_texts(job, teacher)
            student = learn.distill_student(job, teacher, transfer_set)
            if not team.is_main():
                return NotRun("this process only helped to train")
            learned = Learned(teacher, transfer_set, student)
            models = judge.judge_models(job, learned)
            artifacts = ship.lower(job, learned, models)
            verified = ship.verify(job, learned, models, artifacts)
        # The workers have ended: what is timed has the machine to itself.
        bundle = ship.seal_bundle(
            job, replies, learned, models, verified, ship.trained(job, learned)
        )
        latency = ship.bench(job, bundle, verified)

        result = assemble(job, learned, models, verified, bundle, latency)
        write_result(result)
        build = read_build(out)
        write_report([build], result.report)
        write_card(build, student)
    return result


def package(config: RunConfig, out: Path, *, fresh: bool = False) -> Packaged:
    """Seal a fine-tuned classifier as it is, `config.teacher.source`, without distillation.

    Without `config.data.source`, artefacts are held against the model alone, and the result says
    which gates were not run.

    Raises:
        PipelineError: a model, data or settings that cannot be used.
    """
    check_out(out)
    with lock(out), team.one_thread():
        config = _pinned(config)
        with side_by_side(config.processes):
            adopted = as_is.adopt(config, Cache(out, fresh=fresh))
            job, learned = adopted.job, adopted.learned
            replies = read_replies(config.data, job.corpus.labels)

            models = as_is.judge_model(adopted)
            artifacts = ship.lower(job, learned, models)
            verified = ship.verify(job, learned, models, artifacts)
        seals = (
            None
            if as_is.is_labelled(config)
            else partial(as_is.sealed_without_labels, bool(config.data.unlabeled))
        )
        origin = as_is.adopted_from(adopted)
        bundle = ship.seal_bundle(job, replies, learned, models, verified, origin, seals)
        latency = ship.bench(job, bundle, verified)

        result = assemble_package(adopted, models, verified, bundle, latency)
        write_packaged(result)
        write_package_report(read_packaged(out), result.report)
    return result


def _pinned(config: RunConfig) -> RunConfig:
    """`config` with the commits of models that come from the hub, which so stand in the bundle."""
    donor = config.student.donor
    return replace(
        config,
        teacher=replace(config.teacher, source=pin(config.teacher.source)),
        student=replace(config.student, donor=donor and pin(donor)),
    )
