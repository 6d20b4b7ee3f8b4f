"""NVDEC's decoders, kept between clips: packets in, surfaces out, in the order they are shown."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class StreamKind:
    """What a decoder is made for: FFmpeg's name of the codec, the size of its pictures, and bits of a sample."""

    codec: str
    width: int
    height: int
    bits: int


class Session(Protocol):
    """One decoder, for one thread at a time. Packets are whole pictures; of H.264 and HEVC in Annex B."""

    device: torch.device

    def working(self) -> AbstractContextManager[Any]:
        """Inside, surfaces may be read. What is started there is done once it ends."""
        ...

    def decode(self, packet: Any | None) -> list[tuple[int, torch.Tensor]]:
        """(presentation stamp, surface) of each picture that came out; None: of all that are left, before new streams.

        surface: [height * 3 / 2, width], NV12 in uint8 or P016 in uint16. The next call writes over it.
        """
        ...


class NvdecSession:
    """A decoder of NVIDIA's PyNvVideoCodec with a CUDA stream of its own, on which its surfaces are to be read."""

    def __init__(self, kind: StreamKind) -> None:
        import PyNvVideoCodec
        import torch

        self.device = torch.device("cuda", torch.cuda.current_device())
        self._library = PyNvVideoCodec
        self._stream = torch.cuda.Stream(self.device)
        self._decoder = PyNvVideoCodec.CreateDecoder(
            gpuid=self.device.index,
            codec=getattr(PyNvVideoCodec.cudaVideoCodec, kind.codec.upper()),
            cudacontext=_primary_context(self.device.index),
            cudastream=self._stream.cuda_stream,
            usedevicememory=True,
        )

    @contextmanager
    def working(self) -> Iterator[None]:
        import torch

        # What is written to may have been freed by work that waits on the stream it was allocated on.
        self._stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._stream):
            yield
        self._stream.synchronize()

    def decode(self, packet: Any | None) -> list[tuple[int, torch.Tensor]]:
        import torch

        data = self._library.PacketData()
        if packet is None:
            data.bsl_data, data.bsl = 0, 0
        else:
            data.bsl_data, data.bsl, data.pts = packet.buffer_ptr, packet.buffer_size, packet.pts
        stream = self._stream.cuda_stream
        return [(each.getPTS(), torch.from_dlpack(each.__dlpack__(stream))) for each in self._decoder.Decode(data)]


@functools.cache
def _primary_context(device: int) -> int:
    """The CUDA context that PyTorch works in, whose streams a decoder takes only with it."""
    context = ctypes.c_void_p()
    error = ctypes.CDLL("libcuda.so.1").cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
    if error:
        raise RuntimeError(f"CUDA does not start (error {error})")
    return context.value or 0


class SoftwareSession:
    """In NVDEC's place where there is none: FFmpeg, given the same packets, hands out the same surfaces."""

    def __init__(self, kind: StreamKind) -> None:
        import av
        import torch

        self.device = torch.device("cpu")
        self._context: Any = av.CodecContext.create(kind.codec, "r")

    def working(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def decode(self, packet: Any | None) -> list[tuple[int, torch.Tensor]]:
        frames = self._context.decode(packet)
        if packet is None:
            self._context.flush_buffers()
        return [(frame.pts, _surface(frame)) for frame in frames]


def _surface(frame: Any) -> torch.Tensor:
    import numpy as np
    import torch

    planar = frame.to_ndarray()
    planar = planar if planar.dtype == np.uint8 else planar << 6  # P016 holds 10 bits in the upper ones
    luma, differences = planar[: frame.height], planar[frame.height :].reshape(2, -1)
    return torch.from_numpy(np.concatenate([luma, differences.T.reshape(-1, frame.width)]))


class Sessions:
    """Decoders that are lent and kept, at most `limit` in all; the one that was idle longest makes room for a new kind."""

    def __init__(self, make: Callable[[StreamKind], Session], limit: int) -> None:
        self._make, self._free = make, threading.BoundedSemaphore(limit)
        self._limit, self._lent = limit, 0
        self._idle: list[tuple[StreamKind, Session]] = []
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, kind: StreamKind) -> Iterator[Session]:
        """A decoder for `kind`; waits until one is free. One that raises is not used again."""
        with self._free:
            session = self._taken(kind) or self._make(kind)
            try:
                yield session
                with self._lock:
                    self._idle.append((kind, session))
            finally:
                with self._lock:
                    self._lent -= 1

    def __len__(self) -> int:
        with self._lock:
            return self._lent + len(self._idle)

    def close(self) -> None:
        with self._lock:
            self._idle.clear()

    def _taken(self, kind: StreamKind) -> Session | None:
        """An idle one of this kind, the last used first. Where there is none, the oldest goes if there is no room."""
        with self._lock:
            self._lent += 1
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index][0] == kind:
                    return self._idle.pop(index)[1]
            if self._lent + len(self._idle) > self._limit:
                del self._idle[0]
            return None


def missing() -> str:
    """What keeps NVDEC from decoding here; empty where nothing does."""
    if importlib.util.find_spec("PyNvVideoCodec") is None:
        return "the package PyNvVideoCodec is not installed"
    return missing_driver()


def missing_driver() -> str:
    """What of NVIDIA's driver, or of PyTorch, decoding on a GPU lacks here; empty where nothing does."""
    for library, what in (("libcuda.so.1", "NVIDIA's driver"), ("libnvcuvid.so.1", "NVIDIA's video decoder")):
        try:
            ctypes.CDLL(library)
        except OSError:
            return f"{what} ({library}) is not there"
    import torch

    return "" if torch.cuda.is_available() else "PyTorch sees no GPU: there is none, or it is a build without CUDA"
