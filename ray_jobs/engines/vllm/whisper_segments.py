"""Where in a window of a recording the words lie that Whisper wrote for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.core.media import Speech

TIMESTAMP_SECONDS = 0.02


@dataclass(frozen=True)
class WhisperTokens:
    """The ids that matter. `decode`: text of ordinary tokens."""

    first_timestamp: int
    end: int
    decode: Callable[[list[int]], str]


def segments(token_ids: Sequence[int], tokens: WhisperTokens, start_time: float, end_time: float) -> list[Speech]:
    """What was said between the timestamps of one window that lies from start_time to end_time in the file.

    Whatever the model wrote, segments come in order, do not overlap and lie inside the window. Text before the first
    timestamp begins with the window; text behind the last one ends with it.
    """
    found: list[Speech] = []
    words: list[int] = []
    begun = start_time

    def close(ended: float) -> None:
        text = " ".join(tokens.decode(words).split())
        words.clear()
        if text and ended > begun:
            found.append(Speech(text, begun, ended))

    for token in token_ids:
        if token >= tokens.first_timestamp:
            told = start_time + (token - tokens.first_timestamp) * TIMESTAMP_SECONDS
            time = min(max(told, begun), end_time)
            close(time)
            begun = time
        elif token < tokens.end:  # the rest are control tokens
            words.append(token)
    close(end_time)
    return found
