"""The numbered events of a response, and the response that they add up to."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from services.nimbus.requests import ResponseRequest

Event = dict[str, Any]
TERMINAL = ("completed", "failed", "cancelled")


class EventLog:
    """Makes the events of one response, in order. The shape is the union of what Cloudglue's and OpenAI's clients read."""

    def __init__(self, request: ResponseRequest, created_at: int) -> None:
        self.id = str(uuid4())
        self._item_id = f"msg_{self.id.replace('-', '')}"
        self._sequence_number = -1
        self._text: list[str] = []
        self._annotations: list[dict[str, Any]] = []
        self._place = {"item_id": self._item_id, "output_index": 0, "content_index": 0}
        self.body: dict[str, Any] = {
            "id": self.id,
            "object": "response",
            "status": "in_progress",
            "created_at": created_at,
            "model": request.model,
            "instructions": request.instructions,
            "output": [],
            "usage": None,
            "error": None,
            "parallel_tool_calls": False,
            "tool_choice": "auto",
            "tools": list(request.tools),
            "incomplete_details": None,
            "metadata": request.metadata,
            "temperature": request.temperature,
            "max_output_tokens": request.max_output_tokens,
        }

    def created(self) -> Event:
        return self._event("response.created", response=dict(self.body))

    def in_progress(self) -> Event:
        return self._event("response.in_progress", response=dict(self.body))

    def item_added(self) -> Event:
        item = {"type": "message", "id": self._item_id, "status": "in_progress", "role": "assistant", "content": []}
        return self._event("response.output_item.added", output_index=0, item=item)

    def part_added(self) -> Event:
        part: dict[str, Any] = {"type": "output_text", "text": "", "annotations": []}
        return self._event("response.content_part.added", **self._place, part=part)

    def delta(self, text: str) -> Event:
        self._text.append(text)
        self._sequence_number += 1
        return {
            "type": "response.output_text.delta",
            "sequence_number": self._sequence_number,
            "item_id": self._item_id,
            "output_index": 0,
            "content_index": 0,
            "delta": text,
            "logprobs": [],
        }

    def annotation_added(self, annotation: dict[str, Any]) -> Event:
        self._annotations.append(annotation)
        index = len(self._annotations) - 1
        return self._event(
            "response.output_text.annotation.added", **self._place, annotation_index=index, annotation=annotation
        )

    def text_done(self) -> Event:
        return self._event("response.output_text.done", **self._place, text="".join(self._text), logprobs=[])

    def part_done(self) -> Event:
        return self._event("response.content_part.done", **self._place, part=self._part())

    def item_done(self) -> Event:
        return self._event("response.output_item.done", output_index=0, item=self._item("completed"))

    def completed(self, *, input_tokens: int, output_tokens: int, truncated: bool) -> Event:
        self.body |= {
            "status": "completed",
            "output": [self._item("completed")],
            # Cloudglue's clients know no status "incomplete": the reason is told, the status stays completed.
            "incomplete_details": {"reason": "max_output_tokens"} if truncated else None,
            "usage": {
                "input_tokens": input_tokens,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": output_tokens,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": input_tokens + output_tokens,
            },
        }
        return self._event("response.completed", response=dict(self.body))

    def failed(self, *, message: str, code: str) -> Event:
        error = {"message": message, "type": "server_error", "code": code.lower()}
        self.body |= {"status": "failed", "error": error, "output": [self._item("incomplete")] if self._text else []}
        return self._event("error", error=error, message=message, code=error["code"], param=None)

    def cancelled(self) -> None:
        self.body |= {"status": "cancelled", "output": [self._item("incomplete")] if self._text else []}

    def _event(self, type: str, **fields: Any) -> Event:
        self._sequence_number += 1
        return {"type": type, "sequence_number": self._sequence_number, **fields}

    def _part(self) -> dict[str, Any]:
        return {"type": "output_text", "text": "".join(self._text), "annotations": list(self._annotations)}

    def _item(self, status: str) -> dict[str, Any]:
        return {
            "type": "message",
            "id": self._item_id,
            "status": status,
            "role": "assistant",
            "content": [self._part()],
        }
