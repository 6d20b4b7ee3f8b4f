"""Raw streams of H.264 and HEVC, whose pictures carry no times: they follow each other at the rate of the stream."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ray_jobs.stages.container import decoded_video, open_media

_RATE = 25  # where neither stream nor demuxer says one


def picture_seconds(packet: Any) -> float:
    """How long the picture of a packet without stamps is shown."""
    seconds = float((packet.duration or 0) * packet.time_base) if packet.time_base else 0.0
    return seconds if 0 < seconds < math.inf else 1 / float(packet.stream.guessed_rate or _RATE)


def frames_at(path: Path, stream: Any, times: Sequence[float]) -> Iterator[tuple[int, float, Any]]:
    """(index in `times`, seconds, frame shown then), `times` in order; nothing where the pictures have stamps.

    Decodes with the codec of `stream` from the keyframe before each time on. A group of pictures holds as many as it has
    packets, and they are shown in order.
    """
    starts, seconds = _groups(path)
    if not starts or not times:
        return
    wanted = [max(0, math.floor(time / seconds + 1e-3)) for time in times]
    needed = {starts[max(0, bisect_right(starts, number) - 1)] for number in wanted}
    found = 0
    last: tuple[float, Any] | None = None
    for number, frame in _numbered(path, stream, set(starts), needed):
        shown = number * seconds, frame
        while found < len(wanted) and wanted[found] < number:  # pictures that are damaged
            yield found, *(last or shown)
            found += 1
        last = shown
        while found < len(wanted) and wanted[found] == number:
            yield found, *last
            found += 1
        if found == len(wanted):
            return
    if last is not None:
        yield from ((index, *last) for index in range(found, len(wanted)))


def _groups(path: Path) -> tuple[list[int], float]:
    """The number of each keyframe among the packets, and how long a picture lasts; none where packets have stamps."""
    starts: list[int] = []
    seconds = 0.0
    with open_media(path) as container:
        for count, packet in enumerate(_packets(container)):
            if packet.pts is not None or packet.dts is not None:
                return [], 0.0
            seconds = seconds or picture_seconds(packet)
            if packet.is_keyframe or not starts:
                starts.append(count)
    return starts, seconds


def _numbered(path: Path, stream: Any, starts: set[int], needed: set[int]) -> Iterator[tuple[int, Any]]:
    """(number, frame) of the groups whose first packet has a number in `needed`, in order."""
    codec = stream.codec_context
    shown: int | None = None  # the number of the next frame; None in a group that is passed over
    with open_media(path) as container:
        for count, packet in enumerate(_packets(container)):
            if count in starts:
                if shown is not None:
                    yield from enumerate(_decode(codec, None), shown)
                    codec.flush_buffers()
                shown = count if count in needed else None
            if shown is not None:
                for frame in _decode(codec, packet):
                    yield shown, frame
                    shown += 1
    if shown is not None:
        yield from enumerate(_decode(codec, None), shown)


def _packets(container: Any) -> Iterator[Any]:
    import av

    try:
        yield from (packet for packet in container.demux(decoded_video(container)) if packet.size)
    except av.FFmpegError:
        return


def _decode(codec: Any, packet: Any) -> list[Any]:
    import av

    try:
        return codec.decode(packet)
    except av.FFmpegError:
        return []
