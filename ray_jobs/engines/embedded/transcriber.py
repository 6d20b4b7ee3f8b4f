"""Speech to text with PocketSphinx, whose English model is inside its wheel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from ray_jobs.engines.embedded.voice import VoiceDetector, utterances
from services.core.errors import ArcusError, Reason, invalid
from services.core.media import Span, Speech, Word

SAMPLE_RATE = 16_000
MAX_STATES = 5000  # live in one frame; the default of 30000 costs a fifth more for the same words (measured)
_Timed = TypeVar("_Timed", Word, Speech)


class EmbeddedTranscriber:
    """English words with times. One instance decodes one call at a time; `setup` takes about half a second."""

    def __init__(self, max_utterance_seconds: float = 15.0) -> None:
        self._max_utterance_seconds = max_utterance_seconds
        self._voice = VoiceDetector()
        self._decoder: Any = None

    def setup(self) -> None:
        import pocketsphinx

        self._voice.setup()
        self._decoder = pocketsphinx.Decoder(samprate=SAMPLE_RATE, cmn="batch", maxhmmpf=MAX_STATES, loglevel="FATAL")

    def transcribe(
        self, samples: np.ndarray, sample_rate: int = SAMPLE_RATE, offset_seconds: float = 0.0
    ) -> tuple[Speech, ...]:
        """Utterances of mono int16 [n]; `offset_seconds` is where the first sample lies in the file.

        Raises ArcusError where the samples are not int16 [n] or `setup` was not called.
        """
        if self._decoder is None:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The transcriber is not set up: call setup() first.")
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise invalid("Give the audio as int16 samples of one channel.", field="samples")
        if sample_rate != SAMPLE_RATE:
            samples = resampled(samples, sample_rate)
        # Else the estimate of noise that earlier audio left, perhaps another tenant's, changes the words of this one.
        self._decoder.reinit_feat()
        speech = []
        for start, end in utterances(samples, self._voice.probabilities(samples), self._max_utterance_seconds):
            words = self._decode(samples[start:end], offset_seconds + start / SAMPLE_RATE)
            if words:
                text = " ".join(word.word for word in words)
                speech.append(Speech(text, words[0].start_time, words[-1].end_time, words=words))
        return tuple(speech)

    def _decode(self, samples: np.ndarray, offset_seconds: float) -> tuple[Word, ...]:
        decoder = self._decoder
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), full_utt=True)
        decoder.end_utt()
        words = []
        for part in decoder.seg() or ():
            if part.word[0] in "<[":
                continue
            start, end = part.start_frame / 100, (part.end_frame + 1) / 100
            words.append(Word(part.word.split("(")[0], offset_seconds + start, offset_seconds + end))
        return tuple(words)


def within(span: Span, speech: Iterable[Speech]) -> tuple[Speech, ...]:
    """The words whose middle lies inside the span, their times clipped to it.

    An utterance without word times goes by its own middle.
    """
    kept = []
    for utterance in speech:
        words = tuple(_clipped(span, word) for word in utterance.words if _inside(span, word))
        if words and len(words) < len(utterance.words):
            text = " ".join(word.word for word in words)
            kept.append(
                replace(utterance, text=text, start_time=words[0].start_time, end_time=words[-1].end_time, words=words)
            )
        elif words or (not utterance.words and _inside(span, utterance)):
            kept.append(replace(_clipped(span, utterance), words=words))
    return tuple(kept)


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
