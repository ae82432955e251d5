"""A batch in two halves: computed by this process alone, or by two that train the same module.

Gradients are the sum of both halves, so the weights are the same bit for bit, whoever computes
which half. What two processes exchange lies in a file that both map into memory; a byte through
a socket tells that it is there.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..base.errors import PipelineError
from ..base.workers import Call, workers
from . import team

HALVES = (slice(0, None, 2), slice(1, None, 2))  # of a batch sorted by length: alike in work
WHOLE = (slice(None),)
PATIENCE = 0.2  # seconds between two looks at whether the other process still lives
LINK, SUMS = "link", "sums"


class Trainers(Protocol):
    """Who computes the halves of a batch."""

    writes: bool  # whether this process keeps checkpoints

    def halves(self, batch_size: int) -> Sequence[slice]:
        """The rows of each batch that this process computes."""

    def add_up(self, parameters: Sequence[nn.Parameter], losses: Sequence[Tensor]) -> Tensor:
        """The loss of the whole batch; the gradients of `parameters` become those of it, too."""

    def check_equal(self, module: nn.Module) -> None:
        """Raise `PipelineError` where the processes came to different weights."""


class Alone:
    """This process computes both halves; on a GPU, or with a launcher, the whole."""

    writes = True

    def halves(self, batch_size: int) -> Sequence[slice]:
        """The rows of each batch that this process computes."""
        # A launcher divides batches itself, and a GPU is faster with a whole one.
        divided = team.size() > 1 or team.device().type != "cpu"
        return WHOLE if divided or batch_size == 1 else HALVES

    def add_up(
        self,
        parameters: Sequence[nn.Parameter],  # noqa: ARG002  autograd has added theirs up
        losses: Sequence[Tensor],
    ) -> Tensor:
        """The loss of the whole batch."""
        return torch.stack([*losses]).sum()

    def check_equal(self, module: nn.Module) -> None:
        """Nothing to compare."""


class Pair:
    """This process computes one half, and another process the other."""

    def __init__(self, rank: int, folder: Path, link: Callable[[], socket.socket]) -> None:
        """As number `rank` of the two; both know `folder`, and `link` opens the way between."""
        self.writes = rank == 0
        self._rank, self._folder, self._open = rank, folder, link
        self._link: socket.socket | None = None
        self._places: Tensor | None = None
        self._turn = 0

    def halves(self, batch_size: int) -> Sequence[slice]:
        """The rows of each batch that this process computes."""
        assert batch_size > 1, "a batch of one has no halves"
        return HALVES[self._rank : self._rank + 1]

    def add_up(self, parameters: Sequence[nn.Parameter], losses: Sequence[Tensor]) -> Tensor:
        """The loss of the whole batch; the gradients of `parameters` become those of it, too."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        sizes = [*(gradient.numel() for gradient in gradients), 1]
        # Two places in turn: one of us may be a step ahead of what the other still reads.
        places = self._mapped(sum(sizes))[self._turn % 2]
        self._turn += 1
        torch.cat([g.flatten() for g in (*gradients, *losses)], out=places[self._rank])
        self._swap(b".")
        *summed, loss = torch.split(places[0] + places[1], sizes)
        for gradient, whole in zip(gradients, summed, strict=True):
            gradient.copy_(whole.view_as(gradient))
        return loss.squeeze()

    def check_equal(self, module: nn.Module) -> None:
        """Raise `PipelineError` where the processes came to different weights."""
        mine = sha256()
        for value in module.state_dict().values():
            mine.update(value.detach().contiguous().numpy().tobytes())
        if self._swap(mine.digest()) != mine.digest():
            raise PipelineError(
                "Two processes that trained side by side came to different weights, which must not "
                "be. Please report it with what `pocketbert doctor` prints; --processes 1 trains "
                "in one."
            )

    def close(self) -> None:
        """Let the other go."""
        if self._link is not None:
            self._link.close()

    def _mapped(self, count: int) -> Tensor:
        """The file that both map into memory, as (turn, process, `count`) numbers."""
        if self._places is None:
            file, numbers = self._folder / SUMS, 2 * 2 * count
            if hasattr(os, "posix_fallocate"):  # a full disk would end a process at a write
                with file.open("ab") as opened:
                    os.posix_fallocate(opened.fileno(), 0, 4 * numbers)
            flat = torch.from_file(str(file), shared=True, size=numbers, dtype=torch.float32)
            self._places = flat.view(2, 2, count)
        return self._places

    def _swap(self, message: bytes) -> bytes:
        """What the other says at this point."""
        try:
            if self._link is None:
                self._link = self._open()
            self._link.sendall(message)
            answer = self._link.recv(len(message), socket.MSG_WAITALL)
        except ConnectionError:
            answer = b""
        if len(answer) < len(message):
            raise GoneError
        return answer


class GoneError(PipelineError):
    """The other process ended."""

    def __init__(self) -> None:
        """Say so; whoever started it knows why."""
        super().__init__("The process that computed the other half of each batch has ended.")


@contextmanager
def beside(
    train: Callable[..., Any], given: Mapping[str, Any], batch_size: int
) -> Iterator[Trainers]:
    """Have a worker call `train` with `given`, as this process does within the block.

    Args:
        train: a function of a module, called with the `Trainers` that it is one of.
        given: its other arguments, which JSON can hold.
        batch_size: of that training; a batch of one has no halves.
    """
    with TemporaryDirectory() as folder, ExitStack() as stack:
        shared = workers().count > 1 and len(Alone().halves(batch_size)) > 1
        server = _listening(Path(folder)) if shared else None
        if server is None:
            yield Alone()
            return
        stack.enter_context(server)
        asked = {"module": train.__module__, "function": train.__name__, "given": {**given}}
        (other,) = workers().submit([Call(take_part, {"folder": folder, **asked})])
        pair = Pair(0, Path(folder), lambda: _accepted(server, other))
        try:
            yield pair
        except GoneError:
            other.result()  # raises what the other ended with
            raise
        finally:
            pair.close()
        other.result()


def take_part(folder: str, module: str, function: str, given: dict[str, Any]) -> None:
    """In a worker: be the other of the two."""
    link = socket.socket(socket.AF_UNIX)
    link.connect(str(Path(folder) / LINK))
    pair = Pair(1, Path(folder), lambda: link)
    try:
        with team.one_thread():
            getattr(import_module(module), function)(pair, **given)
    finally:
        pair.close()
        link.close()


def _listening(folder: Path) -> socket.socket | None:
    """A socket in `folder`; None where the system has no such, or the path is too long for one."""
    if not hasattr(socket, "AF_UNIX"):
        return None
    server = socket.socket(socket.AF_UNIX)
    try:
        server.bind(str(folder / LINK))
    except OSError:
        server.close()
        return None
    server.listen(1)
    return server


def _accepted(server: socket.socket, other: "Future[Any]") -> socket.socket:
    server.settimeout(PATIENCE)
    while True:
        try:
            link, _ = server.accept()
        except TimeoutError:
            if other.done():
                raise GoneError from None
        else:
            link.setblocking(True)
            return link
