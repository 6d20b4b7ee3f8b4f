"""Function calls of a model that knows only text: the grammar that it must write them in, and how they are read.

The form is Hermes' (NousResearch/Hermes-Function-Calling), which Qwen and others are trained on; guided decoding holds any
other model to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ray_jobs.engines.language.model import Call, Tool

OPEN = "<tool_call>"
END = "}\n</tool_call>"
_BEGIN = re.compile(r'<tool_call>\n\{"name": ("(?:[^"\\]|\\.)*"), "arguments": ')
_COMPACT = {"x-guidance": {"whitespace_flexible": False}}


def begin(name: str) -> str:
    return f'{OPEN}\n{{"name": {json.dumps(name)}, "arguments": '


def written(call: Call) -> str:
    """A call of an earlier turn, as the model wrote it."""
    return begin(call.name) + call.arguments + END


def explanation(tools: Sequence[Tool]) -> str:
    """What a prompt must say for the tools to be used."""
    offered = "\n".join(
        json.dumps({"name": tool.name, "description": tool.description, "parameters": tool.parameters})
        for tool in tools
    )
    return (
        f"You may call functions instead of answering. The functions, one JSON object a line:\n<tools>\n{offered}\n</tools>\n"
        f'To call one, write\n{OPEN}\n{{"name": NAME, "arguments": OBJECT}}\n</tool_call>\nand nothing after the last call.'
    )


def guidance(
    tools: Sequence[Tool], choice: str, *, is_token: bool = False, schema: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Arguments of vLLM's StructuredOutputsParams: a grammar in llguidance's Lark (its docs/syntax.md).

    auto: any text, with calls in it that fit their schemas; else exactly one call, of any tool or of the one named.
    With a schema, auto is either one call or JSON that fits it.
    `is_token`: the model has a token of its own that opens a call.
    """
    chosen = [tool for tool in tools if choice in ("auto", "required", tool.name)]
    opening = OPEN if is_token else json.dumps(OPEN)
    lines = ["%llguidance {}"]
    if choice == "auto" and schema is not None:
        lines += ["start: open body | answer", "open: " + opening]
        lines.append(f"answer: %json {json.dumps(schema | _COMPACT)}")
    elif choice == "auto":
        # Lazy: text ends at the first opening. One with a token ends there by itself.
        lines += ["start: call* TEXT", "TEXT: /(.|\\n)*/", "call: open body"]
        lines += ["open: TEXT " + opening] if is_token else ["open[lazy]: TEXT " + opening]
    else:
        lines += ["start: open body", "open: " + opening]
    lines.append("body: " + " | ".join(f"body{number}" for number in range(len(chosen))))
    for number, tool in enumerate(chosen):
        arguments = json.dumps(tool.parameters | _COMPACT)
        head = json.dumps(begin(tool.name).removeprefix(OPEN))
        lines.append(f"body{number}: {head} arguments{number} {json.dumps(END)}")
        lines.append(f"arguments{number}: %json {arguments}")
    return {"grammar": "\n".join(lines)}


class CallReader:
    """Tells calls from text as both come in pieces; what may be the beginning of a call is held back."""

    def __init__(self, request_id: str) -> None:
        self._stem = re.sub(r"[^A-Za-z0-9]", "", request_id)
        self._held = ""
        self._call: Call | None = None
        self.count = 0

    def read(self, text: str) -> Iterator[str | Call]:
        """Texts, and calls: one with a new id begins, with empty arguments; those with the same id append."""
        self._held += text
        while True:
            if self._call is None:
                start = self._held.find(OPEN)
                if start < 0:
                    yield from self._release(len(self._held) - _overlap(self._held, OPEN))
                    return
                yield from self._release(start)
                match = _BEGIN.match(self._held)
                if match is None:
                    return
                self._call = Call(f"call_{self._stem}_{self.count}", json.loads(match[1]), "")
                self.count += 1
                self._held = self._held[match.end() :]
                yield self._call
            else:
                end = self._held.find(END)
                if end < 0:
                    yield from self._release(len(self._held) - _overlap(self._held, END))
                    return
                yield from self._release(end)
                self._held = self._held[len(END) :]
                self._call = None

    def rest(self) -> Iterator[str | Call]:
        """What was held back, where the model ended."""
        yield from self._release(len(self._held))

    def _release(self, length: int) -> Iterator[str | Call]:
        text, self._held = self._held[:length], self._held[length:]
        if text:
            yield text if self._call is None else Call(self._call.id, self._call.name, text)


def _overlap(text: str, mark: str) -> int:
    """The length of the longest end of the text that begins the mark."""
    return next((size for size in range(min(len(text), len(mark) - 1), 0, -1) if mark.startswith(text[-size:])), 0)
