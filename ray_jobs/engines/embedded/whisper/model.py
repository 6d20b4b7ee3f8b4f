"""One window of sound to words with times, by CTranslate2, whose int8 kernels run on any x86-64 or ARM CPU."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from ray_jobs.engines.embedded.whisper.log_mel import FRAMES_PER_SECOND, HOP, SECONDS, log_mel
from ray_jobs.engines.embedded.whisper.words import Piece, TimedToken, pieces
from services.core.engines.speech_model import TOKENIZER, load_weights

MAX_TOKENS = 448
TOKEN_SECONDS = 0.02  # of an alignment: one frame of the encoder
# The thresholds of the model's authors (openai/whisper, transcribe.py) for a window that was not understood.
LEAST_LOG_PROBABILITY = -1.0
NO_SPEECH_PROBABILITY = 0.6
MOST_COMPRESSION = 2.4
CAREFUL_BEAM = 5  # of a second try, where the first was not understood


@dataclass(frozen=True)
class Heard:
    """`language` is an ISO 639-1 code. `is_understood` is False where somebody speaks and the words are not certain."""

    language: str
    words: list[Piece]
    is_understood: bool = True


class WhisperModel:
    """Not to be used by two threads at once. `setup` takes about two seconds; nothing is kept from call to call."""

    def __init__(self, folder: str = "") -> None:
        self._folder = folder
        self._model: Any = None
        self._tokenizer: Any = None
        self._start: list[int] = []
        self._end = 0

    def setup(self) -> None:
        """Raises ENGINE_UNAVAILABLE where there are no weights, or others than they should be."""
        import ctranslate2
        from tokenizers import Tokenizer

        weights = load_weights(self._folder)
        self._tokenizer = Tokenizer.from_buffer(weights.files.pop(TOKENIZER))
        self._model = ctranslate2.models.Whisper(
            "whisper", device="cpu", compute_type="int8", inter_threads=1, intra_threads=1, files=weights.files
        )
        self._end = self._token("<|endoftext|>")

    def hear(self, samples: np.ndarray) -> Heard:
        """Words of mono int16 [n] at 16 kHz, n of at most 30 seconds, with times from its beginning."""
        import ctranslate2

        sound = self._model.encode(ctranslate2.StorageView.from_array(log_mel(samples)[None]))
        language = self._language(sound)
        control = ["<|startoftranscript|>"]
        if self._model.is_multilingual:
            control += [f"<|{language}|>", "<|transcribe|>"]
        start = [self._token(name) for name in control]
        is_speech, ids = self._written(sound, start, 1)
        if is_speech and ids is None:
            is_speech, ids = self._written(sound, start, CAREFUL_BEAM)
        if not is_speech or ids == []:
            return Heard(language, [])
        if ids is None:
            return Heard(language, [], is_understood=False)
        seconds = min(len(samples) / FRAMES_PER_SECOND / HOP, SECONDS)
        return Heard(language, pieces(self._timed(sound, start, ids, seconds), self._decode, language))

    def _language(self, sound: Any) -> str:
        if not self._model.is_multilingual:
            return "en"
        (likely,) = self._model.detect_language(sound)
        return likely[0][0].strip("<|>")

    def _written(self, sound: Any, start: list[int], beam: int) -> tuple[bool, list[int] | None]:
        """(whether somebody speaks, the tokens of the text or None where they are not to be trusted)."""
        (result,) = self._model.generate(
            sound,
            [[*start, self._token("<|notimestamps|>")]],
            beam_size=beam,
            max_length=MAX_TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
        )
        ids = [id for id in result.sequences_ids[0] if id < self._end]
        is_likely = result.scores[0] >= LEAST_LOG_PROBABILITY
        if result.no_speech_prob > NO_SPEECH_PROBABILITY and not is_likely:
            return False, []
        text = self._decode(ids).strip().encode()
        repeats = len(text) / len(zlib.compress(text)) > MOST_COMPRESSION if text else False
        return True, ids if is_likely and not repeats else None

    def _timed(self, sound: Any, start: list[int], ids: list[int], seconds: float) -> list[TimedToken]:
        """Each token with its time, from the decoder's attention (Radford et al. 2022; dynamic time warping)."""
        (aligned,) = self._model.align(sound, start, [ids], max(1, round(seconds * FRAMES_PER_SECOND)))
        begun: dict[int, int] = {}
        last = 0
        for token, frame in aligned.alignments:
            begun.setdefault(token, frame)
            last = frame + 1
        starts = [begun.get(index, last) * TOKEN_SECONDS for index in range(len(ids))]
        ends = [*starts[1:], begun.get(len(ids), last) * TOKEN_SECONDS]
        return [
            TimedToken(id, min(begin, seconds), min(max(begin, end), seconds))
            for id, begin, end in zip(ids, starts, ends, strict=True)
        ]

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True)

    def _token(self, name: str) -> int:
        return self._tokenizer.token_to_id(name)
