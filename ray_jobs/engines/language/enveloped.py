"""An answer in JSON and the sources that it rests on, in one object: asked for together, told apart as it streams."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from ray_jobs.engines.language.guides import guide
from ray_jobs.engines.language.json_answers import UnusableAnswerError, object_schema

MAX_HEAD = 200  # characters before the answer
MAX_CITED = 8
_HEAD = re.compile(r'\s*\{\s*"answer"\s*:\s*(?=\{)')


def envelope(schema: dict[str, Any], numbers: Iterable[int]) -> dict[str, Any]:
    """JSON schema of {"answer": …, "sources": […]}. `schema`: of an object, with references resolved, or {} for any."""
    answer = guide(schema) if schema else {"type": "object"}
    known = sorted(set(numbers))
    cited = {"type": "array", "items": {"enum": known}, "maxItems": MAX_CITED}
    return object_schema(answer=answer, **({"sources": cited} if known else {}))


class EnvelopeReader:
    """Takes the envelope in pieces, and gives back the answer's own text."""

    def __init__(self) -> None:
        self._head: str | None = ""  # None: the answer has begun
        self._depth = 0
        self._in_string = self._is_escaped = False
        self._tail: str | None = None  # what stands behind the answer, once it has ended
        self.answer = ""

    @property
    def has_begun(self) -> bool:
        return self._head is None

    def read(self, text: str) -> str:
        """What it adds to the answer. Raises UnusableAnswerError where it is no envelope."""
        if self._head is not None:
            text = self._head + text
            match = _HEAD.match(text)
            if match is None:
                self._head = text
                if len(text) > MAX_HEAD:
                    raise UnusableAnswerError("it is not in the form that was asked for")
                return ""
            self._head, text = None, text[match.end() :]
        passed = ""
        for place, character in enumerate(text):
            if self._tail is not None:
                self._tail += text[place:]
                break
            passed += self._taken(character)
        self.answer += passed
        return passed

    def sources(self) -> list[int]:
        """The numbers that stand behind the answer; none where it was cut off before them."""
        try:
            rest = json.loads('{"answer": 0' + (self._tail or ""))
        except ValueError:
            return []
        return [number for number in rest.get("sources", ()) if isinstance(number, int)]

    def _taken(self, character: str) -> str:
        """As it stands in the answer: a guided model may write control characters into strings as they are."""
        if self._in_string:
            if self._is_escaped:
                self._is_escaped = False
            elif character == "\\":
                self._is_escaped = True
            elif character == '"':
                self._in_string = False
            return json.dumps(character)[1:-1] if character < " " else character
        if character == '"':
            self._in_string = True
        elif character in "{[":
            self._depth += 1
        elif character in "}]":
            self._depth -= 1
            if self._depth == 0:
                self._tail = ""
        return character
