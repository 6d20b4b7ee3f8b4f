"""The media whose hearing and seeing is measured, with their truth.

One set is made (`tests.media`) and always there; the other are the real recordings that ARCUS_MEDIA names.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.cli.demo import EXAMPLE
from tests.media import NAMES, clip, damage, recordings, scenes, sounds, talks

LECTURE: list[dict[str, Any]] = json.loads((EXAMPLE.parent / "lecture.json").read_text())


@dataclass(frozen=True)
class Cuts:
    """Where shots begin, in seconds, but for the first; how near is near enough; and from where on there is no truth."""

    seconds: tuple[float, ...]
    tolerance: float = 0.5
    known_until: float = float("inf")


@dataclass(frozen=True)
class MediaSet:
    """All by the names of files. Files of `failing` must fail with that word in the reason; all others must complete."""

    name: str
    paths: dict[str, Path]
    failing: dict[str, str]
    lines: dict[str, list[str]]  # what stands on the screen
    transcripts: dict[str, str]
    reported_only: dict[str, str]  # transcripts that set no target
    cuts: dict[str, Cuts]
    wordless: tuple[str, ...]  # files with music, noise or silence, in which nobody speaks


def media_sets() -> list[MediaSet]:
    """The made set; and that of ARCUS_MEDIA, where it is set."""
    folder = os.environ.get("ARCUS_MEDIA")
    return [made(), *([recorded(Path(folder))] if folder else [])]


def made() -> MediaSet:
    needless = (
        "even.webm",
        "uneven.webm",
        "uneven_vp8.mkv",
        "bt709.webm",
        "clock.mkv",
        "h264.mkv",
        "huge.webm",
        "long.mp4",
    )
    paths = {name: clip(name) for name in NAMES if name not in needless}
    lines = {
        name: [line for part in parts for line in (part.title, *part.lines)] for name, parts in talks.TALKS.items()
    }
    lines[EXAMPLE.name] = [line for chapter in LECTURE for line in (chapter["title"], *chapter["lines"])]
    transcripts = {
        name: " ".join(item.said for item in talks.timed(name)) for name in talks.TALKS if name != "code.mp4"
    }
    transcripts |= {name: recordings.said(name) for name in recordings.SPOKEN}
    return MediaSet(
        "made",
        {**paths, EXAMPLE.name: EXAMPLE},
        failing={name: word if name == "empty.mp4" else "" for name, word in damage.UNREADABLE.items()},
        lines=lines,
        transcripts=transcripts,
        reported_only={"two_speakers.wav": " ".join(sounds.SAID[name] for name in recordings.TWO_SPEAKERS)},
        cuts={
            "shots.webm": Cuts(scenes.SHOTS[1:]),
            "slide_cuts.mp4": Cuts(scenes.SLIDE_CUTS[1:]),
            "fades.mp4": Cuts(scenes.FADES[1:]),
        },
        wordless=("tune.ogg", "moving.avi", "screencast.webm", "shots.webm", "chapters.mkv"),
    )


def recorded(folder: Path) -> MediaSet:
    truth = json.loads((folder / "ground_truth.json").read_text())
    lecture = truth["derived_lecture.mp4"]
    transcribed = ("jfk.flac", "librivox_0870.wav", "librivox_0880.wav", "librivox_0890.wav", "lj050_0131.wav")
    transcripts = {name: truth[name]["transcript"].replace("[exact]", "") for name in transcribed}
    transcripts["derived_lecture.mp4"] = " ".join(item["text"] for item in lecture["speech"])
    return MediaSet(
        "recorded",
        {**{path.name: path for path in sorted(folder.iterdir()) if path.suffix not in (".md", ".json")},
         EXAMPLE.name: EXAMPLE},
        failing={"bad_empty.mp4": "empty", "bad_nostreams.mp4": "stream", "bad_truncated_70pct.mov": ""},
        lines={"derived_lecture.mp4": [line for slide in lecture["slides"] for line in (slide["title"], *slide["lines"])]},
        transcripts=transcripts,
        reported_only={"stereo_two_speakers.wav": truth["stereo_two_speakers.wav"]["transcript"].replace("[exact]", "")},
        cuts={
            "bbb_30s_vp8.webm": Cuts(tuple(truth["bbb_30s_vp8.webm"]["cuts_s"])),
            "slides_lorem_1fps.mp4": Cuts(tuple(truth["slides_lorem_1fps.mp4"]["cuts_s"]), tolerance=1.0),
            # The published truth of PySceneDetect, which covers 500 frames of the first.
            "shots_testvideo.mp4": Cuts(
                tuple(frame * 1001 / 30000 for frame in (15, 198, 377)), known_until=500 * 1001 / 30000
            ),
            "shots_fades.mp4": Cuts((84 / 25, 167 / 25)),
        },
        wordless=("bbb_30s_vp8.webm", "bbb_av1_aac.mp4", "long_363s_black_av1.mp4", "screencast_launching_apps.webm"),
    )  # fmt: skip
