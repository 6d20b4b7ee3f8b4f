"""A response as a log: entries in, numbered events out, and the response that they add up to.

What is stored is the log's entries; what clients see, over SSE or gRPC, live or replayed, are the events made of them
here. An entry is a piece of the message's text, or a list of a name and its arguments:

    ["created"] ["in_progress"]                            the response begins
    ["message"] ["part"] text… ["text_done"] ["part_done"] the message
    ["message"] ["part", "refusal"] …                      or why there is none in the form that was asked for
    ["citation", number, annotation]                       a source is cited first; number is what the engine calls it
    ["item", item]                                         a query call or function call begins
    ["arguments", index, text] ["arguments_done", index]   what a function is called with
    ["item_done", index, changes]                          an item ends
    ["completed", usage, truncated, at] ["failed", message, code] ["cancelled"]   the last entry
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog

from services.core.errors import WIRE, ArcusError, Reason
from services.nimbus.requests.responses import ResponseRequest

Event = dict[str, Any]
Entry = str | list[Any]
TERMINAL = ("completed", "failed", "cancelled")

log = structlog.get_logger()


def failure_entry(response_id: str, error: BaseException) -> list[Any]:
    """The last entry of a response that failed. What was not expected is logged and not shown."""
    if isinstance(error, ArcusError):
        log.warning("response_failed", response_id=response_id, reason=error.reason, cause=str(error.__cause__))
        return ["failed", error.message, error.reason.lower()]
    log.error("response_failed", response_id=response_id, exc_info=error)
    return ["failed", WIRE[Reason.INTERNAL].message, Reason.INTERNAL.lower()]


def stopping_event(response_id: str, number: int) -> Event:
    """The last event of a stream that this server stops and another goes on with behind `number`, the last one told.

    It is no part of the log: it repeats that number, so that whoever keeps the last one it saw goes on right there.
    """
    message = f"The server is stopping; follow response {response_id} from behind event {number}."
    error = {"message": message, "type": "server_error", "code": Reason.SERVER_STOPPING.lower(), "param": None}
    told = {"sequence_number": number} if number >= 0 else {}
    return {"type": "error", **told, "error": error, "message": message, "code": error["code"], "param": None}


def opening_body(request: ResponseRequest, id: str, created_at: int) -> dict[str, Any]:
    """The response as it begins. `created_at`: Unix seconds."""
    return {
        "id": id,
        "object": "response",
        "status": "in_progress",
        "created_at": created_at,
        "model": request.model,
        "instructions": request.instructions,
        "output": [],
        "usage": None,
        "error": None,
        "completed_at": None,
        "tool_choice": request.tool_choice,
        "tools": list(request.tools),
        "incomplete_details": None,
        "metadata": request.metadata,
        "temperature": request.sampling_temperature,
        "max_output_tokens": request.max_output_tokens,
        "previous_response_id": request.previous_response_id,
        "background": request.background,
        "store": request.store,
        **request.options.told(),
    }


class EventLog:
    """Applies entries in order; the shape is the union of what Cloudglue's and OpenAI's clients read."""

    def __init__(self, body: dict[str, Any]) -> None:
        """`body`: the response as it was created, or as it is now: only what never changes is read of it."""
        self._base = body | {
            "status": "in_progress",
            "output": [],
            "completed_at": None,
            "usage": None,
            "error": None,
            "incomplete_details": None,
        }
        self.id: str = body["id"]
        self._hex = self.id.replace("-", "")
        self._changes: dict[str, Any] = {}
        self._items: list[dict[str, Any]] = []
        self._text: list[str] = []
        self._annotations: list[dict[str, Any]] = []
        self._message_index = -1
        self._part_type = "output_text"
        self._place: dict[str, Any] = {}
        self._item_id = ""
        self.numbers: dict[tuple[int, float], int] = {}  # (the engine's number of a source, start) → the reader's
        self.next_number = 0

    @classmethod
    def replayed(cls, body: dict[str, Any], entries: Iterable[Entry]) -> EventLog:
        """The log as it stands after these entries."""
        log = cls(body)
        for entry in entries:
            log.apply(entry)
        return log

    @property
    def status(self) -> str:
        return self._changes.get("status", "in_progress")

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def body(self) -> dict[str, Any]:
        """The response as these entries leave it."""
        return {**self._base, **self._changes}

    @property
    def message_index(self) -> int | None:
        """The message's place in the output, once there is one."""
        return self._message_index if self._message_index >= 0 else None

    @property
    def text(self) -> str:
        """What the message says so far, or its refusal."""
        return "".join(self._text)

    @property
    def is_refused(self) -> bool:
        return self._part_type == "refusal"

    @property
    def item_count(self) -> int:
        return len(self._items)

    @property
    def calls(self) -> list[tuple[int, dict[str, Any]]]:
        """Function calls so far with their index in the output."""
        return [(index, item) for index, item in enumerate(self._items) if item["type"] == "function_call"]

    def apply(self, entry: Entry) -> Event:
        number = self.next_number
        self.next_number = number + 1
        if isinstance(entry, str):
            self._text.append(entry)
            if self.is_refused:
                return {
                    "type": "response.refusal.delta",
                    "sequence_number": number,
                    **self._place,
                    "delta": entry,
                }
            return {
                "type": "response.output_text.delta",
                "sequence_number": number,
                "item_id": self._item_id,
                "output_index": self._message_index,
                "content_index": 0,
                "delta": entry,
                "logprobs": [],
            }
        name, *arguments = entry
        type, fields = getattr(self, f"_{name}")(*arguments)
        return {"type": type, "sequence_number": number, **fields}

    # Each method below is the entry of its name.

    def _created(self) -> tuple[str, Event]:
        return "response.created", {"response": self.body}

    def _in_progress(self) -> tuple[str, Event]:
        return "response.in_progress", {"response": self.body}

    def _message(self) -> tuple[str, Event]:
        self._item_id, self._message_index = f"msg_{self._hex}", len(self._items)
        self._place = {"item_id": self._item_id, "output_index": self._message_index, "content_index": 0}
        item = {"type": "message", "id": self._item_id, "status": "in_progress", "role": "assistant", "content": []}
        self._items.append(item)
        return "response.output_item.added", {"output_index": self._message_index, "item": dict(item)}

    def _part(self, type: str = "output_text") -> tuple[str, Event]:
        self._part_type = type
        return "response.content_part.added", {**self._place, "part": self._content()}

    def _citation(self, number: int, annotation: dict[str, Any]) -> tuple[str, Event]:
        if "type" in annotation:  # a chat's citations have neither type nor place
            annotation = annotation | {"index": sum(map(len, self._text))}  # where in the text its mark stands
        self._annotations.append(annotation)
        self.numbers[number, annotation["start_time"]] = len(self._annotations)
        index = len(self._annotations) - 1
        fields = {**self._place, "annotation_index": index, "annotation": annotation}
        return "response.output_text.annotation.added", fields

    def _text_done(self) -> tuple[str, Event]:
        if self.is_refused:
            return "response.refusal.done", {**self._place, "refusal": self.text}
        return "response.output_text.done", {**self._place, "text": self.text, "logprobs": []}

    def _part_done(self) -> tuple[str, Event]:
        return "response.content_part.done", {**self._place, "part": self._content()}

    def _item(self, item: dict[str, Any]) -> tuple[str, Event]:
        self._items.append(dict(item))
        return "response.output_item.added", {"output_index": len(self._items) - 1, "item": item}

    def _arguments(self, index: int, delta: str) -> tuple[str, Event]:
        item = self._items[index]
        item["arguments"] += delta
        fields = {"item_id": item["id"], "output_index": index, "delta": delta}
        return "response.function_call_arguments.delta", fields

    def _arguments_done(self, index: int) -> tuple[str, Event]:
        item = self._items[index]
        fields = {"item_id": item["id"], "output_index": index, "name": item["name"], "arguments": item["arguments"]}
        return "response.function_call_arguments.done", fields

    def _item_done(self, index: int, changes: dict[str, Any] | None = None) -> tuple[str, Event]:
        self._items[index] |= {"status": "completed"} | (changes or {})
        return "response.output_item.done", {"output_index": index, "item": self._output()[index]}

    def _completed(self, usage: dict[str, int], truncated: bool, at: int | None = None) -> tuple[str, Event]:
        """`at`: Unix seconds, which earlier versions did not write."""
        self._changes = {
            "status": "completed",
            "completed_at": at,
            "output": self._output(),
            # Cloudglue's clients know no status "incomplete": the reason is told, the status stays completed.
            "incomplete_details": {"reason": "max_output_tokens"} if truncated else None,
            "usage": {
                "input_tokens": usage["input_tokens"],
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": usage["output_tokens"],
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": usage["input_tokens"] + usage["output_tokens"],
            },
        }
        return "response.completed", {"response": self.body}

    def _failed(self, message: str, code: str) -> tuple[str, Event]:
        error = {"message": message, "type": "server_error", "code": code, "param": None}
        self._changes = {"status": "failed", "error": error, "output": self._told()}
        return "error", {"error": error, "message": message, "code": code, "param": None}

    def _cancelled(self) -> tuple[str, Event]:
        self._changes = {"status": "cancelled", "output": self._told()}
        return "response.cancelled", {"response": self.body}

    def _content(self) -> dict[str, Any]:
        if self.is_refused:
            return {"type": "refusal", "refusal": self.text}
        return {"type": "output_text", "text": self.text, "annotations": list(self._annotations)}

    def _output(self) -> list[dict[str, Any]]:
        return [
            {**item, "content": [self._content()]} if index == self._message_index else dict(item)
            for index, item in enumerate(self._items)
        ]

    def _told(self) -> list[dict[str, Any]]:
        """What there is of an answer that was broken off; a message without a word is left out."""
        items = [item | {"status": "incomplete"} if _is_open(item) else item for item in self._output()]
        return [item for item in items if item["type"] != "message" or self._text]


def _is_open(item: dict[str, Any]) -> bool:
    return item.get("status") == "in_progress"
