"""Makes lecture.mp4 and lecture.json, a narrated slide lecture, from lecture.md with the `flite` voice."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import wave
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
WIDTH, HEIGHT, FRAME_RATE, SAMPLE_RATE = 1280, 720, 10, 16_000
LEAD_SECONDS, TAIL_SECONDS = 0.6, 1.0
COLOURS = ["#14304f", "#23402b", "#4a2545", "#5a3312", "#173f46"]


@dataclass(frozen=True)
class Chapter:
    title: str
    lines: tuple[str, ...]
    speech: str


@dataclass(frozen=True)
class Timed:
    """A chapter as it is in the video; times in seconds, the speech inside [speech_start, speech_end)."""

    title: str
    lines: tuple[str, ...]
    speech: str
    start_time: float
    end_time: float
    speech_start: float
    speech_end: float


def chapters(text: str) -> list[Chapter]:
    """Chapters of a text in which `# ` starts a chapter, `- ` a line of its slide, and the rest is said."""
    found = []
    for part in re.split(r"^# ", text, flags=re.MULTILINE)[1:]:
        title, *rest = [line.strip() for line in part.splitlines() if line.strip()]
        lines = tuple(line[2:] for line in rest if line.startswith("- "))
        found.append(Chapter(title, lines, " ".join(line for line in rest if not line.startswith("- "))))
    return found


def slide(chapter: Chapter, colour: str) -> np.ndarray:
    """uint8 [720, 1280, 3] RGB."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "#f6f4ee")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, WIDTH, 170), fill=colour)
    draw.text((80, 50), chapter.title, font=ImageFont.load_default(64), fill="white")
    for row, line in enumerate(chapter.lines):
        top = 260 + 120 * row
        draw.ellipse((84, top + 20, 104, top + 40), fill=colour)
        draw.text((140, top), line, font=ImageFont.load_default(50), fill="#202020")
    return np.asarray(image)


def say(text: str, voice: str = "rms") -> np.ndarray:
    """int16 [n] at 16 kHz, spoken by flite."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = ["flite", "-voice", voice, "--setf", "duration_stretch=1.05", "-t", text, "-o", str(path)]
        subprocess.run(command, check=True, timeout=60)
        with wave.open(str(path)) as sound:
            if (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) != (SAMPLE_RATE, 1, 2):
                raise ValueError(f"The voice {voice} must give 16 kHz mono; choose slt, rms or awb.")
            return np.frombuffer(sound.readframes(sound.getnframes()), np.int16)


def write_video(path: Path, slides: list[tuple[np.ndarray, int]], sound: np.ndarray) -> None:
    """H.264 and AAC; `slides` are (picture, number of frames)."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FRAME_RATE, options={"crf": "23", "preset": "slow"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.gop_size = 10 * FRAME_RATE
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        audio.bit_rate = 64_000
        number = 0
        for picture, count in slides:
            for _ in range(count):
                frame = av.VideoFrame.from_ndarray(picture, "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE)
                container.mux(video.encode(frame))
                number += 1
        container.mux(video.encode(None))
        for first in range(0, len(sound), 1024):
            block = av.AudioFrame.from_ndarray(sound[None, first : first + 1024], "s16", "mono")
            block.sample_rate, block.pts, block.time_base = SAMPLE_RATE, first, Fraction(1, SAMPLE_RATE)
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))


def main() -> None:
    timed: list[Timed] = []
    slides: list[tuple[np.ndarray, int]] = []
    sound: list[np.ndarray] = []
    start = 0.0
    for number, chapter in enumerate(chapters((HERE / "lecture.md").read_text())):
        speech = say(chapter.speech)
        speech_start = start + LEAD_SECONDS
        speech_end = speech_start + len(speech) / SAMPLE_RATE
        frames = round((speech_end + TAIL_SECONDS - start) * FRAME_RATE)
        end = start + frames / FRAME_RATE
        slides.append((slide(chapter, COLOURS[number % len(COLOURS)]), frames))
        block = np.zeros(frames * SAMPLE_RATE // FRAME_RATE, np.int16)
        lead = round(LEAD_SECONDS * SAMPLE_RATE)
        block[lead : lead + len(speech)] = speech
        sound.append(block)
        timed.append(
            Timed(
                chapter.title,
                chapter.lines,
                chapter.speech,
                *(round(time, 2) for time in (start, end, speech_start, speech_end)),
            )
        )
        start = end
    write_video(HERE / "lecture.mp4", slides, np.concatenate(sound))
    (HERE / "lecture.json").write_text(json.dumps([asdict(item) for item in timed], indent=1) + "\n")


if __name__ == "__main__":
    main()
