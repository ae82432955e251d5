"""The one training loop, run by Hugging Face Accelerate: processes, devices, precision, resuming.

It minimises what a module computes for a batch; it knows neither teacher nor student.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from math import ceil
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Sampler
from transformers import get_linear_schedule_with_warmup

from ..base.errors import PipelineError
from ..base.events import EpochScored, TrainingEnded, TrainingStep, emit
from ..base.progress import track
from . import team
from .checkpoint import Checkpoints, State, last, newest, restore, save
from .pair import WHOLE, Alone, Trainers

Batch = dict[str, Tensor]
POINTS = 200  # of a loss curve
POOL = 50  # batches that are sorted by length together: little padding, much mixing


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long a module is trained, and which of its weights are kept."""

    what: str  # shown beside the bar
    epochs: int
    batch_size: int  # over all processes together
    seed: int
    warmup: float  # share of the steps in which the learning rate rises; then it falls to zero
    max_norm: float  # gradients are scaled down to this length
    averaged_share: float = 0.1  # of the steps, over which the kept weights are an average
    patience: int = 2  # epochs without a better score after which training stops


class LengthBatches(Sampler[list[int]]):
    """Full batches of rows of similar length, over all epochs, from step `first` on.

    Of each batch come its `parts`, one after the other. The order follows from the seed and the
    epoch alone, so that resuming meets the same batches. Rows that fill up the last batch of an
    epoch are seen twice in it.
    """

    drop_last = True  # none is partial

    def __init__(
        self,
        lengths: Sequence[int],
        plan: Plan,
        first: int = 0,
        parts: Sequence[slice] = WHOLE,
    ) -> None:
        self.batch_size = plan.batch_size
        self.per_epoch = -(-len(lengths) // plan.batch_size)
        self.lengths = torch.as_tensor(lengths)
        self._plan = plan
        self._first = first
        self.parts = parts

    def __len__(self) -> int:
        return (self._plan.epochs * self.per_epoch - self._first) * len(self.parts)

    def __iter__(self) -> Iterator[list[int]]:
        begun, seen = divmod(self._first, self.per_epoch)
        for epoch in range(begun, self._plan.epochs):
            for batch in islice(self._epoch(epoch), seen if epoch == begun else 0, None):
                yield from (batch[part] for part in self.parts)

    def _epoch(self, epoch: int) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed((self._plan.seed * 1_000_003 + epoch) % 2**32)
        rows = torch.randperm(len(self.lengths), generator=generator)
        whole = self.per_epoch * self.batch_size
        rows = rows.repeat(-(-whole // len(rows)))[:whole]
        pools = torch.split(rows, POOL * self.batch_size)
        ordered = torch.cat([pool[self.lengths[pool].argsort(stable=True)] for pool in pools])
        batches = torch.split(ordered, self.batch_size)
        order = torch.randperm(len(batches), generator=generator)
        return (batches[i].tolist() for i in order)


class _Kept:
    """The weights that training will end with: of the best epoch, or an average over steps."""

    def __init__(self, module: nn.Module, share: int) -> None:
        decay = 1 - 1 / max(1, share)
        moving = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        # Of what is trained alone: a frozen word table would be copied at every step.
        self._trained = nn.ParameterList(p for p in module.parameters() if p.requires_grad)
        self.average = AveragedModel(self._trained, multi_avg_fn=moving)
        self.tally: dict[str, Any] = {"score": -1.0, "epochs_since": 0}

    def take(self) -> None:
        """Take the weights as they are into the average."""
        self.average.update_parameters(self._trained)

    def take_if_better(self, score: float) -> int:
        """Take the weights where `score` is the best so far; returns the epochs since that."""
        self.tally["epochs_since"] += 1
        if score > self.tally["score"]:
            self.tally.update(score=score, epochs_since=0)
            self.average.module.load_state_dict(self._trained.state_dict())
        return int(self.tally["epochs_since"])

    def give_back(self) -> None:
        """Let the module have what was kept."""
        self._trained.load_state_dict(self.average.module.state_dict())


class _Curve:
    """Losses and scores of a whole training; they lie in `tally`, which checkpoints keep."""

    def __init__(self, what: str, total: int, tally: dict[str, Any]) -> None:
        self._what, self._total, self._tally = what, total, tally
        self._every = ceil(total / POINTS)
        tally.update(losses=[], scores=[], summed=0.0)

    def add_loss(self, step: int, loss: float) -> None:
        """Of the batch of `step`, counted from 1."""
        emit(TrainingStep(self._what, step, self._total, loss))
        tally = self._tally
        tally["summed"] += loss
        since = step - (tally["losses"][-1][0] if tally["losses"] else 0)
        if since == self._every or step == self._total:
            tally["losses"].append([step, tally["summed"] / since])
            tally["summed"] = 0.0

    def add_score(self, step: int, score: float) -> None:
        """Of the model after `step`."""
        emit(EpochScored(self._what, step, score))
        self._tally["scores"].append([step, score])

    def end(self) -> None:
        """Tell of the whole."""
        losses, scores = (
            tuple((step, value) for step, value in self._tally[name])
            for name in ("losses", "scores")
        )
        emit(TrainingEnded(self._what, losses, scores))


def train(
    module: nn.Module,
    groups: list[dict[str, Any]],
    lengths: Sequence[int],
    collate: Callable[[list[int]], Batch],
    plan: Plan,
    *,
    score: Callable[[], float] | None = None,
    checkpoints: Checkpoints | None = None,
    trainers: Trainers | None = None,
) -> None:
    """Train `module`, in place, to minimise the loss that it returns for a batch.

    Kept are the weights of the epoch with the best `score` or, without one, an exponential average
    over the last steps (after Polyak and Juditsky 1992). Under `accelerate launch` or `torchrun`
    every process calls this and sees its share of each batch.

    Args:
        module: returns the loss of a batch.
        groups: parameters with their learning rates, as an optimizer takes them.
        lengths: of each row; batches hold rows of similar length.
        collate: makes the keyword arguments of `module` from row numbers.
        score: of the module as it stands, higher is better; asked after each epoch.
        checkpoints: where to keep the state, and to go on from.
        trainers: who computes the halves of each batch; by default this process.

    Raises:
        PipelineError: the loss is no longer finite; says at which step.
        ModelError: the checkpoint was made with other settings.
    """
    settings = _settings(groups, len(lengths), plan, checkpoints)
    found = newest(checkpoints, settings)
    first = int(found.name) if found else 0
    trainers = trainers or Alone()
    batches = LengthBatches(lengths, plan, first, trainers.halves(plan.batch_size))
    training = _prepare(module, groups, batches, collate, plan, trainers)
    kept, total, curve = training.kept, training.total, training.curve
    if found:
        restore(training.accelerator, found, training.state)
    stream = iter(training.loader)
    for step in track(range(first, total), plan.what):
        check = partial(_check_finite, step=step, total=total, checkpoints=checkpoints)
        curve.add_loss(step + 1, _learn(training, stream, step, check))
        if score is None:
            kept.take()
        elif (step + 1) % training.per_epoch == 0:
            curve.add_score(step + 1, agreed := _agreed(score, module))
            if kept.take_if_better(agreed) >= plan.patience:
                break
        if checkpoints and trainers.writes and (step + 1) % checkpoints.every == 0:
            save(training.accelerator, checkpoints.folder, step + 1, training.state, settings)
    kept.give_back()
    module.to("cpu").eval()
    trainers.check_equal(module)
    curve.end()


@dataclass(frozen=True)
class _Training:
    """A training about to begin: what Accelerate prepared, and what will be kept."""

    plan: Plan
    trainers: Trainers
    accelerator: Accelerator
    module: Any  # as prepared: called for the loss
    loader: Any
    state: State
    kept: _Kept
    curve: _Curve
    total: int  # steps, those before a checkpoint included
    per_epoch: int


def _prepare(
    module: nn.Module,
    groups: list[dict[str, Any]],
    batches: LengthBatches,
    collate: Callable[[list[int]], Batch],
    plan: Plan,
    trainers: Trainers,
) -> _Training:
    accelerator = team.accelerator()
    accelerator.free_memory()  # of an earlier training
    _check_share(plan.batch_size, accelerator.num_processes)
    module.train()
    total = plan.epochs * batches.per_epoch
    optimizer = torch.optim.AdamW(groups, fused=True)
    schedule = get_linear_schedule_with_warmup(optimizer, int(plan.warmup * total), total)
    prepared, optimizer, loader, schedule = accelerator.prepare(
        module, optimizer, _loader(batches, collate), schedule
    )
    kept = _Kept(module, int(plan.averaged_share * total))
    state = State({"module": module, "kept": kept.average}, optimizer, schedule, kept.tally)
    curve = _Curve(plan.what, total, kept.tally)
    steps = batches.per_epoch
    return _Training(
        plan, trainers, accelerator, prepared, loader, state, kept, curve, total, steps
    )


def _learn(
    training: _Training,
    stream: Iterator[Batch],
    step: int,
    check: Callable[[Tensor, str], None],
) -> float:
    """Make one step of the optimizer; returns the loss of its batch."""
    accelerator, state, trainers = training.accelerator, training.state, training.trainers
    plan, losses = training.plan, list[Tensor]()
    rows = range(plan.batch_size)
    for part in trainers.halves(plan.batch_size):
        _seed(plan.seed, step, part)
        loss = training.module(**next(stream)) * (len(rows[part]) / len(rows))
        accelerator.backward(loss)
        losses.append(loss.detach())
    parameters = [*state.modules["module"].parameters()]
    check(loss := trainers.add_up(parameters, losses), "loss")
    norm = accelerator.clip_grad_norm_(parameters, plan.max_norm)
    if accelerator.scaler is None:  # which skips such steps itself
        check(norm, "gradient")
    state.optimizer.step()
    state.schedule.step()
    state.optimizer.zero_grad()
    return float(loss.item())


def _seed(seed: int, step: int, part: slice) -> None:
    """Let what a part of a batch draws follow from these alone, whichever process computes it."""
    entropy = (seed, step, part.start or 0, team.rank())
    (number,) = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    # Not `torch.manual_seed`, which keeps a trace of every call where CUDA was never used.
    torch.default_generator.manual_seed(int(number))
    if team.device().type == "cuda":
        torch.cuda.manual_seed(int(number))


def _loader(batches: LengthBatches, collate: Callable[[list[int]], Batch]) -> "DataLoader[Batch]":
    return DataLoader(
        range(len(batches.lengths)),  # type: ignore[arg-type]
        batch_sampler=batches,
        collate_fn=collate,
        # Of its own: the loader must not draw from the one that word dropout draws from.
        generator=torch.Generator(),
    )


def _check_share(batch_size: int, processes: int) -> None:
    if batch_size % processes:
        raise PipelineError(
            f"batch_size is {batch_size}, which {processes} processes cannot share evenly. "
            f"Choose a multiple of {processes}."
        )


def _check_finite(
    value: Tensor, name: str, step: int, total: int, checkpoints: Checkpoints | None
) -> None:
    if torch.isfinite(value):
        return
    found = last(checkpoints)
    kept = (
        f", and delete {found.parent}, where the state after step {int(found.name)} is kept"
        if found
        else ""
    )
    raise PipelineError(
        f"The {name} is {value.item()} at step {step + 1} of {total}. "
        f"Lower the learning rate{kept}."
    )


def _agreed(score: Callable[[], float], module: nn.Module) -> float:
    """The main process's score, so that all of them stop together."""
    module.eval()
    agreed: float = team.broadcast(score() if team.is_main() else 0.0)
    module.train()
    return agreed


def _settings(
    groups: list[dict[str, Any]],
    rows: int,
    plan: Plan,
    checkpoints: Checkpoints | None,
) -> dict[str, Any]:
    """What decides the outcome, as plain values."""
    return {
        **(checkpoints.settings if checkpoints else {}),
        **asdict(plan),
        "rows": rows,
        "parameters": [sum(p.numel() for p in group["params"]) for group in groups],
        "learning_rates": [group["lr"] for group in groups],
        **team.layout(),
    }
