"""A thousand damaged clips go through every stage that reads files: each is understood, or refused with a reason for people.

Seeded: a failure names the clip and the number of the damage, and `damaged(clip, number)` makes it again.
"""

from __future__ import annotations

import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np

from ray_jobs.stages.audio import audio_samples
from ray_jobs.stages.decode import decode_frames
from ray_jobs.stages.probe import ProbeLimits, probe
from ray_jobs.stages.shots import detect_shots
from ray_jobs.stages.subtitles import text_tracks
from ray_jobs.stages.thumbnails import thumbnail_jpeg
from services.core.errors import ArcusError, Reason
from services.core.media import ShotDetectorConfig
from tests.media import sounds
from tests.media.muxing import Pictures, Sound, Subtitles, write

COUNT, TOGETHER = 1000, 50
HUNG_SECONDS = 240  # for a batch that takes about two, on a machine with nothing else to do

FRAMES = [(40 * n, np.full((48, 64, 3), (n * 20 % 255, 90, 120), np.uint8)) for n in range(12)]
TONE = Sound("aac", sounds.tone(440, 0.5, 44_100)[None], 44_100)
X264 = Pictures("libx264", FRAMES, {"preset": "ultrafast", "bf": "2", "g": "6"})
CUES = Subtitles("srt", [(0, 200, "one <i>two</i>"), (200, 400, "three")])
CLIPS = {
    "mp4": ("mp4", X264, TONE),
    "mkv": ("matroska", Pictures("libvpx", FRAMES, {"deadline": "realtime"}), TONE, CUES),
    "ts": ("mpegts", X264, TONE),
    "mpg": ("mpeg", Pictures("mpeg1video", FRAMES, clock=Fraction(1, 25))),
    "avi": ("avi", Pictures("mjpeg", FRAMES, pixel_format="yuvj420p", clock=Fraction(1, 25))),
    "flv": ("flv", X264, TONE),
    "h264": ("h264", X264),
    "mp3": ("mp3", Sound("libmp3lame", sounds.tone(440, 0.5, 44_100)[None], 44_100)),
    "aac": ("adts", TONE),
    "ogg": ("ogg", Sound("libopus", sounds.tone(440, 0.5, 48_000)[None], 48_000)),
}  # fmt: skip


def damaged(data: bytes, number: int) -> bytes:
    """Bytes changed, taken out, doubled or cut off, most of them near the start, where headers are."""
    chance = random.Random(number)
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        reach = chance.choice((64, 1024, len(changed)))
        at = chance.randrange(min(reach, len(changed)))
        kind = chance.randrange(6)
        if kind < 3:
            changed[at] = chance.choice((0, 0xFF, chance.randrange(256), changed[at] ^ 1 << chance.randrange(8)))
        elif kind == 3:
            del changed[at : at + chance.randrange(1, 32)]
        elif kind == 4:
            changed[at:at] = changed[at : at + chance.randrange(1, 64)]
        elif len(changed) > 64:
            del changed[chance.randrange(32, len(changed)) :]
    return bytes(changed)


def understood(path: Path) -> None:
    """What ingest does of a file, but for recognising. Raises ArcusError where it would tell a person why not."""
    info = probe(path, ProbeLimits(max_duration_seconds=60))
    if info.has_audio:
        audio_samples(path, info, 0.0, min(2.0, info.duration_seconds))
    if info.has_subtitles:
        text_tracks(path, info.duration_seconds)
    if info.media_type == "video":
        frames = decode_frames(path, info, [0.0, info.duration_seconds / 2], 64)
        thumbnail_jpeg(frames.images[0])
        detect_shots(path, info, ShotDetectorConfig())


def problems(folder: str, name: str, numbers: list[int]) -> list[str]:
    """What went wrong with each of a clip's damages, where anything did."""
    found = []
    source = (Path(folder) / name).read_bytes()
    path = Path(folder) / f"{name}-{numbers[0]}"
    for number in numbers:
        path.write_bytes(damaged(source, number))
        try:
            understood(path)
        except ArcusError as error:
            if error.reason is Reason.INTERNAL or len(error.message) < 20:
                found.append(f"{name} {number}: {error.message}")
        except Exception as error:
            found.append(f"{name} {number}: {error!r}")
    path.unlink()
    return found


def test_no_damage_ends_in_an_internal_error_a_crash_or_a_hang(tmp_path: Path):
    numbers = {name: [] for name in CLIPS}
    for number in range(COUNT):
        numbers[list(CLIPS)[number % len(CLIPS)]].append(number)
    for name, (format, *tracks) in CLIPS.items():
        understood(write(tmp_path / name, *tracks, format=format))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        batches = [
            pool.submit(problems, str(tmp_path), name, of_clip[first : first + TOGETHER])
            for name, of_clip in numbers.items()
            for first in range(0, len(of_clip), TOGETHER)
        ]
        try:
            found = [problem for batch in batches for problem in batch.result(timeout=HUNG_SECONDS)]
        except TimeoutError:
            for process in list(pool._processes.values()):
                process.kill()
            raise
    assert found == []
