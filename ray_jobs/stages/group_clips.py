"""Groups of pictures as a video file of its own, small enough to hand to a decoder from memory."""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from services.core.errors import MediaError

_FRAME_MILLISECONDS = 40  # any step will do: what is asked for is the n-th frame
_TYPE, _REFERENCE, _IDR = 0x1F, 0x60, 5  # nal_unit_type and nal_ref_idc of H.264, section 7.3.1; table 7-1
_VP8_SHOWN = 0x10  # show_frame of the frame tag, RFC 6386 section 9.1


def group_clip(stream: Any, *groups: Sequence[Any]) -> tuple[bytes, list[int]]:
    """Matroska bytes of the packets of `groups` (decoding order, each from a keyframe), and the stamps of its frames in
    order of showing.

    Pictures that are shown before a keyframe need the group before it and are left out. Frames are numbered anew
    at an even rate, so that neither an uneven one nor the container's clock matters to who decodes them.
    Raises MediaError where frames and packets would not be counted alike.
    """
    import av

    kept = [packet for packets in groups for packet in decodable(stream.codec_context, packets)]
    codec = stream.codec_context.codec.canonical_name
    if codec == "vp8" and not all(bytes(packet)[0] & _VP8_SHOWN for packet in kept):
        raise MediaError("The video has frames that are never shown.")
    stamps = sorted(packet.pts for packet in kept)
    ranks = [bisect_left(stamps, packet.pts) for packet in kept]
    delay = max(index - rank for index, rank in enumerate(ranks))
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        copied = container.add_stream_from_template(stream)
        for index, (packet, rank) in enumerate(zip(kept, ranks, strict=True)):
            renumbered = av.Packet(bytes(packet))
            renumbered.stream, renumbered.time_base = copied, Fraction(_FRAME_MILLISECONDS, 1000)
            renumbered.pts, renumbered.dts, renumbered.duration = rank + delay, index, 1
            renumbered.is_keyframe = packet.is_keyframe
            container.mux(renumbered)
    return file.getvalue(), stamps


def decodable(codec: Any, packets: Sequence[Any]) -> list[Any]:
    """Those of `packets` (decoding order, from a keyframe) that are decoded without what comes before.

    Raises MediaError where the keyframe does not start afresh, or two pictures can't be told apart.
    """
    first = packets[0]
    if not first.is_keyframe or not starts_afresh(codec, first):
        raise MediaError("A group of pictures does not start afresh (open group, no IDR picture).")
    kept = [packet for packet in packets if packet.pts >= first.pts]
    if len({packet.pts for packet in kept}) != len(kept):
        raise MediaError("Two frames of the video have the same time.")
    return kept


def starts_afresh(codec: Any, keyframe: Any) -> bool:
    """Whether decoding can begin at a keyframe: of H.264, whether it holds an IDR picture."""
    name = codec.codec.canonical_name
    return name != "h264" or any(unit & _TYPE == _IDR for unit in _unit_headers(codec, keyframe))


def is_disposable(codec: Any, packet: Any) -> bool:
    """Whether no other picture needs an H.264 one: nal_ref_idc of its first slice is 0 (section 7.4.1)."""
    return next((not unit & _REFERENCE for unit in _unit_headers(codec, packet) if 1 <= unit & _TYPE <= _IDR), False)


def _unit_headers(codec: Any, packet: Any) -> Iterator[int]:
    """The first byte of each NAL unit of an H.264 packet, which follow start codes or lengths (ISO/IEC 14496-15)."""
    data, extradata = memoryview(packet), codec.extradata or b""
    if not extradata or extradata[0] != 1:
        yield from (unit[0] for unit in bytes(data).split(b"\0\0\1")[1:] if unit)
        return
    length_bytes, position = (extradata[4] & 3) + 1, 0
    while position + length_bytes < len(data):
        size = int.from_bytes(data[position : position + length_bytes], "big")
        position += length_bytes
        yield data[position]
        position += size
