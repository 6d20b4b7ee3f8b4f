"""The packets that the pictures at given times need: groups of pictures, from a keyframe to the last one wanted."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_jobs.stages.container import MAX_PIXELS, decoded_video, open_media, read_only, start_seconds

if TYPE_CHECKING:
    from av.container import InputContainer

# A seek costs a few packet reads, so that reading on is dearer only when much lies between two samples.
_SEEK_GAP_SECONDS = 10.0
MAX_GROUP_BYTES = 32 * 2**20


@dataclass(frozen=True)
class PictureGroup:
    """packets: in decoding order, from a keyframe on. wanted: presentation stamp of a packet -> the ticks it answers."""

    packets: list[Any]
    wanted: dict[int, list[int]]


def ticks_of(container: InputContainer, stream: Any, times: Sequence[float]) -> list[int]:
    """Times in seconds of the media as ticks of the stream's time base."""
    start, base = start_seconds(container), stream.time_base
    # The thousandth is for times that were computed from stamps and lost their last bit.
    return [math.floor((time + start) / base + 1e-3) for time in times]


class PictureGroups:
    """Reads from the file at `path` the groups that hold the frame shown at each tick, in order of time.

    `stream` is its video stream as another container has it: packets are read from containers of their own, since one
    that was sought does not always find its start again.
    Passes over ticks where packets lack stamps, a group is too large to hold, or the file is damaged.
    """

    def __init__(self, path: Path, stream: Any, ticks: Sequence[int]) -> None:
        self._path, self._stream = path, stream
        self._container: InputContainer
        self._open = ExitStack()
        self._ticks = sorted(set(ticks))
        self._beside: tuple[int | None, int] = (None, 0)

    def __iter__(self) -> Iterator[PictureGroup]:
        import av

        with self._open:
            try:
                self._reopen()
                yield from self._groups()
            except av.FFmpegError:
                return

    def _groups(self) -> Iterator[PictureGroup]:
        missing = self._ticks
        group: list[Any] = []
        held_bytes = 0
        head: list[Any] = []  # the next keyframe and the pictures after it that are shown before it
        packets = self._packets_before(missing[0], None) if missing else None
        while missing and packets is not None:
            packet = next(packets, None)
            if packet is not None and packet.size:
                if packet.pts is None:
                    return
                last = self._last_beside(missing)
                if not head and group and packet.dts is not None and packet.dts > last:
                    # Every picture shown by then has been read, and the index knows a later keyframe to go to.
                    count = bisect_right(missing, last)
                    yield from _needed([*group, packet], [], missing[:count])
                    missing, reached, group = missing[count:], group[0].pts, []
                    packets = self._packets_before(missing[0], reached) if missing else None
                    continue
                if not head and not (packet.is_keyframe and group):
                    group.append(packet)
                elif not head or packet.pts < head[0].pts:
                    head.append(packet)
                else:
                    count = bisect_left(missing, head[0].pts)
                    yield from _needed(group, head, missing[:count])
                    missing, group, head = missing[count:], head, []
                    (head if packet.is_keyframe else group).append(packet)
                    if missing and (missing[0] - group[0].pts) * self._stream.time_base > _SEEK_GAP_SECONDS:
                        packets = self._packets_before(missing[0], group[0].pts)
                        group, head = [], []
                held_bytes = held_bytes + packet.size if len(group) > 1 else packet.size
                if held_bytes > MAX_GROUP_BYTES:
                    return
            elif packet is None:
                if group:
                    count = bisect_left(missing, head[0].pts) if head else len(missing)
                    yield from _needed(group, head, missing[:count])
                    if head:
                        yield from _needed(head, [], missing[count:])
                return

    def _reopen(self) -> None:
        self._open.close()
        context = self._stream.codec_context
        largest = max(MAX_PIXELS, context.width * context.height)
        self._container = self._open.enter_context(open_media(self._path, max_pixels=largest))
        read_only(self._container, decoded_video(self._container))

    def _packets(self) -> Iterator[Any]:
        return self._container.demux(decoded_video(self._container))

    def _keyframe(self, tick: int) -> int:
        """Where the container's index says the keyframe before `tick` is; -1 where it does not know."""
        entries = self._stream.index_entries
        position = entries.search_timestamp(tick)
        return entries[position].timestamp if position >= 0 else -1

    def _last_beside(self, missing: list[int]) -> int:
        """The last of `missing` that shares the first one's keyframe. Worked out once for each first tick."""
        if self._beside[0] != missing[0]:
            keyframe, count = self._keyframe(missing[0]), 1
            while count < len(missing) and self._keyframe(missing[count]) == keyframe:
                count += 1
            self._beside = (missing[0], missing[count - 1])
        return self._beside[1]

    def _packets_before(self, tick: int, reached: int | None) -> Iterator[Any] | None:
        """Packets from the keyframe before `tick` on; None where seeking leads elsewhere or behind `reached`."""
        self._container.seek(tick, stream=decoded_video(self._container))
        packets = self._packets()
        first = next(packets, None)
        if first is None or first.pts is None or first.pts > tick or not first.is_keyframe:
            if reached is not None:
                return None
            self._reopen()
            return self._packets()
        if reached is not None and first.pts < reached:
            return None
        return chain([first], packets)


def _needed(group: list[Any], head: list[Any], ticks: list[int]) -> Iterator[PictureGroup]:
    """What `ticks` need: from the keyframe to the last packet wanted; the rest of the group is passed over."""
    if not ticks:
        return
    stamps = sorted(packet.pts for packet in (*group, *head))
    wanted: dict[int, list[int]] = {}
    for tick in ticks:
        shown = stamps[max(0, bisect_right(stamps, tick) - 1)]
        wanted.setdefault(shown, []).append(tick)
    packets = [*group, *head] if any(p.pts in wanted for p in head[1:]) else group
    last = max(index for index, packet in enumerate(packets) if packet.pts in wanted)
    yield PictureGroup(packets[: last + 1], wanted)
