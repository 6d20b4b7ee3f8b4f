"""Chat completions: a door to the same answers as responses have, with the shapes of Cloudglue's and OpenAI's chat."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from itertools import chain
from typing import Any

from services.core.answers.chats import Chats
from services.core.clock import now_ms
from services.core.errors import ArcusError
from services.core.store.pages import CreatedRange, Listing, Page
from services.nimbus.answers.answer import Answer
from services.nimbus.answers.answers import Answers
from services.nimbus.answers.events import Event
from services.nimbus.requests.chats import ChatRequest

MAX_LISTED_CHARACTERS = 10_000  # of the messages of each completion in a list

Completion = dict[str, Any]
Chunk = dict[str, Any]
Chunks = list[Chunk]  # that are told together


class ChatCompletions:
    """A completion is kept when it is whole; what was broken off leaves nothing."""

    def __init__(self, *, answers: Answers, chats: Chats) -> None:
        self._answers = answers
        self._chats = chats

    async def create(self, tenant_id: str, request: ChatRequest) -> Completion:
        """Raises NOT_FOUND, INVALID_ARGUMENT, LIMIT_EXCEEDED, ENGINE_UNAVAILABLE, and what the engine fails with."""
        created_at = now_ms()
        self._check_space(request)
        with _named_as_sent():
            response = await self._answers.create(tenant_id, request.asked)
        return await self._keep(tenant_id, request, response, created_at)

    async def stream(self, tenant_id: str, request: ChatRequest) -> Answer:
        """The completion in chunks, as it is written; closing them stops the engine. Raises before the first as `create`.

        A failure after it is the last chunk: {"error": …}.
        """
        self._check_space(request)
        with _named_as_sent():
            return await Answer.begun(self._chunks(tenant_id, request))

    async def get(self, tenant_id: str, id: str) -> Completion:
        return (await self._chats.get(tenant_id, id)).body

    async def list(self, tenant_id: str, page: Page, *, created: CreatedRange = CreatedRange()) -> Listing[Completion]:
        """Newest first, without citations; of a long conversation, the last messages."""
        listing = await self._chats.list(tenant_id, page, created=created)
        return listing.shown([_listed(chat.body) for chat in listing.items])

    async def delete(self, tenant_id: str, id: str) -> None:
        await self._chats.delete(tenant_id, id)

    async def _chunks(self, tenant_id: str, request: ChatRequest) -> AsyncGenerator[Chunks, None]:
        created_at = now_ms()
        chunks = _Chunks(request, created_at // 1000)
        async with aclosing(await self._answers.stream(tenant_id, request.asked)) as events:
            async for together in events:
                last = together[-1]
                if told := list(chain.from_iterable(map(chunks.of, together))):
                    yield told
                if last["type"] != "response.completed":
                    continue
                try:
                    completion = await self._keep(tenant_id, request, last["response"], created_at)
                except ArcusError as error:
                    yield [_failure(error.message, error.reason.lower())]
                    return
                yield list(chunks.end(completion))

    def _check_space(self, request: ChatRequest) -> None:
        """Refuses before the engine works for nothing."""
        if request.store:
            self._chats.check_space()

    async def _keep(
        self, tenant_id: str, request: ChatRequest, response: dict[str, Any], created_at: int
    ) -> Completion:
        completion = _completion(request, response, created_at)
        if request.store:
            await self._chats.create(tenant_id, completion)
        return completion


def _completion(request: ChatRequest, response: dict[str, Any], created_at: int) -> Completion:
    """`created_at`: Unix milliseconds."""
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    citations: list[dict[str, Any]] = []
    calls = []
    for item in response["output"]:
        if item["type"] == "message":
            for part in item["content"]:
                if part["type"] == "refusal":
                    message |= {"content": None, "refusal": part["refusal"]}
                    continue
                message["content"] += part["text"]
                citations += part["annotations"]
        elif item["type"] == "function_call":
            function = {"name": item["name"], "arguments": item["arguments"]}
            calls.append({"id": item["call_id"], "type": "function", "function": function})
    if calls:
        message["tool_calls"] = calls
    reason = "length" if response["incomplete_details"] else "tool_calls" if calls else "stop"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    if request.include_citations:
        choice["citations"] = citations
    usage = response["usage"]
    return {
        "id": response["id"],
        "object": "chat.completion",
        "created_at": created_at,
        "created": created_at // 1000,
        "model": response["model"],
        "choices": [choice],
        "payload": request.payload,
        "usage": {
            "prompt_tokens": usage["input_tokens"],
            "completion_tokens": usage["output_tokens"],
            "total_tokens": usage["total_tokens"],
        },
        "metadata": response["metadata"],
    }


class _Chunks:
    """Chunks of events. Citations stand beside the delta, each where its mark comes next in the text."""

    def __init__(self, request: ChatRequest, created: int) -> None:
        self._request = request
        self._head: Chunk = {
            "id": "",
            "object": "chat.completion.chunk",
            "created": created,
            "model": request.asked.model,
        }
        self._usage: dict[str, Any] = {"usage": None} if request.include_usage else {}
        self._calls: dict[int, int] = {}  # output index → place among the calls

    def of(self, event: Event) -> Iterator[Chunk]:
        match event["type"]:
            case "response.output_text.delta":
                yield self._chunk({"content": event["delta"]})
            case "response.refusal.delta":
                yield self._chunk({"refusal": event["delta"]})
            case "response.created":
                self._head["id"] = event["response"]["id"]
                yield self._chunk({"role": "assistant", "content": ""})
            case "response.output_text.annotation.added" if self._request.include_citations:
                yield self._chunk({}, citations=[event["annotation"]])
            case "response.output_item.added" if event["item"]["type"] == "function_call":
                item, place = event["item"], len(self._calls)
                self._calls[event["output_index"]] = place
                function = {"name": item["name"], "arguments": ""}
                call = {"index": place, "id": item["call_id"], "type": "function", "function": function}
                yield self._chunk({"tool_calls": [call]})
            case "response.function_call_arguments.delta":
                place = self._calls[event["output_index"]]
                yield self._chunk({"tool_calls": [{"index": place, "function": {"arguments": event["delta"]}}]})
            case "error":
                yield _failure(event["message"], event["code"])

    def end(self, completion: Completion) -> Iterator[Chunk]:
        yield self._chunk({}, finish_reason=completion["choices"][0]["finish_reason"])
        if self._request.include_usage:
            yield {**self._head, "choices": [], "usage": completion["usage"]}

    def _chunk(self, delta: dict[str, Any], *, finish_reason: str | None = None, **beside: Any) -> Chunk:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, **beside}
        return {**self._head, "choices": [choice], **self._usage}


def _failure(message: str, code: str) -> Chunk:
    return {"error": {"message": message, "type": "server_error", "param": None, "code": code}}


def _listed(body: Completion) -> Completion:
    choices = [{name: value for name, value in one.items() if name != "citations"} for one in body["choices"]]
    messages: list[dict[str, Any]] = []
    left = MAX_LISTED_CHARACTERS
    for message in reversed(body["payload"]["messages"]):
        left -= len(message["content"])
        if left < 0:
            break
        messages.insert(0, message)
    return {**body, "choices": choices, "payload": {**body["payload"], "messages": messages}}


@contextmanager
def _named_as_sent() -> Iterator[None]:
    """A chat's collections and filter are not inside a knowledge base."""
    try:
        yield
    except ArcusError as error:
        if error.field is not None:
            error.field = error.field.removeprefix("knowledge_base.")
        raise
