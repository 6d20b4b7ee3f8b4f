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
_MAX_SEEKS = 8  # the first two to where the index says, the others 1, 2, 4 … seconds further back
MAX_GROUP_BYTES = 32 * 2**20


@dataclass(frozen=True)
class PictureGroup:
    """packets: in decoding order, from a keyframe on. wanted: presentation stamp of a packet -> the ticks it answers."""

    packets: list[Any]
    wanted: dict[int, list[int]]


def ticks_of(container: InputContainer, stream: Any, times: Sequence[float]) -> list[int]:
    """Times in seconds of the media as ticks of the stream's time base."""
    return ticks_from(start_seconds(container), stream, times)


def ticks_from(start: float, stream: Any, times: Sequence[float]) -> list[int]:
    """As `ticks_of`; `start`: the container's time that is media time 0."""
    base = float(stream.time_base)
    # The thousandth is for times that were computed from stamps and lost their last bit.
    return [math.floor((time + start) / base + 1e-3) for time in times]


class PictureGroups:
    """Reads from the file at `path` the groups that hold the frame shown at each tick, in order of time, each group once.

    `stream` is its video stream as another container has it: packets are read from containers of their own, since one
    that was sought does not always find its start again. `unread` is that other container where nothing was read from
    it yet and nothing will be afterwards: then the file is opened only once.
    Passes over ticks where packets lack stamps, a group is too large to hold, or the file is damaged.
    """

    def __init__(self, path: Path, stream: Any, ticks: Sequence[int], unread: InputContainer | None = None) -> None:
        self._path, self._stream = path, stream
        self._unread = unread
        self._container: InputContainer
        self._open = ExitStack()
        self._ticks = sorted(set(ticks))
        self._in_order = False  # the index led astray: what is left is read packet after packet

    def __iter__(self) -> Iterator[PictureGroup]:
        import av

        with self._open:
            try:
                if self._ticks:
                    self._reopen()
                    yield from self._groups(self._ticks)
            except av.FFmpegError:
                return

    def _groups(self, missing: list[int]) -> Iterator[PictureGroup]:
        group: list[Any] = []
        head: list[Any] = []  # the next keyframe and the pictures after it that are shown before it
        last: int | None = None  # the tick behind which the index knows a later keyframe to go to
        held_bytes = 0
        packets, _ = self._sought(missing[0], None)
        while missing and (packet := next(packets, None)) is not None:
            if not packet.size:
                continue
            if packet.pts is None:
                return
            if head and packet.pts >= head[0].pts:
                count = bisect_left(missing, head[0].pts)
                yield from _needed(group, head, missing[:count])
                missing, group, head, last = missing[count:], head, [], None
                held_bytes = sum(each.size for each in group)
                if missing and self._is_far(missing[0] - group[0].pts):
                    packets, _ = self._sought(missing[0], group[0].pts)
                    group, held_bytes = [], 0
                    continue
            elif group and not head and not packet.is_keyframe:
                last = self._last_beside(missing, group[0]) if last is None else last
                if packet.dts is not None and packet.dts > last:  # every picture shown by then has been read
                    count = bisect_right(missing, last)
                    rest, is_later = missing[count:], True
                    if rest:
                        packets, is_later = self._sought(rest[0], group[0].pts)
                    if is_later:
                        yield from _needed(group, [], missing[:count])
                        missing = rest
                    group, last, held_bytes = [], None, 0
                    continue
            (head if head or (group and packet.is_keyframe) else group).append(packet)
            held_bytes += packet.size
            if held_bytes > MAX_GROUP_BYTES:
                return
        if group and missing:
            count = bisect_left(missing, head[0].pts) if head else len(missing)
            yield from _needed(group, head, missing[:count])
            yield from _needed(head, [], missing[count:])

    def _reopen(self) -> None:
        self._open.close()
        if self._unread is not None:
            self._container, self._unread = self._unread, None
        else:
            context = self._stream.codec_context
            largest = max(MAX_PIXELS, context.width * context.height)
            self._container = self._open.enter_context(open_media(self._path, max_pixels=largest))
        read_only(self._container, decoded_video(self._container))

    def _packets(self) -> Iterator[Any]:
        return self._container.demux(decoded_video(self._container))

    def _is_far(self, ticks: int) -> bool:
        return not self._in_order and ticks * self._stream.time_base > _SEEK_GAP_SECONDS

    def _last_beside(self, missing: list[int], keyframe: Any) -> int:
        """The last of `missing` before the next keyframe that the index knows: a guess, which `_sought` then checks."""
        if self._in_order:
            return missing[-1]
        # An index may tell when pictures are decoded, and ticks are about when they are shown.
        delay = keyframe.pts - keyframe.dts if keyframe.dts is not None else 0
        entries = decoded_video(self._container).index_entries
        here, count = entries.search_timestamp(missing[0] - delay), 1
        while count < len(missing) and entries.search_timestamp(missing[count] - delay) == here:
            count += 1
        return missing[count - 1]

    def _sought(self, tick: int, beyond: int | None) -> tuple[Iterator[Any], bool]:
        """Packets from a keyframe on that is shown at or before `tick`, and whether it is shown after `beyond`.

        Where it is not, or no seek leads to such a keyframe, there will be no more seeks.
        """
        import av

        stream = decoded_video(self._container)
        target, second, step = tick, max(1, round(1 / stream.time_base)), 0
        for _ in range(_MAX_SEEKS):
            try:
                self._container.seek(target, stream=stream)
            except av.FFmpegError:  # a file too short to have an index
                break
            packets = self._packets()
            first = next((each for each in packets if each.size and (each.is_keyframe or each.pts is None)), None)
            if first is None or first.pts is None:
                break
            if first.pts <= tick:
                is_later = beyond is None or first.pts > beyond
                self._in_order = self._in_order or not is_later
                return chain([first], packets), is_later
            # It was found by when it is decoded, or from a place between keyframes on.
            target, step = (
                min(target - step, (first.pts if first.dts is None else first.dts) - 1),
                max(second, step * 2),
            )
        self._in_order = True
        self._reopen()
        return self._packets(), beyond is None


def _needed(group: list[Any], head: list[Any], ticks: list[int]) -> Iterator[PictureGroup]:
    """What `ticks` need: from the keyframe to the last packet wanted; the rest of the group is passed over."""
    if not ticks:
        return
    # Pictures that an edit list cuts away are decoded for others' sake, and never shown.
    stamps = sorted(packet.pts for packet in (*group, *head) if not packet.is_discard)
    if not stamps:
        return
    wanted: dict[int, list[int]] = {}
    for tick in ticks:
        shown = stamps[max(0, bisect_right(stamps, tick) - 1)]
        wanted.setdefault(shown, []).append(tick)
    packets = [*group, *head] if any(p.pts in wanted for p in head[1:]) else group
    last = max(index for index, packet in enumerate(packets) if packet.pts in wanted)
    yield PictureGroup(packets[: last + 1], wanted)
