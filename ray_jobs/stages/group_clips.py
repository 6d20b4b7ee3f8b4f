"""A group of pictures as a video file of its own, small enough to hand to a decoder from memory."""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from services.core.errors import MediaError

_FRAME_MILLISECONDS = 40  # any step will do: what is asked for is the n-th frame
_IDR = 5  # nal_unit_type of H.264, table 7-1
_VP8_SHOWN = 0x10  # show_frame of the frame tag, RFC 6386 section 9.1


def group_clip(stream: Any, packets: Sequence[Any]) -> tuple[bytes, list[int]]:
    """Matroska bytes of `packets` (decoding order, from a keyframe), and the stamps of its frames in order of showing.

    Pictures that are shown before the keyframe need the group before it and are left out. Frames are numbered anew
    at an even rate, so that neither an uneven one nor the container's clock matters to who decodes them.
    Raises MediaError where frames and packets would not be counted alike.
    """
    import av

    first = packets[0]
    kept = [packet for packet in packets if packet.pts >= first.pts]
    _check_countable(stream.codec_context, kept)
    stamps = sorted(packet.pts for packet in kept)
    if len(set(stamps)) != len(stamps):
        raise MediaError("Two frames of the video have the same time.")
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


def _check_countable(codec: Any, packets: Sequence[Any]) -> None:
    name = codec.codec.canonical_name
    if name == "h264" and not _is_idr(bytes(packets[0]), codec.extradata or b""):
        raise MediaError("A group of pictures does not start afresh (open group, no IDR picture).")
    if name == "vp8" and not all(bytes(packet)[0] & _VP8_SHOWN for packet in packets):
        raise MediaError("The video has frames that are never shown.")


def _is_idr(data: bytes, extradata: bytes) -> bool:
    """Whether an H.264 packet holds an IDR picture; NAL units follow start codes or lengths (ISO/IEC 14496-15)."""
    if not extradata or extradata[0] != 1:
        units = data.split(b"\0\0\1")[1:]
        return any(unit and unit[0] & 0x1F == _IDR for unit in units)
    length_bytes, position = (extradata[4] & 3) + 1, 0
    while position + length_bytes < len(data):
        size = int.from_bytes(data[position : position + length_bytes], "big")
        position += length_bytes
        if data[position] & 0x1F == _IDR:
            return True
        position += size
    return False
