"""Clips that are cut off, overwritten, wrong about themselves, empty, or no media."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tests.media import numbered, scenes

TRUNCATED_SECONDS = 7.0  # of truncated.webm, screencast.webm cut off, whose header goes on telling the whole length


def cut(write: Callable[[Path], None], share: float, path: Path) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def cut_at(write: Callable[[Path], None], seconds: float, path: Path) -> None:
    """Ends the file where the first packet of that time begins."""
    import av

    write(path)
    with av.open(str(path)) as container:
        places = [
            packet.pos for packet in container.demux() if packet.size and packet.dts * packet.time_base >= seconds
        ]
    os.truncate(path, min(places))


def write_corrupt(path: Path) -> None:
    """H.264 in MP4 of which one picture in the middle claims a size that it hasn't."""
    numbered.write_numbered(numbered.NUMBERED["reordered.mp4"], "reordered.mp4", path)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    for position in range(start + len(data[start:]) // 2, start + len(data[start:]) // 2 + 400, 7):
        data[position] ^= 0xA5
    path.write_bytes(data)


def write_long_mdat(path: Path) -> None:
    """An MP4 with its index first, whose box of samples claims to go on far after the end of the file."""
    clip = numbered.Numbered("libx264", numbered.SHORT, numbered.X264, container_options={"movflags": "+faststart"})
    numbered.write_numbered(clip, "x.mp4", path)
    data = bytearray(path.read_bytes())
    place = data.index(b"mdat") - 4
    data[place : place + 4] = struct.pack(">I", 0x7FFF0000)
    path.write_bytes(data)


def write_no_streams(path: Path) -> None:
    """The boxes of an MP4 that holds nothing."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", 8 + len(body)) + kind + body

    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    header = bytes(12) + struct.pack(">IIIH", 1000, 0, 0x10000, 0x100) + bytes(10) + matrix + bytes(24)
    body = box(b"mvhd", header + struct.pack(">I", 2))
    path.write_bytes(box(b"ftyp", b"isom\0\0\2\0isommp42") + box(b"free", b"") + box(b"moov", body))


def write_garbage(path: Path) -> None:
    path.write_bytes(np.random.default_rng(7).bytes(200_000))


def write_header(path: Path) -> None:
    """The first 4 KiB of an MP4 whose index is at its end."""
    numbered.write_numbered(numbered.NUMBERED["reordered.mp4"], "reordered.mp4", path)
    path.write_bytes(path.read_bytes()[:4096])


RECIPES: dict[str, Callable[[Path], None]] = {
    "truncated.mov": partial(cut, scenes.write_slides, 0.7),
    "truncated.webm": partial(cut_at, scenes.write_screencast, TRUNCATED_SECONDS),
    "corrupt.mp4": write_corrupt,
    "long_mdat.mp4": write_long_mdat,
    "no_streams.mp4": write_no_streams,
    "empty.mp4": lambda path: path.write_bytes(b"") and None,
    "garbage.mp4": write_garbage,
    "header.mp4": write_header,
}
UNREADABLE = {  # and a word of the reason that is told
    "empty.mp4": "empty",
    "no_streams.mp4": "no video and no audio",
    "truncated.mov": "cut off",
    "header.mp4": "cut off",
    "garbage.mp4": "not a readable",
}
