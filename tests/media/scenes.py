"""Clips that show something: slides with known text, a counter, shots with known cuts, tracks, subtitles, chapters.

What each holds stands beside its recipe, so that a test asks for exactly that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from av.stream import Disposition
from PIL import Image, ImageDraw, ImageFont

from tests.media import sounds
from tests.media.muxing import Pictures, Sound, Subtitles, write
from tests.media.numbered import LIBVPX, X264, picture

# -- text on the screen
SLIDE_HEADER = "Riverside College"  # stands on both slides
SLIDES = (  # (from second, title, lines) of slides.mov, 10.5 s
    (0.0, "Bread and Yeast", ("Flour, water and salt", "Rises for 3 hours")),
    (2.0, "The Stone Oven", ("Heated to 260 degrees", "Loaves of 900 grams", "Baked twice a day")),
)
SLIDES_SECONDS = 10.5
COUNTER_FRAMES = 30  # of counter.mp4, ten in a second: "Frame = 14" and "PTS = 1.3s" on the fourteenth


def slide(title: str, lines: tuple[str, ...], size: tuple[int, int] = (640, 480), header: str = "") -> np.ndarray:
    """uint8 [height, width, 3]: black on white, in Pillow's own typeface."""
    width, height = size
    image = Image.new("RGB", size, "#fdfdf8")
    draw = ImageDraw.Draw(image)
    unit = height / 12
    draw.text((0.06 * width, unit), title, font=ImageFont.load_default(round(unit * 1.1)), fill="#102040")
    for row, line in enumerate(lines):
        place = (0.1 * width, unit * (3.6 + 1.8 * row))
        draw.text(place, line, font=ImageFont.load_default(round(unit * 0.85)), fill="#202020")
    if header:
        draw.text((0.06 * width, unit * 10.6), header, font=ImageFont.load_default(round(unit * 0.8)), fill="#703020")
    return np.asarray(image)


def counter(number: int, size: tuple[int, int]) -> np.ndarray:
    """uint8: the frame's number, from 1, and its time at ten a second; the colour changes each second."""
    colour = ("#203a60", "#5a2030", "#205038")[number // 10 % 3]
    image = Image.new("RGB", size, colour)
    draw, unit = ImageDraw.Draw(image), size[1] / 9
    font = ImageFont.load_default(round(unit * 1.4))
    draw.text((unit, unit * 1.5), f"Frame = {number + 1}", font=font, fill="white")
    draw.text((unit, unit * 4.5), f"PTS = {number / 10:.1f}s", font=font, fill="white")
    return np.asarray(image)


def write_slides(path: Path) -> None:
    shown = [(start, slide(title, lines, header=SLIDE_HEADER)) for start, title, lines in SLIDES]
    times = range(0, round(SLIDES_SECONDS * 1000), 100)
    frames = ((time, [image for start, image in shown if start * 1000 <= time][-1]) for time in times)
    speech = sounds.speech("committee", "winter")[0][: round(SLIDES_SECONDS * sounds.RATE)]
    write(path, Pictures("libx264", frames, X264 | {"g": "50"}, rate=10), Sound("aac", speech[None]), format="mov")


def write_counter(encoder: str, size: tuple[int, int], options: dict[str, str], format: str, path: Path) -> None:
    frames = ((100 * number, counter(number, size)) for number in range(COUNTER_FRAMES))
    write(path, Pictures(encoder, frames, options, rate=10), format=format)


# -- shots
SHOTS = (0.0, 3.8, 7.4, 11.0)  # of shots.webm, 15 s, hard cuts
SHOTS_SECONDS = 15.0
FADES = (0.0, 84 / 25, 167 / 25)  # of fades.mp4, 10 s: each shot goes to black and comes from it, 12 frames each way
FADES_SECONDS = 10.0
SLIDE_CUTS = (0.0, 5.0, 8.0, 11.0)  # of slide_cuts.mp4: a frame a second, 15 s
SLIDE_CUTS_SECONDS = 15.0


def landscape(kind: int, time: float, size: tuple[int, int]) -> np.ndarray:
    """uint8: one of six textures in colours of their own, over which a camera moves slowly."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    columns, rows = columns + 12 * time * (1 + kind % 3), rows + 6 * time * (kind % 2)
    waves = np.sin(columns / (9 + 7 * kind)) * np.cos(rows / (31 - 4 * kind)) + np.sin(
        (columns + rows) / (40 + 9 * kind)
    )
    tints = np.array(
        [[210, 120, 60], [50, 110, 190], [70, 160, 80], [190, 190, 180], [120, 50, 130], [30, 60, 60]], np.float32
    )
    grain = np.random.default_rng(round(time * 1000) + kind).normal(0, 3, (height, width, 1))
    return (tints[kind] + waves[..., None] * 30 + grain).clip(0, 255).astype(np.uint8)


def _shown(starts: tuple[float, ...], time: float) -> int:
    return sum(start <= time + 1e-6 for start in starts) - 1


def shot_frames(
    starts: tuple[float, ...], seconds: float, rate: int, size: tuple[int, int], fade_frames: int = 0
) -> Iterator[tuple[int, np.ndarray]]:
    ends = (*starts[1:], seconds)
    for number in range(round(seconds * rate)):
        time = number / rate
        shot = _shown(starts, time)
        image = landscape(shot % 6, time, size)
        if fade_frames:
            near = min(time - starts[shot] if shot else 9e9, ends[shot] - time if shot < len(starts) - 1 else 9e9)
            image = (image * min(1.0, near * rate / fade_frames)).astype(np.uint8)
        yield round(time * 1000), image


def write_shots(path: Path) -> None:
    frames = shot_frames(SHOTS, SHOTS_SECONDS, 12, (320, 180))
    sound = Sound("libopus", sounds.tune(SHOTS_SECONDS), 48_000)
    write(path, Pictures("libvpx", frames, LIBVPX | {"g": "60", "b": "1M"}, rate=12), sound, format="webm")


def write_fades(path: Path) -> None:
    frames = shot_frames(FADES, FADES_SECONDS, 25, (320, 180), fade_frames=12)
    write(path, Pictures("mpeg4", frames, {"g": "25", "b": "2M"}, clock=_CLOCK_25), format="mp4")


def write_slide_cuts(path: Path) -> None:
    frames = shot_frames(SLIDE_CUTS, SLIDE_CUTS_SECONDS, 1, (320, 180))
    write(path, Pictures("libx264", frames, X264, rate=1, pixel_format="yuvj444p"), format="mp4")


# -- a long quiet screen, and a moving dark picture
SCREENCAST_SECONDS = 34.2
SCREENCAST_TITLE = "Opening Programs"
MOVING_SECONDS = 5.0
LONG_SECONDS = 363  # of long.mp4


def write_screencast(path: Path) -> None:
    """A drawn desktop at 5 frames a second on which a pointer moves; a title at first; a tune. 854x480."""
    desk = slide("", (), (854, 480)).copy()
    desk[:40] = (60, 60, 70)
    title = slide(SCREENCAST_TITLE, ("Press the menu key", "Type the name"), (854, 480))

    def frames() -> Iterator[tuple[int, np.ndarray]]:
        for number in range(round(SCREENCAST_SECONDS * 5)):
            image = (title if number < 40 else desk).copy()
            x, y = 60 + 4 * number, 60 + 2 * number
            image[y : y + 16, x : x + 10] = (220, 40, 40)
            yield 200 * number, image

    sound = Sound("libopus", sounds.tune(SCREENCAST_SECONDS), 48_000)
    write(path, Pictures("libvpx-vp9", frames(), LIBVPX | {"g": "25", "b": "800k"}, rate=5), sound, format="webm")


def write_moving(path: Path) -> None:
    """Dark, blue and moving, without text, over noise. 480x270."""
    rows, columns = np.mgrid[0:270, 0:480].astype(np.float32)

    def frames() -> Iterator[tuple[int, np.ndarray]]:
        for number in range(round(MOVING_SECONDS * 25)):
            glow = np.exp(-(((columns - 60 - 3 * number) / 60) ** 2 + ((rows - 135) / 60) ** 2))
            yield 40 * number, (np.stack([glow * 10, glow * 30, 12 + glow * 110], axis=-1)).astype(np.uint8)

    sound = Sound("libmp3lame", np.stack([sounds.noise(MOVING_SECONDS, 48_000)] * 2), 48_000)
    write(path, Pictures("mpeg4", frames(), {"g": "25", "b": "1M"}, clock=_CLOCK_25), sound, format="avi")


def write_long(path: Path) -> None:
    """LONG_SECONDS of black in AV1 at 5 frames a second, with silence: a length and nothing else."""
    black = np.zeros((180, 320, 3), np.uint8)
    frames = ((200 * number, black) for number in range(LONG_SECONDS * 5))
    silence = np.zeros((1, LONG_SECONDS * 8000), np.int16)
    options = {"preset": "12", "g": "60", "crf": "50", "svtav1-params": "lp=2"}
    write(path, Pictures("libsvtav1", frames, options, rate=5), Sound("aac", silence, 8000), format="mp4")


def write_huge(path: Path) -> None:
    """Two frames of 8K, of one grey each (26, then 141)."""
    frames = ((100 * number, np.full((4320, 7680, 3), grey, np.uint8)) for number, grey in enumerate((26, 141)))
    write(path, Pictures("libvpx-vp9", frames, LIBVPX | {"b": "80M", "row-mt": "1"}, rate=10), format="webm")


# -- several tracks, subtitles, chapters
MIRROR = ("mirror_1", "mirror_2", "mirror_3", "mirror_4")
FIRST_SUBTITLE = (0, 1234, "This is the first subtitle.")
CHAPTERS = ((0, 2000, "Chapter 1"), (2000, 5000, "Chapter 2"))


def mirror_cues() -> list[tuple[int, int, str]]:
    """What is said in tracks.mp4, (start, end, text) in milliseconds: its subtitle tracks hold it."""
    _, spans = sounds.speech(*MIRROR)
    return [(round(a * 1000), round(b * 1000), sounds.SAID[name]) for (a, b), name in zip(spans, MIRROR, strict=True)]


def mirror_seconds() -> float:
    return len(sounds.speech(*MIRROR)[0]) / sounds.RATE


def write_tracks(path: Path) -> None:
    """One shot in two sizes, one narration at two rates, its text in two subtitle tracks; of each the second is the default."""
    speech, _ = sounds.speech(*MIRROR)
    times = range(0, round(mirror_seconds() * 1000), 80)
    options, best = X264 | {"crf": "30"}, {"disposition": Disposition.default}
    small = Pictures("libx264", ((time, landscape(1, time / 1000, (240, 136))) for time in times), options)
    large = Pictures("libx264", ((time, landscape(1, time / 1000, (480, 270))) for time in times), options, **best)
    low = Sound("aac", speech[None], coded_rate=8000, options={"b": "16k"})
    high = Sound("aac", np.stack([speech, speech]), options={"b": "64k"}, **best)
    text = Subtitles("mov_text", mirror_cues())
    write(path, small, large, low, high, text, text, format="mp4")


def write_subtitles(path: Path) -> None:
    """An SRT cue that outlasts the picture; a clock of 1/1000 s is taken for a rate."""
    frames = ((round(1000 * number / 30), picture(number, 256, 144)) for number in range(36))
    sound = Sound("ac3", sounds.tone(330, 1.2, 44_100)[None], 44_100)
    write(
        path, Pictures("libx264", frames, X264, rate=1000), sound, Subtitles("srt", [FIRST_SUBTITLE]), format="matroska"
    )


def write_chapters(path: Path) -> None:
    frames = ((100 * number, picture(number, 256, 144)) for number in range(50))
    sound = Sound("aac", sounds.tone(330, 5.0, 44_100)[None], 44_100)
    write(path, Pictures("libx264", frames, X264, rate=10), sound, chapters=CHAPTERS, format="matroska")


_CLOCK_25 = Pictures("", ()).clock * 40

RECIPES: dict[str, Callable[[Path], None]] = {
    "slides.mov": write_slides,
    "counter.mp4": partial(write_counter, "libx264", (1920, 1080), X264 | {"crf": "23"}, "mp4"),
    "counter.webm": partial(write_counter, "libvpx-vp9", (960, 540), LIBVPX, "webm"),
    "shots.webm": write_shots,
    "fades.mp4": write_fades,
    "slide_cuts.mp4": write_slide_cuts,
    "screencast.webm": write_screencast,
    "moving.avi": write_moving,
    "huge.webm": write_huge,
    "long.mp4": write_long,
    "tracks.mp4": write_tracks,
    "subtitles.mkv": write_subtitles,
    "chapters.mkv": write_chapters,
}
