"""Clips whose every frame says which one it is: a bar code of its number over a moving texture.

There is one for each codec and container, and for each oddity of time, turn and order; NUMBERED tells what is true of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

import numpy as np

from tests.media import sounds
from tests.media.muxing import Pictures, Sound, Track, write

BITS = 8  # of the number, each a square in the top row, a sixteenth of the width wide


@cache
def _waves(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 [3, period, width] and [period, height]: the two terms of `picture`, for every shift."""
    columns, rows = np.arange(width + 3 * 256), np.arange(-2 * 256, height)
    across = np.stack([np.sin(columns / 17 + phase) for phase in (0, 1, 2)], axis=-1)
    return (across * 50).astype(np.float32), (np.cos(rows / 23) * 50 + 128).astype(np.float32)


def picture(number: int, width: int, height: int) -> np.ndarray:
    """uint8 [height, width, 3] of frame `number` (0 to 255), of which the top row of squares tells."""
    across, down = _waves(width, height)
    first = 2 * 256 - 2 * number
    image = (down[first : first + height, None, None] + across[None, 3 * number : 3 * number + width]).astype(np.uint8)
    cell = width // 16
    for bit in range(BITS):
        image[:cell, bit * cell : (bit + 1) * cell] = 235 if number >> bit & 1 else 16
    return image


def number_in(image: np.ndarray) -> int:
    """The number that an upright, perhaps scaled picture of a clip shows."""
    cell = image.shape[1] / 16
    row, reach = round(cell / 2), max(1, round(cell / 6))
    centres = [round((bit + 0.5) * cell) for bit in range(BITS)]
    squares = [image[row - reach : row + reach, x - reach : x + reach] for x in centres]
    return sum(int(square.mean() > 128) << bit for bit, square in enumerate(squares))


@dataclass(frozen=True)
class Numbered:
    """Frame i is shown at milliseconds[i]; `size` is (width, height) as coded, before it is turned."""

    encoder: str
    milliseconds: Sequence[int]
    options: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (256, 144)
    more: dict = field(default_factory=dict)  # of Pictures
    sound: str | None = None  # the encoder of a tone of the same length
    container_options: dict[str, str] = field(default_factory=dict)
    committed: bool = False

    @property
    def times(self) -> list[float]:
        """When each frame is shown, in seconds, by the clock of its encoder."""
        clock = self.more.get("clock", Fraction(1, 1000))
        return [float(round(Fraction(time, 1000) / clock) * clock) for time in self.milliseconds]

    @property
    def shown_size(self) -> tuple[int, int]:
        """(width, height) in square pixels: those of H.263 are a twelfth wider than high."""
        width, height = self.upright_size
        return (round(width * 12 / 11), height) if self.encoder == "h263" else (width, height)

    @property
    def upright_size(self) -> tuple[int, int]:
        return self.size[::-1] if self.more.get("turn", 0) % 180 else self.size


EVEN = [40 * index for index in range(48)]
UNEVEN = [sum((20, 40, 40, 130)[index % 4] for index in range(count)) for count in range(48)]
SHORT = EVEN[:32]
SLOW = [1000 * index for index in range(12)]
THIRTY = [round(1000 * index / 30) for index in range(36)]
LIBVPX = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "g": "12", "b": "3M"}
X264 = {"preset": "ultrafast", "g": "12", "bf": "0", "crf": "16"}
REORDERED = {"preset": "veryfast", "g": "12", "bf": "3", "b-adapt": "0", "crf": "16"}
_X265 = "log-level=none:pools=none:frame-threads=1:keyint=12:min-keyint=12:bframes=2:open-gop=0:crf=14"
X265 = {"preset": "ultrafast", "x265-params": _X265}
OLD = {"g": "12", "qmin": "2", "qmax": "3"}  # the encoders of FFmpeg itself
JPEG = {"qmin": "2", "qmax": "3"}
FRAMES_OF_25 = {"clock": Fraction(1, 25)}

NUMBERED: dict[str, Numbered] = {
    "even.webm": Numbered("libvpx-vp9", EVEN, LIBVPX, (512, 288)),
    "uneven.webm": Numbered("libvpx-vp9", UNEVEN, LIBVPX, (512, 288)),
    "uneven_vp8.mkv": Numbered("libvpx", UNEVEN, LIBVPX, (512, 288)),
    "bt709.webm": Numbered("libvpx-vp9", EVEN, LIBVPX, (512, 288), {"colorspace": 1}),
    "uneven_h264.mp4": Numbered("libx264", UNEVEN, REORDERED, (512, 288)),
    "vp8.webm": Numbered("libvpx", SHORT, LIBVPX, sound="libopus"),
    "vp9.webm": Numbered("libvpx-vp9", SHORT, LIBVPX, sound="libopus"),
    "av1.mp4": Numbered("libsvtav1", SHORT, {"preset": "12", "g": "12", "crf": "20", "svtav1-params": "lp=2"}, sound="aac"),
    "h264.mkv": Numbered("libx264", SHORT, X264, sound="ac3"),
    "h264.flv": Numbered("libx264", THIRTY, X264, more={"rate": 1000}, sound="aac"),  # its clock is taken for a rate
    "clock.mkv": Numbered("libx264", THIRTY, X264, more={"rate": 1000}),
    "reordered.mp4": Numbered("libx264", SHORT, REORDERED, sound="aac"),
    "reordered.mkv": Numbered("libx264", SHORT, REORDERED),
    "reordered.ts": Numbered("libx264", SHORT, REORDERED, sound="aac"),
    "hevc.mp4": Numbered("libx265", SHORT, X265, more={"tag": "hvc1"}, sound="aac"),
    "hevc10.mkv": Numbered("libx265", SHORT, X265, more={"pixel_format": "yuv420p10le"}),
    "hevc10_turned.mp4": Numbered(
        "libx265", SHORT[:10], X265, more={"pixel_format": "yuv420p10le", "turn": 90, "tag": "hvc1"}
    ),
    "mpeg2.ts": Numbered("mpeg2video", SHORT, OLD, more=FRAMES_OF_25, sound="mp2"),
    "mpeg2.mpg": Numbered("mpeg2video", SHORT, OLD, more=FRAMES_OF_25, sound="mp2"),
    "mpeg4.avi": Numbered("mpeg4", SHORT, OLD, more=FRAMES_OF_25, sound="libmp3lame"),
    "mpeg4.mp4": Numbered("mpeg4", SHORT, OLD, more=FRAMES_OF_25),
    "h263.3gp": Numbered("h263", THIRTY[::2], OLD, (176, 144), {"clock": Fraction(1001, 30000), "rate": 15}),
    "flv1.flv": Numbered("flv", SHORT, OLD, sound="libmp3lame"),
    "mjpeg.mov": Numbered("mjpeg", SHORT, JPEG, more={"pixel_format": "yuvj420p"}),
    "mjpeg.avi": Numbered("mjpeg", SHORT, JPEG, more={"pixel_format": "yuvj420p", **FRAMES_OF_25}),
    "theora.ogv": Numbered("theora", SHORT, committed=True),
    "ogg_named.mkv": Numbered("theora", SHORT, committed=True),  # its name says Matroska
    "slow_444.mp4": Numbered("libx264", SLOW, X264, more={"pixel_format": "yuvj444p", "rate": 1}),
    "turned_90.mov": Numbered("libx264", SHORT[:8], X264, more={"turn": 90}),
    "turned_180.mov": Numbered("libx264", SHORT[:8], X264, more={"turn": 180}),
    "turned_270.mp4": Numbered("libx264", SHORT[:8], X264, more={"turn": 270}),
    "uneven.mov": Numbered("libx264", UNEVEN, X264, sound="aac"),
    "tiny.mp4": Numbered("mpeg4", SHORT[:15], OLD, (48, 48), FRAMES_OF_25),
}  # fmt: skip


def frames(numbered: Numbered) -> Iterator[tuple[int, np.ndarray]]:
    """Drawn upright and laid over, so that players turn them back."""
    quarters = numbered.more.get("turn", 0) // 90
    for number, milliseconds in enumerate(numbered.milliseconds):
        yield milliseconds, np.ascontiguousarray(np.rot90(picture(number, *numbered.upright_size), quarters))


def write_numbered(numbered: Numbered, name: str, path: Path) -> None:
    """`name` says the container. The committed ones were written by Debian's ffmpeg; committed/README.md says how."""
    if numbered.committed:
        shutil.copyfile(Path(__file__).parent / "committed" / "theora.ogv", path)
        return
    tracks: list[Track] = [Pictures(numbered.encoder, frames(numbered), numbered.options, **numbered.more)]
    if numbered.sound:
        step = numbered.milliseconds[1] - numbered.milliseconds[0]
        seconds = (numbered.milliseconds[-1] + step) / 1000
        rate = 48_000 if numbered.sound == "libopus" else 44_100
        # Encoders put a few milliseconds before the first sample, which would else be the start of the clip.
        tracks.append(Sound(numbered.sound, sounds.tone(440, seconds - 0.08, rate)[None], rate, start_milliseconds=80))
    write(path, *tracks, format=_FORMATS[Path(name).suffix], options=numbered.container_options)


_FORMATS = {
    ".webm": "webm", ".mkv": "matroska", ".mp4": "mp4", ".mov": "mov", ".ts": "mpegts", ".mpg": "mpeg", ".avi": "avi",
    ".flv": "flv", ".3gp": "3gp",
}  # fmt: skip

RECIPES: dict[str, Callable[[Path], None]] = {
    name: partial(write_numbered, numbered, name) for name, numbered in NUMBERED.items()
}
