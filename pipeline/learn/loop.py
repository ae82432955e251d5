"""The one training loop, run by Hugging Face Accelerate: processes, devices, precision, resuming.

It minimises what a module computes for a batch; it knows neither teacher nor student.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from math import ceil
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Sampler
from transformers import get_linear_schedule_with_warmup

from ..base.errors import PipelineError
from ..base.events import EpochScored, TrainingEnded, TrainingStep, emit
from ..base.progress import track
from . import team
from .checkpoint import Checkpoints, State, last, newest, restore, save

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

    The order follows from the seed and the epoch alone, so that resuming meets the same batches.
    Rows that fill up the last batch of an epoch are seen twice in it.
    """

    drop_last = True  # none is partial

    def __init__(self, lengths: Sequence[int], plan: Plan, first: int = 0) -> None:
        self.batch_size = plan.batch_size
        self.per_epoch = -(-len(lengths) // plan.batch_size)
        self.lengths = torch.as_tensor(lengths)
        self._plan = plan
        self._first = first

    def __len__(self) -> int:
        return self._plan.epochs * self.per_epoch - self._first

    def __iter__(self) -> Iterator[list[int]]:
        begun, seen = divmod(self._first, self.per_epoch)
        for epoch in range(begun, self._plan.epochs):
            yield from islice(self._epoch(epoch), seen if epoch == begun else 0, None)

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
        self.average = AveragedModel(module, multi_avg_fn=moving)
        self.tally: dict[str, Any] = {"score": -1.0, "epochs_since": 0}

    def take_if_better(self, module: nn.Module, score: float) -> int:
        """Take the weights where `score` is the best so far; returns the epochs since that."""
        self.tally["epochs_since"] += 1
        if score > self.tally["score"]:
            self.tally.update(score=score, epochs_since=0)
            self.average.module.load_state_dict(module.state_dict())
        return int(self.tally["epochs_since"])


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

    Raises:
        PipelineError: the loss is no longer finite; says at which step.
        ModelError: the checkpoint was made with other settings.
    """
    settings = _settings(groups, len(lengths), plan, checkpoints)
    found = newest(checkpoints, settings)
    first = int(found.name) if found else 0
    training = _prepare(module, groups, LengthBatches(lengths, plan, first), collate, plan)
    kept, total, curve = training.kept, training.total, training.curve
    if found:
        restore(training.accelerator, found, training.state)
    stream = iter(training.loader)
    for step in track(range(first, total), plan.what):
        check = partial(_check_finite, step=step, total=total, checkpoints=checkpoints)
        curve.add_loss(step + 1, _learn(training, next(stream), plan.max_norm, check))
        if score is None:
            kept.average.update_parameters(module)
        elif (step + 1) % training.per_epoch == 0:
            curve.add_score(step + 1, agreed := _agreed(score, module))
            if kept.take_if_better(module, agreed) >= plan.patience:
                break
        if checkpoints and (step + 1) % checkpoints.every == 0:
            save(training.accelerator, checkpoints.folder, step + 1, training.state, settings)
    module.load_state_dict(kept.average.module.state_dict())
    module.to("cpu").eval()
    curve.end()


@dataclass(frozen=True)
class _Training:
    """A training about to begin: what Accelerate prepared, and what will be kept."""

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
) -> _Training:
    accelerator = team.accelerator()
    accelerator.free_memory()  # of an earlier training
    _check_share(plan.batch_size, accelerator.num_processes)
    set_seed(plan.seed, device_specific=True)
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
    return _Training(accelerator, prepared, loader, state, kept, curve, total, batches.per_epoch)


def _learn(
    training: _Training, batch: Batch, max_norm: float, check: Callable[[Tensor, str], None]
) -> float:
    """Make one step of the optimizer; returns the loss of its batch."""
    accelerator, state = training.accelerator, training.state
    check(loss := training.module(**batch), "loss")
    accelerator.backward(loss)
    norm = accelerator.clip_grad_norm_(state.modules["module"].parameters(), max_norm)
    if accelerator.scaler is None:  # which skips such steps itself
        check(norm, "gradient")
    state.optimizer.step()
    state.schedule.step()
    state.optimizer.zero_grad()
    return float(loss.item())


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
