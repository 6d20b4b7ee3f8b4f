"""HTTP through OpenAI's SDK.

It has no argument for `knowledge_base`, or for `collections` and `filter` of a chat, which go into `extra_body`, and no
method for the list of responses and for searches, which go through the client's own `get` and `post`. A stream that fails
raises APIError there, without the number of the error event: it is told as the event that it stands for, with the number
that comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai

from tests.acceptance.doors.door import (
    Json,
    Refused,
    told_chat,
    told_chats,
    told_chunk,
    told_event,
    told_list,
    told_response,
    told_search,
)
from tests.acceptance.live_front import openai_client

BESIDE = ("knowledge_base", "collections", "filter")


class OpenAIDoor:
    name = "openai"

    def __init__(self, url: str, key: str) -> None:
        self._client = openai_client(url, key)

    def ask(self, request: Json) -> Json:
        return told_response(_told(lambda: self._client.responses.create(**_arguments(request))))

    @contextmanager
    def stream(self, request: Json) -> Iterator[Iterator[Json]]:
        arguments = _arguments(request)
        with refused(), self._client.responses.create(**arguments, stream=True) as events:
            yield _events(events)

    @contextmanager
    def follow(self, response_id: str, starting_after: int | None = None) -> Iterator[Iterator[Json]]:
        after = openai.omit if starting_after is None else starting_after
        with (
            refused(),
            self._client.responses.retrieve(response_id, stream=True, starting_after=after) as events,
        ):
            yield _events(events, -1 if starting_after is None else starting_after)

    def get(self, response_id: str) -> Json:
        return told_response(_told(lambda: self._client.responses.retrieve(response_id)))

    def list(self, **filters: Any) -> Json:
        return told_list(self._get("/responses", **filters))

    def cancel(self, response_id: str) -> Json:
        return told_response(_told(lambda: self._client.responses.cancel(response_id)))

    def delete(self, response_id: str) -> None:
        with refused():
            self._client.responses.delete(response_id)

    def chat(self, request: Json) -> Json:
        return told_chat(_told(lambda: self._client.chat.completions.create(**_arguments(request))))

    @contextmanager
    def stream_chat(self, request: Json) -> Iterator[Iterator[Json]]:
        with refused(), self._client.chat.completions.create(**_arguments(request), stream=True) as chunks:
            yield _chunks(chunks)

    def get_chat(self, chat_id: str) -> Json:
        return told_chat(_told(lambda: self._client.chat.completions.retrieve(chat_id)))

    def list_chats(self, **page: Any) -> Json:
        """Its own `list` knows cursors and no total."""
        return told_chats(self._get("/chat/completions", **page))

    def delete_chat(self, chat_id: str) -> None:
        with refused():
            assert self._client.chat.completions.delete(chat_id).deleted

    def search(self, request: Json) -> Json:
        with refused():
            return told_search(self._client.post("/search", cast_to=object, body=request))  # type: ignore[arg-type]

    def get_search(self, search_id: str) -> Json:
        return told_search(self._get(f"/search/{search_id}"))

    def list_searches(self) -> Json:
        body = self._get("/search")
        return {"data": [item["id"] for item in body["data"]], "total": body["total"]}

    def close(self) -> None:
        self._client.close()

    def _get(self, path: str, **query: Any) -> Any:
        with refused():
            return self._client.get(path, cast_to=object, options={"params": query})


def _arguments(request: Json) -> Json:
    beside = {name: request[name] for name in BESIDE if name in request}
    return {name: value for name, value in request.items() if name not in BESIDE} | {"extra_body": beside}


def _told(call: Callable[[], Any]) -> Json:
    with refused():
        return call().to_dict(warnings=False)


def _events(events: Any, number: int = -1) -> Iterator[Json]:
    try:
        for event in events:
            number = event.sequence_number
            yield told_event(event.to_dict(warnings=False))
    except openai.APIStatusError:
        raise
    except openai.APIError as error:
        yield told_event({"type": "error", "sequence_number": number + 1, "error": error.body})


def _chunks(chunks: Any) -> Iterator[Json]:
    try:
        for chunk in chunks:
            yield told_chunk(chunk.to_dict(warnings=False))
    except openai.APIStatusError:
        raise
    except openai.APIError as error:
        yield told_chunk({"error": error.body})


@contextmanager
def refused() -> Iterator[None]:
    try:
        yield
    except openai.APIStatusError as error:
        content = error.response.json()["error"]
        raise Refused(error.status_code, content if isinstance(content, str) else content["message"]) from error
