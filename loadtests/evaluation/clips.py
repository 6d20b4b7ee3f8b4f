"""Makes the videos of a collection from their scripts: slides, tables, charts and code, spoken, subtitled or silent.

A script is {"parts": {name: part, …}} and may say `format` (mp4 or mkv) and `language` (of the subtitles). A part shows
`title` with `lines`, `table` (rows), `bars` ({label: value}) or `code` (lines), or a landscape (`picture`: its number);
it is spoken (`say`, by `voice`), subtitled (`cue`), filled with a `sound` (tune or noise), or silent for `seconds`.
Of a recording, which is not made, a part says when it is: `start` and `end` in seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from loadtests.evaluation.collections import HERE, Collection
from tests.media import muxing, numbered, scenes, sounds
from tests.media.muxing import Pictures, Sound, Subtitles

SIZE, RATE = (768, 432), 5
LEAD_SECONDS, TAIL_SECONDS = 0.4, 0.8  # about what is said in a part
SILENT_SECONDS = 5.0
LETTERS_A_SECOND = {"zh": 5.0, "ja": 7.0}  # of subtitles as they are spoken; other languages:
LATIN_LETTERS_A_SECOND = 15.0
VOICES = HERE / "voices"
BUILD = HERE.parents[1] / "build" / "eval" / "clips"
_LANGUAGE_CODES = {"en": "eng", "de": "deu", "fr": "fra", "es": "spa", "pt": "por", "zh": "zho", "ja": "jpn"}


@dataclass(frozen=True)
class Span:
    """Seconds in the clip."""

    start_time: float
    end_time: float


def recording(part: Mapping[str, Any]) -> Path:
    """Where what a part says is kept."""
    said = f"{part['voice']}: {part['say']}"
    return VOICES / f"{hashlib.sha256(said.encode()).hexdigest()[:16]}.opus"


def spans(script: Mapping[str, Any]) -> dict[str, Span]:
    """When each part is on."""
    found, start = {}, 0.0
    for name, part in script["parts"].items():
        if "end" in part:
            found[name] = Span(part["start"], part["end"])
            continue
        seconds = float(part.get("seconds", SILENT_SECONDS))
        if "say" in part or "cue" in part:
            seconds = LEAD_SECONDS + _said_seconds(script, part) + TAIL_SECONDS
        end = start + round(seconds * RATE) / RATE
        found[name] = Span(start, end)
        start = end
    return found


def clips(collection: Collection) -> dict[str, Path]:
    """The videos by name, each made once and kept in build/eval/clips until what it is made from changes."""
    if collection.recorded:
        return {name: Path(os.environ["ARCUS_MEDIA"]) / name for name in collection.videos}
    return {name: _clip(name, script) for name, script in collection.videos.items()}


def _clip(name: str, script: Mapping[str, Any]) -> Path:
    folder = BUILD / _digest(name, script)
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".{os.getpid()}-{name}"
        _write(script, unfinished)
        os.replace(unfinished, path)
    return path


def _digest(name: str, script: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps([name, script], ensure_ascii=False).encode())
    voices = [recording(part) for part in script["parts"].values() if "say" in part]
    for source in (*voices, Path(__file__), *(Path(module.__file__ or "") for module in (muxing, scenes, sounds))):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _said_seconds(script: Mapping[str, Any], part: Mapping[str, Any]) -> float:
    if "say" in part:
        return len(_voice(part)) / sounds.RATE
    return len(part["cue"]) / LETTERS_A_SECOND.get(script.get("language", "en"), LATIN_LETTERS_A_SECOND)


def _voice(part: Mapping[str, Any]) -> np.ndarray:
    """int16 [n] at sounds.RATE."""
    return sounds.voice(str(recording(part).with_suffix("")))


def _write(script: Mapping[str, Any], path: Path) -> None:
    when = spans(script)
    parts = [(part, when[name]) for name, part in script["parts"].items()]

    def frames() -> Iterator[tuple[int, np.ndarray]]:
        for part, span in parts:
            still = None if "picture" in part else _picture(part)
            for number in range(round(span.start_time * RATE), round(span.end_time * RATE)):
                moving = scenes.landscape(part.get("picture", 0), number / RATE, SIZE) if still is None else still
                yield 1000 * number // RATE, moving

    is_matroska = script.get("format") == "mkv"
    tracks: list[muxing.Track] = [
        Pictures("libx264", frames(), numbered.REORDERED | {"g": "25", "crf": "23"}, rate=RATE)
    ]
    if any("say" in part or "sound" in part for part, _ in parts):
        tracks.append(Sound("aac", _sound(parts)[None], coded_rate=44_100))
    cues = [
        (round(1000 * (span.start_time + LEAD_SECONDS)), round(1000 * (span.end_time - TAIL_SECONDS)), part["cue"])
        for part, span in parts
        if "cue" in part
    ]
    if cues:
        tracks.append(Subtitles("srt" if is_matroska else "mov_text", cues))
    muxing.write(path, *tracks, format="matroska" if is_matroska else "mp4")


def _sound(parts: list[tuple[Mapping[str, Any], Span]]) -> np.ndarray:
    samples = np.zeros(round(parts[-1][1].end_time * sounds.RATE), np.int16)
    for part, span in parts:
        first, seconds = round(span.start_time * sounds.RATE), span.end_time - span.start_time
        if "say" in part:
            first, heard = first + round(LEAD_SECONDS * sounds.RATE), _voice(part)
        elif "sound" in part:
            heard = sounds.tune(seconds, sounds.RATE)[0] if part["sound"] == "tune" else sounds.noise(seconds)
        else:
            continue
        samples[first : first + len(heard)] = heard
    return samples


def _picture(part: Mapping[str, Any]) -> np.ndarray:
    """uint8 [height, width, 3]."""
    if "table" in part:
        return _table(part["title"], part["table"])
    if "bars" in part:
        return _bars(part["title"], part["bars"])
    if "code" in part:
        return _code(part["code"])
    if "title" in part:
        return scenes.slide(part["title"], tuple(map(str, part.get("lines", ()))), SIZE)
    return np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)


def _page(background: str, title: str = "") -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", SIZE, background)
    draw = ImageDraw.Draw(image)
    draw.text((46, 30), title, font=ImageFont.load_default(36), fill="#102040")
    return image, draw


def _table(title: str, rows: list[list[Any]]) -> np.ndarray:
    image, draw = _page("#fdfdf8", title)
    width = (SIZE[0] - 92) / max(map(len, rows))
    for number, row in enumerate(rows):
        top = 100 + 46 * number
        draw.line((46, top + 40, SIZE[0] - 46, top + 40), fill="#a0a0a0")
        for column, cell in enumerate(row):
            colour = "#703020" if number == 0 else "#202020"
            draw.text((50 + width * column, top), str(cell), font=ImageFont.load_default(27), fill=colour)
    return np.asarray(image)


def _bars(title: str, bars: Mapping[str, float]) -> np.ndarray:
    """A column for each label, its value above it and its label below."""
    image, draw = _page("white", title)
    width, bottom = (SIZE[0] - 92) / len(bars), 380
    for number, (label, value) in enumerate(bars.items()):
        left = 46 + width * number
        top = bottom - 230 * value / max(bars.values())
        draw.rectangle((left + width * 0.2, top, left + width * 0.8, bottom), fill="#4a7fb5")
        for text, height in ((str(value), top - 32), (str(label), bottom + 6)):
            font = ImageFont.load_default(25)
            draw.text(
                (left + width / 2 - draw.textlength(text, font=font) / 2, height), text, font=font, fill="#202020"
            )
    return np.asarray(image)


def _code(lines: list[str]) -> np.ndarray:
    image, draw = _page("#1e1e24")
    for number, line in enumerate(lines):
        place = (46 + 14 * (len(line) - len(line.lstrip())), 40 + 44 * number)
        draw.text(place, line.lstrip(), font=ImageFont.load_default(28), fill="#e8e8e8")
    return np.asarray(image)
