"""Who speaks: the voices of a whole file are learnt once, and each utterance is given to the one it sounds like.

Nobody is named: voices are told apart within one file and compared with no other file's.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ray_jobs.engines.embedded.transcriber import part_of
from ray_jobs.engines.embedded.voice import CHUNK, CHUNK_SECONDS, VoiceDetector, levels, spoken
from ray_jobs.engines.embedded.voiceprint import DIMENSIONS, WINDOW_SAMPLES, VoiceEncoder, has_weights
from ray_jobs.stages.audio import audio_samples
from services.core.media import MediaInfo, Span, Speech, Word

SAMPLE_RATE = 16_000
REMEMBERED_FILES = 8
# Learnt from a file: all of it, or as much in parts that are evenly spread.
LEARNT_SECONDS, PART_SECONDS = 1_800.0, 60.0
BREATH_CHUNKS = 25  # a longer rest may be another speaker's turn
REST_SECONDS = 0.25  # the same, between words
TURN_SECONDS = 5.0  # of one voice that are looked at as one; longer ones are cut
HOP_SAMPLES = WINDOW_SAMPLES // 2
LEAST_TURN_SECONDS = 1.0  # shorter ones are too little to learn a voice from
LEAST_VOICE_SECONDS = 1.5  # of a voice in the learnt parts, so that a cough is no speaker
# Mean likeness (cosine) of the turns of two groups above which they are of one voice. Mixtures of up to 4 of 5 readers of
# LibriSpeech: all turns right from 0.64 to 0.70, one voice in two from 0.74 on, two in one below 0.60.
SAME_VOICE = 0.67
MAX_SPEAKERS = 20
COMPARED_SECONDS = 300.0  # of two channels, to see whether they are heard apart
# Correlation of the levels of two channels. Stereo recordings of one scene gave 0.98 to 1.00, two who speak at once, each
# on a side, -0.04 to -0.02.
SIDES_CORRELATION = 0.3
Key = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Side:
    """What is listened to by itself: a channel, or the mix of all. `prints`: float32 [k, 256] of unit length, of the voices
    heard there; `numbers`: of their speakers in the file, from 1."""

    channel: int | None = None
    prints: np.ndarray = field(default_factory=lambda: np.zeros((0, DIMENSIONS), np.float32))
    numbers: tuple[int, ...] = ()


MIX = (Side(),)


async def open_speakers() -> Speakers | None:
    """None where the package with the weights is not installed: then nobody is told apart."""
    if not has_weights():
        return None
    speakers = Speakers()
    await speakers.setup()
    return speakers


class Speakers:
    """Learns the voices of files and remembers the last few. Calls wait for each other."""

    def __init__(self) -> None:
        self._encoder = VoiceEncoder()
        self._detector = VoiceDetector()
        self._known: OrderedDict[Key, tuple[Side, ...]] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="speakers")
        self._turn = asyncio.Lock()

    async def setup(self) -> None:
        """Raises ENGINE_UNAVAILABLE where there are no weights."""
        await self._in_thread(self._detector.setup)
        await self._in_thread(self._encoder.setup)

    async def sides(self, key: Key, path: Path, info: MediaInfo) -> tuple[Side, ...]:
        """`key` says whose file this is and which: the tenant and the name of its object.

        Where the file has one voice only, no side has any: nobody is told apart from anybody.
        """
        async with self._turn:
            if key not in self._known:
                self._known[key] = await self._in_thread(self._learnt, path, info)
                if len(self._known) > REMEMBERED_FILES:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]

    async def told(
        self, side: Side, samples: np.ndarray, offset_seconds: float, speech: Sequence[Speech]
    ) -> tuple[Speech, ...]:
        """Utterances of a side with their speakers, "Speaker 1" and so on in the order in which they are first heard.

        One in which the speaker changes, as recognisers that hear no voices write, becomes several.
        `samples`: mono int16 [n] of that side, which begins at `offset_seconds` of the file.
        """
        return await self._in_thread(self._told, side, samples, offset_seconds, speech)

    async def _in_thread(self, call: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)

    def _told(
        self, side: Side, samples: np.ndarray, offset_seconds: float, speech: Sequence[Speech]
    ) -> tuple[Speech, ...]:
        if not side.numbers:
            return tuple(speech)
        found: list[Speech] = []
        for item in speech:
            parts = []
            for part in _breaths(item):
                start, end = (round((time - offset_seconds) * SAMPLE_RATE) for time in (part.start_time, part.end_time))
                nearest = int((side.prints @ self._print(samples, start, end)).argmax())
                parts.append((side.numbers[nearest], part))
            for number, turn in groupby(parts, key=lambda numbered: numbered[0]):
                said = [part for _, part in turn]
                whole = (
                    said[0] if len(said) == 1 else part_of(item, tuple(word for part in said for word in part.words))
                )
                whole = item if len(said) == len(parts) else whole
                found.append(replace(whole, speaker=f"Speaker {number}"))
        return tuple(found)

    def _learnt(self, path: Path, info: MediaInfo) -> tuple[Side, ...]:
        channels = self._channels(path, info)
        voices = [self._voices(path, info, channel) for channel in channels]
        order = np.argsort(np.argsort([start for _, starts in voices for start in starts], kind="stable")) + 1
        if len(order) < 2:
            return tuple(Side(channel) for channel in channels)
        numbers = iter(order.tolist())
        return tuple(
            Side(channel, prints, tuple(next(numbers) for _ in starts))
            for channel, (prints, starts) in zip(channels, voices, strict=True)
        )

    def _voices(self, path: Path, info: MediaInfo, channel: int | None) -> tuple[np.ndarray, list[float]]:
        """(prints of the voices on a channel, when each is first heard)."""
        turns: list[tuple[float, float]] = []
        prints: list[np.ndarray] = []
        for span in _learnt_spans(info.duration_seconds):
            samples = audio_samples(path, info, span.start_time, span.end_time, SAMPLE_RATE, channel)
            for start, end in self._turns(samples):
                turns.append((span.start_time + start / SAMPLE_RATE, (end - start) / SAMPLE_RATE))
                prints.append(self._print(samples, start, end))
        return _grouped(np.stack(prints), np.array(turns)) if prints else (Side().prints, [])

    def _channels(self, path: Path, info: MediaInfo) -> tuple[int | None, ...]:
        """The two where each has voices of its own, as recorded calls do; else the mix."""
        if info.channels != 2:
            return (None,)
        end = min(info.duration_seconds, COMPARED_SECONDS)
        heard = [audio_samples(path, info, 0.0, end, SAMPLE_RATE, channel) for channel in (0, 1)]
        count = min(map(len, heard)) // CHUNK
        voiced = np.zeros((2, count), bool)
        for channel, samples in enumerate(heard):
            for start, stop in spoken(self._detector.probabilities(samples)[:count]):
                voiced[channel, start:stop] = True
        if voiced.sum(axis=1).min() * CHUNK_SECONDS < LEAST_TURN_SECONDS:
            return (None,)
        left, right = (levels(side[: count * CHUNK].reshape(-1, CHUNK))[voiced.any(axis=0)] for side in heard)
        return (0, 1) if np.corrcoef(left, right)[0, 1] < SIDES_CORRELATION else (None,)

    def _turns(self, samples: np.ndarray) -> Iterator[tuple[int, int]]:
        """Ranges of samples in which somebody speaks without a rest."""
        for start, end in spoken(self._detector.probabilities(samples), BREATH_CHUNKS):
            edges = np.linspace(start, end, 1 + int(np.ceil((end - start) * CHUNK_SECONDS / TURN_SECONDS)))
            for begin, stop in pairwise(edges):
                yield int(begin) * CHUNK, int(stop) * CHUNK

    def _print(self, samples: np.ndarray, start: int, end: int) -> np.ndarray:
        """float32 [256] of unit length: of the sound between two samples."""
        rest = end - start - WINDOW_SAMPLES
        first = [start + rest // 2] if rest <= 0 else np.linspace(start, end - WINDOW_SAMPLES, 2 + rest // HOP_SAMPLES)
        prints = self._encoder.encode(samples, [int(at) for at in first])
        return _mean(prints, np.ones(len(prints), np.float32))


def _learnt_spans(duration_seconds: float) -> list[Span]:
    if duration_seconds <= LEARNT_SECONDS:
        starts = np.arange(0.0, duration_seconds, PART_SECONDS)
    else:
        parts = int(LEARNT_SECONDS / PART_SECONDS)
        starts = duration_seconds / parts * np.arange(parts)
    return [Span(float(start), min(float(start) + PART_SECONDS, duration_seconds)) for start in starts]


def _breaths(utterance: Speech) -> list[Speech]:
    """The utterance in parts between rests, none so short that its voice could not be told."""
    parts: list[list[Word]] = []
    for word in utterance.words:
        rests = parts and word.start_time - parts[-1][-1].end_time >= REST_SECONDS
        if not parts or (rests and word.start_time - parts[-1][0].start_time >= LEAST_TURN_SECONDS):
            parts.append([])
        parts[-1].append(word)
    if len(parts) > 1 and parts[-1][-1].end_time - parts[-1][0].start_time < LEAST_TURN_SECONDS:
        parts[-2:] = [parts[-2] + parts[-1]]
    return [part_of(utterance, tuple(part)) for part in parts] if len(parts) > 1 else [utterance]


def _grouped(prints: np.ndarray, turns: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """(mean prints of the voices, when each is first heard) of turns: prints [n, 256], (start, seconds) [n, 2]."""
    from scipy.cluster.hierarchy import fcluster, linkage

    starts, seconds = turns.T
    long = np.flatnonzero(seconds >= LEAST_TURN_SECONDS)
    if not len(long):
        long = np.arange(len(prints))
    groups = np.zeros(len(long), int)
    if len(long) > 1:
        groups = fcluster(linkage(prints[long], "average", metric="cosine"), 1 - SAME_VOICE, "distance")
    weights = {group: float(seconds[long][groups == group].sum()) for group in np.unique(groups)}
    lasting = sorted(weights, key=lambda group: -weights[group])[:MAX_SPEAKERS]
    kept = [group for group in lasting if weights[group] >= LEAST_VOICE_SECONDS] or lasting[:1]
    means = np.stack([_mean(prints[long][groups == group], seconds[long][groups == group]) for group in kept])
    return means, [float(starts[long][groups == group].min()) for group in kept]


def _mean(prints: np.ndarray, weights: np.ndarray) -> np.ndarray:
    mean = weights @ prints
    return (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)
