"""Frames that a model on the same GPU takes where they were decoded: a bounded part of its memory that processes share.

Who decodes has an arena and gives a ticket for frames that it put there; who runs the model copies them, on the GPU, by the
ticket. A ticket may come to nothing (no room, another machine, another GPU, taken before, too late): the same frames are in
the host's memory for whoever else looks at them, and serve then.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
import threading
import time
import weakref
from bisect import insort
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog

if TYPE_CHECKING:
    import torch

ARENA_BYTES = 512 * 2**20  # 96 segments of 16 frames of 640 x 360; 12 of 1280 x 720
TAKEN_BYTES = 512 * 2**20  # copies that one process holds until their model has seen them
KEPT_SECONDS = 300.0  # for a ticket that nobody takes
MOST_ARENAS = 4  # that a taker keeps open: of decoders that were started anew, the oldest go
_SHARED = Path("/dev/shm")
_PREFIX, _OWNER = "arcus-frames-", "owner"
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Handle:
    """How another process opens an arena. gpu: its UUID; empty where it lies in the host's memory, in the file `path`."""

    name: str
    size_bytes: int
    gpu: str = ""
    path: str = ""
    opening: tuple[Any, ...] = ()  # of torch.multiprocessing's rebuild_cuda_tensor


@dataclass(frozen=True)
class Ticket:
    """For frames uint8 [n, height, width, 3] from byte `first` of an arena on; they are there while the file `lease` is."""

    arena: Handle
    first: int
    shape: tuple[int, int, int, int]
    lease: str

    @property
    def size_bytes(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2] * self.shape[3]


@dataclass(frozen=True, order=True)
class _Slot:
    first: int
    end: int
    lease: Path
    given_at: float


class Arena:
    """Memory of `device` for frames on their way to a model. Threads may share it."""

    def __init__(
        self, device: torch.device, limit_bytes: int = ARENA_BYTES, *, kept_seconds: float = KEPT_SECONDS
    ) -> None:
        import torch

        self._folder, owned = _own_folder()
        self._ended = weakref.finalize(self, _end, self._folder, owned)
        self._kept_seconds = kept_seconds
        self.device = device
        self._slots: list[_Slot] = []
        self._lock = threading.Lock()
        name = uuid4().hex
        if device.type == "cuda":
            from torch.multiprocessing.reductions import reduce_tensor

            self._memory = torch.empty(limit_bytes, dtype=torch.uint8, device=device)
            gpu = str(torch.cuda.get_device_properties(device).uuid)
            self.handle = Handle(name, limit_bytes, gpu=gpu, opening=reduce_tensor(self._memory)[1])
        else:
            path = str(self._folder / "memory")
            self._memory = torch.from_file(path, shared=True, size=limit_bytes, dtype=torch.uint8)
            self.handle = Handle(name, limit_bytes, path=path)

    def put(self, images: torch.Tensor) -> Ticket | None:
        """Copies images uint8 [n, height, width, 3] of the arena's device into it. None where there is no room."""
        import torch

        n, height, width, channels = images.shape
        with self._lock:
            first = self._room(images.numel())
            if first is None:
                return None
            slot = _Slot(first, first + images.numel(), self._folder / uuid4().hex, time.monotonic())
            slot.lease.touch()
            insort(self._slots, slot)
        self._memory[slot.first : slot.end].copy_(images.reshape(-1))
        if images.is_cuda:
            torch.cuda.current_stream(images.device).synchronize()  # the taker's streams know nothing of this one
        return Ticket(self.handle, slot.first, (n, height, width, channels), str(slot.lease))

    @property
    def held_bytes(self) -> int:
        """Of frames that were neither taken nor given up."""
        with self._lock:
            self._reclaim()
            return sum(slot.end - slot.first for slot in self._slots)

    def close(self) -> None:
        self._ended()

    def _room(self, size: int) -> int | None:
        self._reclaim()
        begin = 0
        for slot in self._slots:
            if slot.first - begin >= size:
                return begin
            begin = slot.end
        return begin if size and self.handle.size_bytes - begin >= size else None

    def _reclaim(self) -> None:
        late = time.monotonic() - self._kept_seconds
        self._slots = [
            slot for slot in self._slots if slot.lease.exists() and not (slot.given_at < late and _revoked(slot.lease))
        ]


def _own_folder() -> tuple[Path, int]:
    """A new folder that processes of this machine see, and the file that is locked while it has an owner.

    Those whose owners were killed go.
    """
    parent = _SHARED if _SHARED.is_dir() else Path(tempfile.gettempdir())
    for left in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if _revoked(left / _OWNER):
                shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="arcus-making-", dir=parent))
    owned = os.open(folder / _OWNER, os.O_RDONLY | os.O_CREAT)
    fcntl.flock(owned, fcntl.LOCK_EX)
    return folder.rename(parent / f"{_PREFIX}{uuid4().hex}"), owned  # under this name it is owned from the first


def _end(folder: Path, owned: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(owned)


def _revoked(lease: Path) -> bool:
    """Whether a ticket counts no more. False while somebody takes its frames; who comes later finds its file gone."""
    try:
        file = os.open(lease, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lease.unlink(missing_ok=True)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(file)


class Taker:
    """Takes frames by their tickets. Copies that are held at a time take `limit_bytes` at most.

    taken, missed: tickets that led to frames on the device, and those that did not.
    """

    def __init__(self, limit_bytes: int = TAKEN_BYTES) -> None:
        self._limit, self._held = limit_bytes, 0
        self._open: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()
        self.taken = self.missed = 0

    @contextmanager
    def frames(self, ticket: Ticket | None) -> Iterator[torch.Tensor | None]:
        """uint8 [n, height, width, 3] on the device that decoded them, for as long as it lasts; None: use the host's."""
        if ticket is None:
            yield None
            return
        with self._lock:
            fits = self._held + ticket.size_bytes <= self._limit
            self._held += ticket.size_bytes if fits else 0
        try:
            found = self._copied(ticket) if fits else None
            with self._lock:
                self.taken, self.missed = self.taken + (found is not None), self.missed + (found is None)
            yield found
        finally:
            found = None
            with self._lock:
                self._held -= ticket.size_bytes if fits else 0

    def _copied(self, ticket: Ticket) -> torch.Tensor | None:
        with _leased(ticket.lease) as is_there:
            if not is_there:
                return None
            try:
                memory = self._opened(ticket.arena)
                if memory is None:
                    return None
                copy = memory[ticket.first : ticket.first + ticket.size_bytes].clone().view(ticket.shape)
                if copy.is_cuda:
                    import torch

                    torch.cuda.current_stream(copy.device).synchronize()  # before the place may be written to again
                return copy
            except Exception as error:  # a driver that shares no memory, or none left: the host's frames serve
                log.warning("device_frames.not_taken", why=f"{type(error).__name__}: {error}"[:300])
                return None

    def _opened(self, handle: Handle) -> Any:
        """The arena's memory; None where this process does not see its GPU."""
        with self._lock:
            if handle.name in self._open:
                self._open.move_to_end(handle.name)
                return self._open[handle.name]
            memory = _open(handle)
            if memory is not None:
                self._open[handle.name] = memory
                while len(self._open) > MOST_ARENAS:
                    self._open.popitem(last=False)
            return memory


@asynccontextmanager
async def shown(taker: Taker | None, frames: Any) -> AsyncIterator[Any]:
    """The images of SampledFrames for a model: on the device where `taker` finds them there, else in the host's memory."""
    ticket = getattr(frames, "ticket", None)
    if taker is None or ticket is None:
        yield frames.images
        return
    with ExitStack() as stack:
        found = await asyncio.to_thread(stack.enter_context, taker.frames(ticket))
        yield frames.images if found is None else found


def _open(handle: Handle) -> Any:
    import torch

    if not handle.gpu:
        return torch.from_file(handle.path, shared=True, size=handle.size_bytes, dtype=torch.uint8)
    if not torch.cuda.is_available():
        return None
    from torch.multiprocessing.reductions import rebuild_cuda_tensor

    for index in range(torch.cuda.device_count()):
        if str(torch.cuda.get_device_properties(index).uuid) == handle.gpu:
            torch.cuda.init()
            return rebuild_cuda_tensor(*_on_device(handle.opening, index))
    return None


def _on_device(opening: tuple[Any, ...], index: int) -> tuple[Any, ...]:
    """The arguments of rebuild_cuda_tensor where the GPU has another number than in the process that made them."""
    return (*opening[:6], index, *opening[7:])


@contextmanager
def _leased(lease: str) -> Iterator[bool]:
    """Whether the frames are there; while it lasts they stay, and afterwards their place is free."""
    try:
        file = os.open(lease, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = os.fstat(file).st_nlink > 0
        except BlockingIOError:
            is_there = False
        yield is_there
        if is_there:
            Path(lease).unlink(missing_ok=True)
    finally:
        os.close(file)
