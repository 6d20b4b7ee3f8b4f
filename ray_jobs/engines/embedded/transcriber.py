"""Speech to text with Whisper base, whose weights two packages carry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ray_jobs.engines.embedded.voice import CHUNK_SECONDS, VoiceDetector, spoken, utterances
from ray_jobs.engines.embedded.whisper.model import WhisperModel
from ray_jobs.engines.embedded.whisper.words import Piece
from ray_jobs.engines.embedded.whisper.words import utterances as sentences
from services.core.errors import ArcusError, Reason, invalid
from services.core.media import Span, Speech, Word

SAMPLE_RATE = 16_000
WINDOW_SECONDS = 28.0  # of the 30 that Whisper hears at once
BREATH_CHUNKS = 15  # a shorter rest lies inside a word
_Timed = TypeVar("_Timed", Word, Speech)


class EmbeddedTranscriber:
    """Words with times, in a hundred languages. One call at a time; `setup` takes about two seconds.

    `folder` has another Whisper in CTranslate2's form; without it the packages' are used.
    """

    def __init__(self, folder: str = "") -> None:
        self._voice = VoiceDetector()
        self._model = WhisperModel(folder)
        self._is_ready = False

    def setup(self) -> None:
        """Raises ENGINE_UNAVAILABLE where there are no weights."""
        self._voice.setup()
        self._model.setup()
        self._is_ready = True

    def transcribe(
        self, samples: np.ndarray, sample_rate: int = SAMPLE_RATE, offset_seconds: float = 0.0
    ) -> tuple[Speech, ...]:
        """Utterances of mono int16 [n]; `offset_seconds` is where the first sample lies in the file.

        What was said and not understood is an utterance without text. Raises ArcusError where the samples are not
        int16 [n] or `setup` was not called.
        """
        if not self._is_ready:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The transcriber is not set up: call setup() first.")
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise invalid("Give the audio as int16 samples of one channel.", field="samples")
        if sample_rate != SAMPLE_RATE:
            samples = resampled(samples, sample_rate)
        probabilities = self._voice.probabilities(samples)
        voiced = [
            Span(start * CHUNK_SECONDS, end * CHUNK_SECONDS) for start, end in spoken(probabilities, BREATH_CHUNKS)
        ]
        found: list[Speech] = []
        for start, end in joined(utterances(samples, probabilities, WINDOW_SECONDS), SAMPLE_RATE, WINDOW_SECONDS):
            begin = start / SAMPLE_RATE
            heard = self._model.hear(samples[start:end])
            words = [_voiced(word, begin, voiced) for word in heard.words]
            found += sentences([_moved(word, offset_seconds) for word in words])
            if not heard.is_understood:
                found.append(Speech("", offset_seconds + begin, offset_seconds + end / SAMPLE_RATE))
        return tuple(found)


def joined(utterances: Iterable[tuple[int, int]], sample_rate: int, window_seconds: float) -> list[tuple[int, int]]:
    """Ranges of samples of at most a window, each from the start of one utterance to the end of another.

    Utterances are shorter than a window, so that no word is cut.
    """
    limit = int(window_seconds * sample_rate)
    windows: list[tuple[int, int]] = []
    for start, end in utterances:
        if windows and end - windows[-1][0] <= limit:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((start, end))
    return windows


def _voiced(word: Piece, begin: float, voiced: list[Span]) -> Piece:
    """The word in seconds of the recording, without the rest before or after it that the alignment gives to it."""
    start, end = begin + word.start_time, begin + word.end_time
    most = max(voiced, key=lambda span: min(end, span.end_time) - max(start, span.start_time), default=None)
    if most is not None and min(end, most.end_time) > max(start, most.start_time):
        start, end = max(start, most.start_time), min(end, most.end_time)
    return Piece(word.text, start, end)


def _moved(word: Piece, seconds: float) -> Piece:
    return Piece(word.text, round(word.start_time + seconds, 3), round(word.end_time + seconds, 3))


def within(span: Span, speech: Iterable[Speech]) -> tuple[Speech, ...]:
    """The words whose middle lies inside the span, their times clipped to it.

    An utterance without word times goes by its own middle.
    """
    kept = []
    for utterance in speech:
        words = tuple(_clipped(span, word) for word in utterance.words if _inside(span, word))
        if words and len(words) < len(utterance.words):
            kept.append(part_of(utterance, words))
        elif words or (not utterance.words and _inside(span, utterance)):
            kept.append(replace(_clipped(span, utterance), words=words))
    return tuple(kept)


def part_of(utterance: Speech, words: tuple[Word, ...]) -> Speech:
    """The utterance with some of its words only, from the first to the last of them."""
    # Some languages are written without blanks.
    blank = " " if len(utterance.text) > sum(len(word.word) for word in utterance.words) else ""
    text = blank.join(word.word for word in words)
    return replace(utterance, text=text, start_time=words[0].start_time, end_time=words[-1].end_time, words=words)


def _inside(span: Span, item: Word | Speech) -> bool:
    return span.start_time <= (item.start_time + item.end_time) / 2 < span.end_time


def _clipped(span: Span, item: _Timed) -> _Timed:
    return replace(item, start_time=max(span.start_time, item.start_time), end_time=min(span.end_time, item.end_time))


def resampled(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """int16 [n] at `sample_rate` as int16 at 16 kHz."""
    import av

    if not 1_000 <= sample_rate <= 384_000:
        raise invalid("The sample rate must lie between 1000 and 384000 Hz.", field="sample_rate")
    frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
    frame.sample_rate = sample_rate
    resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
    parts = [part.to_ndarray()[0] for source in (frame, None) for part in resampler.resample(source)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)
