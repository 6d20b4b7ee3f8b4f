"""What decoding and demuxing cost by themselves: DALI's operators, NVDEC's decoders and PyAV's demuxers, without Arcus."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


class PlainDali:
    """DALI's decoder over whole files, every frame of them, and its resize to the same size."""

    def __init__(self, device: str, streams: int, threads: int, size: tuple[int, int]) -> None:
        from nvidia.dali import Pipeline, fn, types

        pipeline = Pipeline(
            batch_size=streams,
            num_threads=threads,
            device_id=0 if device == "gpu" else None,
            prefetch_queue_depth=1,
        )
        with pipeline:
            encoded = fn.external_source(name="encoded", dtype=types.UINT8, ndim=1)
            decoded = fn.decoders.video(encoded, device="mixed" if device == "gpu" else "cpu", affine=False)
            scaled = fn.resize(
                decoded, resize_x=size[0], resize_y=size[1], interp_type=types.INTERP_TRIANGULAR, antialias=True
            )
            pipeline.set_outputs(scaled)
        pipeline.build()
        self._pipeline = pipeline

    def frames(self, files: list[Any]) -> list[int]:
        (output,) = self._pipeline.run(encoded=files)
        return [output[index].shape()[0] for index in range(len(files))]


class PlainNvdec:
    """NVDEC by itself: decoders of PyNvVideoCodec that are kept, each fed the whole file's packets again and again."""

    def __init__(self, path: Path, codec: str, decoders: int) -> None:
        import av
        import PyNvVideoCodec
        from av.bitstream import BitStreamFilterContext

        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            packets = [packet for packet in container.demux(stream) if packet.size]
            if codec in ("h264", "hevc"):
                bare = BitStreamFilterContext(f"{codec}_mp4toannexb", stream)
                packets = [made for packet in packets for made in bare.filter(packet)]
        self._packets = packets
        self._library = PyNvVideoCodec
        kind = getattr(PyNvVideoCodec.cudaVideoCodec, codec.upper())
        self._decoders = [PyNvVideoCodec.CreateDecoder(codec=kind, usedevicememory=True) for _ in range(decoders)]
        self._pool = ThreadPoolExecutor(decoders)

    def frames(self, passes: int) -> int:
        """How many came out of `passes` in all, shared between the decoders."""
        shares = [
            passes // len(self._decoders) + (i < passes % len(self._decoders)) for i in range(len(self._decoders))
        ]
        return sum(self._pool.map(self._decoded, self._decoders, shares))

    def _decoded(self, decoder: Any, passes: int) -> int:
        count = 0
        for _ in range(passes):
            for packet in (*self._packets, None):
                data = self._library.PacketData()
                if packet is not None:
                    data.bsl_data, data.bsl, data.pts = packet.buffer_ptr, packet.buffer_size, packet.pts
                count += len(decoder.Decode(data))
        return count


def demuxed(path: Path, streams: int) -> int:
    """Packets of `streams` readings of a file, each by a thread of its own."""
    import av

    lock, counts = threading.Lock(), [0]

    def read(_: int) -> None:
        with av.open(str(path)) as container:
            count = sum(1 for packet in container.demux(video=0) if packet.size)
        with lock:
            counts[0] += count

    with ThreadPoolExecutor(streams) as pool:
        list(pool.map(read, range(streams)))
    return counts[0]
