"""What tests of training in two processes have both of them train."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from pocketbert.learn.checkpoint import Checkpoints
from pocketbert.learn.loop import Plan, train
from pocketbert.learn.pair import Trainers

ROWS = 50
DATA = torch.randn(ROWS, 4, generator=torch.Generator().manual_seed(9))


class Noisy(nn.Module):
    """A small problem with dropout, so that random numbers matter."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(0.3), nn.Linear(16, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.layers(x) - x.sum(1, keepdim=True)).pow(2).mean()


def fit(
    trainers: Trainers,
    *,
    epochs: int = 4,
    batch_size: int = 8,
    folder: str | None = None,
    fault: str = "",
    at: int = 10,
) -> Tensor:
    """Train it; with `fault`, the process that is told to meets it in its batch number `at`."""
    module, seen = Noisy(), 0
    meets = trainers.writes == fault.startswith("first")

    def collate(rows: list[int]) -> dict[str, Tensor]:
        nonlocal seen
        seen += 1
        if fault and meets and seen == at:
            FAULTS[fault.split()[-1]](module)
        return {"x": DATA[rows]}

    plan = Plan(what="", epochs=epochs, batch_size=batch_size, seed=3, warmup=0.1, max_norm=1.0)
    groups = [{"params": [*module.parameters()], "lr": 0.01}]
    kept = Checkpoints(Path(folder), 3) if folder else None
    lengths = [3 + i % 7 for i in range(ROWS)]
    train(module, groups, lengths, collate, plan, checkpoints=kept, trainers=trainers)
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def fail(_: nn.Module) -> None:
    raise KeyError("planted")


def die(_: nn.Module) -> None:
    os._exit(7)


def stray(module: nn.Module) -> None:
    """As a processor that computes otherwise in one of the two."""
    with torch.no_grad():
        module.layers[0].bias[0] += 1e-3


def overflow(module: nn.Module) -> None:
    with torch.no_grad():
        module.layers[0].bias[0] = float("nan")


FAULTS: dict[str, Callable[[nn.Module], None]] = {
    "fails": fail,
    "dies": die,
    "strays": stray,
    "overflows": overflow,
}
