"""What a user does, one function each; each looks at what comes as closely as at when it comes."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import grpc
from arcus.v1 import responses_pb2, responses_pb2_grpc

from loadtests.load.generator import Clock, RefusedError, WrongAnswerError
from loadtests.load.outcomes import Outcome
from loadtests.load.scenario import Order, Scenario, Script
from loadtests.load.target import Target, Tenant, upload

DELTA, LAST = "response.output_text.delta", ("response.completed", "response.failed", "response.incomplete")
CUT_AFTER = 5  # events, of a stream that is taken up again
LEFT_AFTER = 8  # events, the first words among them
SLOW_SECONDS = 0.2  # that a slow reader takes for an event
AGAIN_SECONDS = 0.5  # until a stream that broke is asked for again
TOKENS_PER_MESSAGE = 2
REFUSED = (402, 429, 503, 509)
REFUSED_IN_STREAM = ("limit_exceeded", "engine_unavailable", "storage_unavailable", "server_stopping")


class Journeys:
    """`start` begins the journey of an order. Each answer's words are its own: what is another's is seen."""

    def __init__(self, scenario: Scenario, target: Target, session: aiohttp.ClientSession) -> None:
        self._scenario = scenario
        self._target = target
        self._session = session
        self._doors = itertools.cycle(target.http)
        self._channels = [grpc.aio.insecure_channel(address) for address in target.grpc]
        self._channel = itertools.cycle(self._channels)

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def start(self, order: Order, outcome: Outcome, clock: Clock) -> None:
        tenant = self._target.tenants[order.tenant]
        await getattr(self, f"_{order.journey}")(order, tenant, outcome, clock)

    async def _answer(
        self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock, *, pause_seconds: float = 0.0
    ) -> None:
        heard = _Heard(outcome, clock)
        async with self._post(tenant, "/responses", self._question(order) | {"stream": True}) as reply:
            async for event in _events(reply):
                heard.take(event)
                if pause_seconds:
                    await asyncio.sleep(pause_seconds)
        heard.check(self._words(order))

    async def _leave(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        """Somebody who goes away while it is written; the engine is to write no more for nobody."""
        heard = _Heard(outcome, clock)
        async with self._post(tenant, "/responses", self._question(order) | {"stream": True}) as reply:
            async for event in _events(reply):
                heard.take(event)
                if heard.count == LEFT_AFTER:
                    break
            reply.close()  # the connection, not only this reply
        await self._until_freed(order, outcome)

    async def _leave_grpc(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        heard = _Heard(outcome, clock)
        await self._hear_grpc(order, tenant, heard, count=LEFT_AFTER)
        await self._until_freed(order, outcome)

    async def _until_freed(self, order: Order, outcome: Outcome) -> None:
        left = asyncio.get_running_loop().time()
        async with self._session.get(f"{self._target.engine}/until-free/{_word(order)}") as reply:
            reply.raise_for_status()
        outcome.freed_seconds = asyncio.get_running_loop().time() - left

    async def _answer_grpc(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        heard = _Heard(outcome, clock)
        await self._hear_grpc(order, tenant, heard)
        heard.check(self._words(order))

    async def _hear_grpc(self, order: Order, tenant: Tenant, heard: _Heard, count: int = 0) -> None:
        """All events, or so many, after which it is cancelled."""
        if not self._channels:
            raise RuntimeError("the target has no gRPC door")
        asked = self._question(order)
        request = responses_pb2.CreateResponseRequest(
            model=asked["model"],
            messages=[responses_pb2.InputMessage(role=responses_pb2.ROLE_USER, text=asked["input"])],
            instructions=asked["instructions"],
            max_output_tokens=asked["max_output_tokens"],
        )
        call = responses_pb2_grpc.ResponseServiceStub(next(self._channel)).Stream(
            request, metadata=(("authorization", f"Bearer {tenant.key}"),)
        )
        try:
            async for event in call:
                told = {"type": event.type, "sequence_number": event.sequence_number, "delta": event.delta}
                heard.take(told | {"code": event.error.code})
                if heard.count == count:
                    break
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE):
                raise RefusedError(f"{error.code().name}: {error.details()}") from error
            raise
        finally:
            call.cancel()

    async def _resume(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        """A stream in the background that is cut off, and taken up after the last event that came."""
        heard = _Heard(outcome, clock)
        id = ""
        body = self._question(order) | {"stream": True, "background": True}
        async with self._post(tenant, "/responses", body) as reply:
            async for event in _events(reply):
                id = id or event["response"]["id"]
                heard.take(event)
                if heard.count == CUT_AFTER:
                    break
        after = {"stream": "true", "starting_after": str(heard.count - 1)}
        async with self._get(tenant, f"/responses/{id}", after) as reply:
            async for event in _events(reply):
                heard.take(event)
        heard.check(self._words(order))

    async def _outlast(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        """A stream in the background that is taken up again, after the last event that came, however often it breaks."""
        heard = _Heard(outcome, clock)
        body = self._question(order) | {"background": True}
        async with self._post(tenant, "/responses", body) as reply:
            path = f"/responses/{(await reply.json())['id']}"
        while not heard.has_ended:
            after = {"stream": "true", **({"starting_after": str(heard.count - 1)} if heard.count else {})}
            try:
                async with self._get(tenant, path, after) as reply:
                    async for event in _events(reply):
                        if event["type"] == "error":  # of a front that stops; another goes on at the same number
                            break
                        heard.take(event)
            except (aiohttp.ClientError, ConnectionError, RefusedError):
                outcome.breaks += 1
            if not heard.has_ended:
                await asyncio.sleep(AGAIN_SECONDS)
        heard.check(self._words(order))

    async def _slow(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        """Somebody who reads more slowly than it is written."""
        await self._answer(order, tenant, outcome, clock, pause_seconds=SLOW_SECONDS)

    async def _cancel(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        async with self._post(tenant, "/responses", self._question(order) | {"background": True}) as reply:
            id = (await reply.json())["id"]
        outcome.first_event_seconds = clock()
        async with self._post(tenant, f"/responses/{id}/cancel") as reply:
            body = await reply.json()
        if body["id"] != id or body["status"] not in ("cancelled", "completed"):
            raise WrongAnswerError(f"a cancelled response is {body['status']}")

    async def _search(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        body = {"scope": "segment", "query": "what is said", "collections": [tenant.collection_id], "limit": 5}
        async with self._post(tenant, "/search", body) as reply:
            found = (await reply.json())["results"]
        outcome.first_event_seconds = clock()
        if not found:
            raise WrongAnswerError("a search finds nothing of what was stored")
        if strange := {item["file_id"] for item in found} - tenant.file_ids:
            raise WrongAnswerError(f"a search shows files that are not the tenant's: {sorted(strange)}")

    async def _list(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        """Of its collection: what other journeys upload meanwhile is not in it."""
        async with self._get(tenant, f"/collections/{tenant.collection_id}/media") as reply:
            listed = {item["file_id"] for item in (await reply.json())["data"]}
        outcome.first_event_seconds = clock()
        if not listed or not listed <= tenant.file_ids:
            raise WrongAnswerError(f"a list holds {sorted(listed)}")

    async def _upload(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        """A file from its first byte until it is read, and gone again."""
        id = await upload(self._session, self._target.http[0], tenant.headers, self._target.clip)
        outcome.first_event_seconds, outcome.bytes = clock(), len(self._target.clip.data)
        path = f"{self._target.http[0]}/files/{id}"
        async with self._session.delete(path, headers=tenant.headers) as reply:
            await _check_status(reply)
        async with self._session.get(path, headers=tenant.headers) as reply:
            if reply.status != 404:
                raise WrongAnswerError(f"a deleted file is told with {reply.status}")

    async def _cut_upload(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        """Half of a file, and the connection ends; nothing of it may be told."""
        name, data = f"cut-{order.number}.mp4", self._target.clip.data

        async def half() -> AsyncIterator[bytes]:
            yield data[: len(data) // 2]
            raise _CutError

        form = aiohttp.FormData()
        form.add_field("file", half(), filename=name, content_type="video/mp4")
        with suppress(_CutError, aiohttp.ClientError):
            async with self._session.post(f"{next(self._doors)}/files", data=form, headers=tenant.headers) as reply:
                await reply.read()
                raise WrongAnswerError(f"half of a file is answered with {reply.status}")
        outcome.first_event_seconds = clock()
        async with self._get(tenant, "/files", {"limit": "100"}) as reply:
            if any(file["filename"] == name for file in (await reply.json())["data"]):
                raise WrongAnswerError("half of a file is listed")

    def _question(self, order: Order) -> dict[str, Any]:
        script: Script = self._scenario.script
        told = {"messages": script.messages, "interval_seconds": script.interval_seconds, "word": _word(order)}
        return {
            "model": "nimbus-001",
            "input": "What is said?",
            "instructions": json.dumps(told | {"tokens_per_message": TOKENS_PER_MESSAGE}),
            "max_output_tokens": 1 + script.messages * TOKENS_PER_MESSAGE,
        }

    def _words(self, order: Order) -> list[str]:
        return [_word(order)] * (self._scenario.script.messages * TOKENS_PER_MESSAGE)

    def _post(self, tenant: Tenant, path: str, body: dict[str, Any] | None = None) -> _Checked:
        return _Checked(self._session.post(f"{next(self._doors)}{path}", json=body, headers=tenant.headers))

    def _get(self, tenant: Tenant, path: str, params: dict[str, str] | None = None) -> _Checked:
        return _Checked(self._session.get(f"{next(self._doors)}{path}", params=params, headers=tenant.headers))


def _word(order: Order) -> str:
    return f"w{order.number}"


class _CutError(Exception):
    """An upload that its client breaks off."""


class _Heard:
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
        if self._last != "response.completed":
            raise RuntimeError(
                f"the answer ended with {self._last or self._error or 'no last event'} after {self.count} events"
            )
        told = [word for word in "".join(self._texts).split() if not word.startswith("[")]
        self._outcome.tokens = len(told)
        if told != words:
            raise WrongAnswerError(
                f"{len(told)} words of {len(words)}, {sum(word != words[0] for word in told)} of others"
            )


class _Checked:
    """A request whose status is looked at as its reply comes."""

    def __init__(self, request: Any) -> None:
        self._request = request

    async def __aenter__(self) -> aiohttp.ClientResponse:
        reply = await self._request.__aenter__()
        try:
            await _check_status(reply)
        except BaseException as error:
            await self._request.__aexit__(type(error), error, error.__traceback__)
            raise
        return reply

    async def __aexit__(self, *error: Any) -> None:
        await self._request.__aexit__(*error)


async def _check_status(reply: aiohttp.ClientResponse) -> None:
    if reply.status < 400:
        return
    text = (await reply.text())[:300]
    if reply.status in REFUSED:
        raise RefusedError(f"{reply.status}: {text}")
    raise RuntimeError(f"{reply.status}: {text}")


async def _events(reply: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in reply.content:
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])
