"""HTTP through the Cloudglue SDK.

What its methods have no argument for is sent by the SDK's own client as it is: `store`, `previous_response_id`,
`metadata`, `max_output_tokens` and `tool_choice` of a request, a request without a knowledge base or with the output of a
function, what the SDK itself refuses to send, and reading the events of a response again; of chats whatever is OpenAI's
alone: chunks, functions, deletion.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cloudglue import CloudglueError
from cloudglue.client.resources.chat import Completions
from cloudglue.client.resources.responses import Responses
from cloudglue.client.resources.search import Search
from cloudglue.sdk.api.chat_api import ChatApi
from cloudglue.sdk.api.response_api import ResponseApi
from cloudglue.sdk.api.search_api import SearchApi
from cloudglue.sdk.api_client import ApiClient
from cloudglue.sdk.configuration import Configuration

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

ARGUMENTS = {"model", "input", "instructions", "temperature", "background", "include", "tools", "knowledge_base"}
CHAT_ARGUMENTS = {"model", "messages", "collections", "filter", "temperature"}


class KeepingClient(ApiClient):
    """The SDK's client, which also keeps what came: its models leave out what they do not know."""

    json: Any = None
    has_sent = False

    def call_api(self, *arguments: Any, **named: Any) -> Any:
        self.has_sent = True
        return super().call_api(*arguments, **named)

    def response_deserialize(self, response_data: Any, response_types_map: Any = None) -> Any:
        self.json = json.loads(response_data.data)
        return super().response_deserialize(response_data, response_types_map)


class CloudglueDoor:
    name = "cloudglue"

    def __init__(self, url: str, key: str) -> None:
        self._url = f"{url}/v1"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._client = KeepingClient(Configuration(host=self._url, access_token=key))
        self._responses = Responses(ResponseApi(self._client))
        self._chats = Completions(ChatApi(self._client))
        self._search = Search(SearchApi(self._client))

    def ask(self, request: Json) -> Json:
        arguments = _arguments(request)
        if arguments is not None:
            sent, body = self._sent(lambda: self._responses.create(**arguments))
            if sent:
                return told_response(body)
        return told_response(self._raw("POST", "/responses", request))

    @contextmanager
    def stream(self, request: Json) -> Iterator[Iterator[Json]]:
        arguments = _arguments(request)
        if arguments is not None:
            self._client.has_sent = False
            try:
                events = self._responses.create(**arguments, stream=True)
            except CloudglueError as error:
                if self._client.has_sent:
                    raise refusal(error) from error
            else:
                try:
                    yield (told_event(event["data"]) for event in events if event["data"] != "[DONE]")
                finally:
                    events.close()
                return
        with self._raw_events("POST", "/responses", {**request, "stream": True}) as raw:
            yield raw

    def follow(self, response_id: str, starting_after: int | None = None) -> Any:
        after = "" if starting_after is None else f"&starting_after={starting_after}"
        return self._raw_events("GET", f"/responses/{response_id}?stream=true{after}")

    def get(self, response_id: str) -> Json:
        return told_response(self._sent(lambda: self._responses.get(response_id))[1])

    def list(self, **filters: Any) -> Json:
        return told_list(self._sent(lambda: self._responses.list(**filters))[1])

    def cancel(self, response_id: str) -> Json:
        return told_response(self._sent(lambda: self._responses.cancel(response_id))[1])

    def delete(self, response_id: str) -> None:
        assert self._sent(lambda: self._responses.delete(response_id))[1]["deleted"] is True

    def chat(self, request: Json) -> Json:
        if request.keys() <= CHAT_ARGUMENTS and "collections" in request:
            sent, body = self._sent(lambda: self._chats.create(**request))
            if sent:
                return told_chat(body)
        return told_chat(self._raw("POST", "/chat/completions", request))

    def stream_chat(self, request: Json) -> Any:
        return self._raw_events("POST", "/chat/completions", {**request, "stream": True}, told_chunk)

    def get_chat(self, chat_id: str) -> Json:
        return told_chat(self._sent(lambda: self._chats.get(chat_id))[1])

    def list_chats(self, **page: Any) -> Json:
        return told_chats(self._sent(lambda: self._chats.list(**page))[1])

    def delete_chat(self, chat_id: str) -> None:
        assert self._raw("DELETE", f"/chat/completions/{chat_id}")["deleted"] is True

    def search(self, request: Json) -> Json:
        sent, body = self._sent(lambda: self._search.search(**request))
        return told_search(body if sent else self._raw("POST", "/search", request))

    def get_search(self, search_id: str) -> Json:
        return told_search(self._sent(lambda: self._search.get(search_id))[1])

    def list_searches(self) -> Json:
        body = self._sent(lambda: self._search.list())[1]
        return {"data": [item["id"] for item in body["data"]], "total": body["total"]}

    def close(self) -> None:
        self._client.rest_client.pool_manager.clear()

    def _sent(self, call: Callable[[], Any]) -> tuple[bool, Any]:
        """Whether the SDK sent it, and the JSON that came; what it can't read is an error though it came."""
        self._client.has_sent = False
        try:
            call()
        except CloudglueError as error:
            if self._client.has_sent:
                raise refusal(error) from error
            return False, None
        return True, self._client.json

    def _raw(self, method: str, path: str, body: Json | None = None) -> Json:
        reply = self._client.call_api(method, self._url + path, self._headers, body)
        content = json.loads(reply.read())
        if reply.status != 200:
            raise Refused(reply.status, _message(content))
        return content

    @contextmanager
    def _raw_events(
        self, method: str, path: str, body: Json | None = None, tell: Callable[[Json], Json] = told_event
    ) -> Iterator[Iterator[Json]]:
        reply = self._client.call_api(method, self._url + path, self._headers, body)
        if reply.status != 200:
            raise Refused(reply.status, _message(json.loads(reply.read())))
        try:
            yield map(tell, _events(reply.response))
        finally:
            reply.response.close()


def _arguments(request: Json) -> Json | None:
    """The request as arguments of `responses.create`, unless there are none for it."""
    base = request.get("knowledge_base")
    items = request["input"] if isinstance(request.get("input"), list) else []
    if not request.keys() <= ARGUMENTS or base is None or any("role" not in item for item in items):
        return None
    named = {name: value for name, value in request.items() if name != "knowledge_base"}
    if base.get("source") == "default":
        return {**named, "use_default_index": True}
    for name in ("collections", "files", "filter", "entity_backed_knowledge_config"):
        if name in base:
            named[name] = base[name]
    return {**named, "knowledge_base_type": base.get("type")}


def _events(response: Any) -> Iterator[Json]:
    rest = b""
    for chunk in response.stream(amt=4096):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                yield json.loads(line[6:])


def refusal(error: CloudglueError) -> Refused | CloudglueError:
    if error.status_code is None:
        return error  # a reply that the SDK can't read
    if error.data is not None:
        return Refused(error.status_code, error.data.error)
    _, _, body = error.message.partition("HTTP response body: ")  # a status it has no model for, or a stream
    return Refused(error.status_code, _message(json.loads(body)))


def _message(content: Json) -> str:
    return content["error"] if isinstance(content["error"], str) else content["error"]["message"]
