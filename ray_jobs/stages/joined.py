"""Files that are several streams one after another, as joined files and recorded web radio are: chained Ogg, ADTS, MPEG.

FFmpeg goes on over some links of Ogg, begins the time anew at each, and stops at others; of ADTS it counts the time by
the rate of the first frames. So each stream is opened by itself. Of transport and program streams whose times begin anew it
tells one alone; they are counted, to be refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO

from ray_jobs.stages.container import open_media, start_seconds
from services.core.errors import MediaError
from services.core.media import Part

MAX_LINKS = 1_000
_HEADER_BYTES = 27  # of a page, RFC 3533 section 6, before its table of segments
_BLOCK = 1 << 16
_ADTS_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_ADTS_SAMPLES = 1024
_STAMPED = ("mpegts", "mpeg")  # transport and program streams
_BACK_SECONDS = 1.0  # by which times go back where a stream begins anew; less is damage, or an encoder's slip
_SETTLED = 5  # packets that go on from there; of a few wrong stamps the next right one steps forward by as much
_MAX_PACKETS = 3_000_000
_FIRST = 0x02  # header type: the first page of a logical stream


def joined_parts(path: Path, format: str) -> tuple[Part, ...]:
    """The streams of a file of this format, at most MAX_LINKS; none where there is only one.

    Reads the header of every page or frame.
    """
    if format == "aac":
        return _adts_parts(path)
    if format != "ogg":
        return ()
    links = _links(path)
    if len(links) < 2:
        return ()
    parts, start = [], 0.0
    for link in links:
        end = start + _seconds(path, link)
        parts.append(Part(link.start, link.stop, start, end))
        start = end
    return tuple(parts)


def streams_joined(path: Path, format: str) -> int:
    """How many recordings a transport or program stream is made of, each with times of its own; 1 for any other format.

    Reads every packet of its picture, or of its sound where it has none.
    """
    import av

    if format not in _STAMPED:
        return 1
    stamps: list[float] = []
    with open_media(path, for_packets=True) as container:
        stream = next(iter(container.streams.video), None) or next(iter(container.streams.audio), None)
        if stream is None:
            return 1
        try:
            for packet in islice(container.demux(stream), _MAX_PACKETS):
                stamp = packet.dts if packet.dts is not None else packet.pts
                if stamp is not None and packet.size:
                    stamps.append(float(stamp * packet.time_base))
        except av.FFmpegError:
            pass
    return 1 + sum(
        before - later > _BACK_SECONDS and _goes_on(stamps[place : place + _SETTLED], before - later)
        for place, (before, later) in enumerate(pairwise(stamps), start=1)
    )


def _goes_on(stamps: list[float], back: float) -> bool:
    return len(stamps) == _SETTLED and all(later - before < back / 2 for before, later in pairwise(stamps))


def _adts_parts(path: Path) -> tuple[Part, ...]:
    """Where the rate of ADTS frames changes (ISO/IEC 14496-3, 1.A.2.2.1), a part begins."""
    import av

    starts: list[int] = []
    ends: list[float] = []
    rate, end = 0, 0.0
    with open_media(path) as container:
        try:
            for packet in container.demux(audio=0):
                header = bytes(packet)[:4]
                index = header[2] >> 2 & 15 if len(header) == 4 else 15
                if index >= len(_ADTS_RATES) or packet.pos is None:
                    continue
                if _ADTS_RATES[index] != rate and len(starts) < MAX_LINKS:
                    rate = _ADTS_RATES[index]
                    ends += [end] if starts else []
                    starts.append(packet.pos)
                end += _ADTS_SAMPLES / rate
        except av.FFmpegError:
            pass
    if len(starts) < 2:
        return ()
    edges = pairwise([*starts, path.stat().st_size])
    times = pairwise([0.0, *ends, end])
    return tuple(Part(*bytes_, *seconds) for bytes_, seconds in zip(edges, times, strict=True))


def _seconds(path: Path, link: range) -> float:
    """How long a link lasts by its packets; 0 where it can't be read."""
    import av

    end = 0.0
    try:
        with open_media(path, Part(link.start, link.stop, 0.0, 0.0)) as container:
            if container.duration:
                return container.duration / 1_000_000
            start = start_seconds(container)
            for packet in container.demux():
                if packet.pts is not None and packet.size:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base) - start)
    except (MediaError, av.FFmpegError):
        pass
    return end


def _links(path: Path) -> list[range]:
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        starts = list(islice(_link_starts(file, size), MAX_LINKS))
    return [range(start, end) for start, end in pairwise([*starts, size])]


def _link_starts(file: BinaryIO, size: int) -> Iterator[int]:
    """Where pages that begin streams follow pages that don't."""
    position, was_first = 0, False
    while position < size:
        file.seek(position)
        header = file.read(_HEADER_BYTES + 255)
        if len(header) < _HEADER_BYTES or not header.startswith(b"OggS"):
            if position == 0:
                return
            position = _next_page(file, position + 1)
            continue
        is_first = bool(header[5] & _FIRST)
        if is_first and not was_first:
            yield position
        was_first = is_first
        lengths = header[_HEADER_BYTES : _HEADER_BYTES + header[26]]
        position += _HEADER_BYTES + header[26] + sum(lengths)


def _next_page(file: Any, position: int) -> int:
    """Where the next page begins after damage; at the end where there is none."""
    while True:
        file.seek(position)
        block = file.read(_BLOCK)
        found = block.find(b"OggS")
        if found >= 0:
            return position + found
        if len(block) < _BLOCK:
            return position + len(block)
        position += _BLOCK - 3
