"""What has come of one answer, event by event, and whether that is what should have come."""

from __future__ import annotations

from typing import Any

from loadtests.load.generator import Clock, RefusedError, WrongAnswerError
from loadtests.load.outcomes import Outcome

DELTA, LAST = "response.output_text.delta", ("response.completed", "response.failed", "response.incomplete")
STOPPING = "server_stopping"
REFUSED_IN_STREAM = ("limit_exceeded", "engine_unavailable", "storage_unavailable", STOPPING)


class Heard:
    """What has come of an answer: numbers without a gap or a repeat, one last event, and the words that were asked for."""

    def __init__(self, outcome: Outcome, clock: Clock) -> None:
        self._outcome = outcome
        self._clock = clock
        self._texts: list[str] = []
        self._last = ""
        self._error = ""
        self._token_at: float | None = None
        self.count = 0

    def take(self, event: dict[str, Any]) -> None:
        now = self._clock()
        if self._outcome.first_event_seconds is None:
            self._outcome.first_event_seconds = now
        if event["sequence_number"] != self.count:
            raise WrongAnswerError(f"event {event['sequence_number']} comes where {self.count} is due")
        if self._last:
            raise WrongAnswerError(f"{event['type']} comes after {self._last}")
        self.count += 1
        if event["type"] == DELTA:
            self._texts.append(event["delta"])
            if self._token_at is None:
                self._outcome.first_token_seconds = now
            else:
                self._outcome.gaps.append(now - self._token_at)
            self._token_at = now
        elif event["type"] in LAST:
            self._last = event["type"]
        elif event["type"] == "error":
            self._error = event["code"]

    @property
    def has_ended(self) -> bool:
        return bool(self._last)

    def check(self, words: list[str]) -> None:
        if self._error in REFUSED_IN_STREAM and not self._texts:  # what has begun has been taken in
            raise RefusedError(self._error)
        if not self._last and not self._error:  # a stream that was cut is an error of the client's library
            raise WrongAnswerError(f"the answer ended without a last event, after {self.count} events")
        if self._last != "response.completed":
            raise RuntimeError(f"the answer ended with {self._last or self._error} after {self.count} events")
        told = [word for word in "".join(self._texts).split() if not word.startswith("[")]
        self._outcome.tokens = len(told)
        if told != words:
            raise WrongAnswerError(
                f"{len(told)} words of {len(words)}, {sum(word != words[0] for word in told)} of others"
            )
