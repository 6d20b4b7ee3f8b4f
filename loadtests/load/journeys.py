"""What a user does, one function each; each looks at what comes as closely as at when it comes."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import aiohttp
import grpc
from arcus.v1 import responses_pb2, responses_pb2_grpc

from loadtests.load.generator import Clock, RefusedError, WrongAnswerError
from loadtests.load.heard import STOPPING, Heard
from loadtests.load.outcomes import Outcome
from loadtests.load.scenario import Order, Scenario, Script
from loadtests.load.target import Target, Tenant, until_done, upload, video_form

CUT_AFTER = 5  # events, of a stream that is taken up again
LEFT_AFTER = 8  # events, the first words among them
SLOW_SECONDS = 0.2  # that a slow reader takes for an event
READ_SECONDS = 2.0  # until it is asked again whether a file is read, of hundreds at once
AGAIN_SECONDS = 0.5  # until a stream that broke is asked for again
TOKENS_PER_MESSAGE = 2
REFUSED = (402, 429, 503, 509)


class Journeys:
    """`start` begins the journey of an order. Each answer's words are its own: what is another's is seen."""

    def __init__(self, scenario: Scenario, target: Target, session: aiohttp.ClientSession) -> None:
        self._scenario = scenario
        self._target = target
        self._session = session
        self._turns = itertools.count()
        self._channel = _channel(target.grpc) if target.grpc else None

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def start(self, order: Order, outcome: Outcome, clock: Clock) -> None:
        tenant = self._target.tenants[order.tenant]
        await getattr(self, f"_{order.journey}")(order, tenant, outcome, clock)

    async def _answer(
        self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock, *, pause_seconds: float = 0.0
    ) -> None:
        heard = Heard(outcome, clock)
        async with self._post(tenant, "/responses", self._question(order) | {"stream": True}) as reply:
            async for event in _events(reply):
                heard.take(event)
                if pause_seconds:
                    await asyncio.sleep(pause_seconds)
        heard.check(self._words(order))

    async def _follow_up(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        """A question, and once it is answered another one in the same conversation. Times to the first token are of the first."""
        then, id = Outcome(order), ""
        for heard in (Heard(outcome, clock), Heard(then, clock)):
            body = self._question(order) | {"stream": True} | ({"previous_response_id": id} if id else {})
            async with self._post(tenant, "/responses", body) as reply:
                async for event in _events(reply):
                    id = event["response"]["id"] if event["type"] == "response.created" else id
                    heard.take(event)
            heard.check(self._words(order))
        outcome.tokens += then.tokens

    async def _leave(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        """Somebody who goes away while it is written; the engine is to write no more for nobody."""
        heard = Heard(outcome, clock)
        async with self._post(tenant, "/responses", self._question(order) | {"stream": True}) as reply:
            async for event in _events(reply):
                heard.take(event)
                if heard.count == LEFT_AFTER:
                    break
            reply.close()  # the connection, not only this reply
        await self._until_freed(order, outcome)

    async def _leave_grpc(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        heard = Heard(outcome, clock)
        await self._hear_grpc(order, tenant, heard, count=LEFT_AFTER)
        await self._until_freed(order, outcome)

    async def _until_freed(self, order: Order, outcome: Outcome) -> None:
        left = asyncio.get_running_loop().time()
        async with self._session.get(f"{self._target.engine}/until-free/{_word(order)}") as reply:
            reply.raise_for_status()
        outcome.freed_seconds = asyncio.get_running_loop().time() - left

    async def _answer_grpc(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        heard = Heard(outcome, clock)
        await self._hear_grpc(order, tenant, heard)
        heard.check(self._words(order))

    async def _hear_grpc(self, order: Order, tenant: Tenant, heard: Heard, count: int = 0) -> None:
        """All events, or so many, after which it is cancelled."""
        call = self._stub().Stream(self._request(order), metadata=(("authorization", f"Bearer {tenant.key}"),))
        try:
            async for event in call:
                heard.take(_told(event))
                if heard.count == count:
                    break
        except grpc.aio.AioRpcError as error:
            raise (RuntimeError(f"cut after {heard.count} events") if heard.count else _refused(error)) from error
        finally:
            call.cancel()

    def _stub(self) -> Any:
        if self._channel is None:
            raise RuntimeError("the target has no gRPC door")
        return responses_pb2_grpc.ResponseServiceStub(self._channel)

    def _request(self, order: Order) -> Any:
        asked = self._question(order)
        return responses_pb2.CreateResponseRequest(
            model=asked["model"],
            messages=[responses_pb2.InputMessage(role=responses_pb2.ROLE_USER, text=asked["input"])],
            instructions=asked["instructions"],
            max_output_tokens=asked["max_output_tokens"],
        )

    async def _resume(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        """A stream in the background that is cut off, and taken up after the last event that came."""
        heard = Heard(outcome, clock)
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
        heard = Heard(outcome, clock)
        body = self._question(order) | {"background": True}
        async with self._post(tenant, "/responses", body) as reply:
            id = (await reply.json())["id"]
        await self._follow(id, tenant, heard, outcome)
        heard.check(self._words(order))

    async def _go_on(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        """A stream in the foreground, which a front that stops leaves to the others: it is taken up there."""
        heard = Heard(outcome, clock)
        id = ""
        async with self._post(tenant, "/responses", self._question(order) | {"stream": True}) as reply:
            async for event in _events(reply):
                id = id or event["response"]["id"]
                if event["type"] == "error" and event["code"] == STOPPING:
                    outcome.breaks += 1
                    break
                heard.take(event)
        if outcome.breaks:
            await self._follow(id, tenant, heard, outcome)
        heard.check(self._words(order))

    async def _follow(self, id: str, tenant: Tenant, heard: Heard, outcome: Outcome) -> None:
        while not heard.has_ended:
            after = {"stream": "true", **({"starting_after": str(heard.count - 1)} if heard.count else {})}
            try:
                async with self._get(tenant, f"/responses/{id}", after) as reply:
                    async for event in _events(reply):
                        if event["type"] == "error":  # of a front that stops; another goes on at the same number
                            break
                        heard.take(event)
            except (aiohttp.ClientError, ConnectionError, RefusedError):
                outcome.breaks += 1
            if not heard.has_ended:
                await asyncio.sleep(AGAIN_SECONDS)

    async def _outlast_grpc(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        heard, caller = Heard(outcome, clock), (("authorization", f"Bearer {tenant.key}"),)
        request = self._request(order)
        request.background = True
        try:
            id = (await self._stub().Create(request, metadata=caller)).id
        except grpc.aio.AioRpcError as error:
            raise _refused(error) from error
        while not heard.has_ended:
            after = {"starting_after": heard.count - 1} if heard.count else {}
            asked = responses_pb2.FollowResponseRequest(response_id=id, **after)
            try:
                async for event in self._stub().Follow(asked, metadata=caller):
                    if event.type == "error":
                        break
                    heard.take(_told(event))
            except grpc.aio.AioRpcError as error:
                if not isinstance(_refused(error), RefusedError):
                    raise
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
        file = await upload(self._session, self._target.http[0], tenant.headers, self._target.clip)
        outcome.first_event_seconds, outcome.bytes = clock(), len(self._target.clip.data)
        outcome.video_seconds = _video_seconds(file)
        path = f"{self._target.http[0]}/files/{file['id']}"
        async with self._session.delete(path, headers=tenant.headers) as reply:
            await _check_status(reply)
        async with self._session.get(path, headers=tenant.headers) as reply:
            if reply.status != 404:
                raise WrongAnswerError(f"a deleted file is told with {reply.status}")

    async def _store(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        """A file until it is acknowledged, and until it is found, read, and as long as it was sent. It stays."""
        name, data = f"stored-{order.number}.mp4", self._target.clip.data
        form = video_form(name, data)
        async with self._session.post(f"{self._target.http[0]}/files", data=form, headers=tenant.headers) as reply:
            await _check_status(reply)
            id = (await reply.json())["id"]
        outcome.first_event_seconds, outcome.bytes = clock(), len(data)
        url = f"{self._target.http[0]}/files/{id}"
        file = await until_done(self._session, url, tenant.headers, READ_SECONDS)
        if (file["bytes"], file["filename"]) != (len(data), name):
            raise WrongAnswerError(f"of {len(data)} bytes {file['bytes']} are told, of {file['filename']}")
        outcome.video_seconds = _video_seconds(file)

    async def _cut_upload(self, order: Order, tenant: Tenant, outcome: Outcome, clock: Clock) -> None:
        """Half of a file, and the connection ends; nothing of it may be told."""
        name, data = f"cut-{order.number}.mp4", self._target.clip.data

        async def half() -> AsyncIterator[bytes]:
            yield data[: len(data) // 2]
            raise _CutError

        form = video_form(name, half())
        with suppress(_CutError, aiohttp.ClientError):
            async with self._session.post(f"{self._target.http[0]}/files", data=form, headers=tenant.headers) as reply:
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
            "model": script.model,
            "input": "What is said?",
            "instructions": json.dumps(told | {"tokens_per_message": TOKENS_PER_MESSAGE}),
            "max_output_tokens": 1 + script.messages * TOKENS_PER_MESSAGE,
        }

    def _words(self, order: Order) -> list[str]:
        return [_word(order)] * (self._scenario.script.messages * TOKENS_PER_MESSAGE)

    def _post(self, tenant: Tenant, path: str, body: dict[str, Any] | None = None) -> _Checked:
        return self._call("POST", tenant, path, json=body)

    def _get(self, tenant: Tenant, path: str, params: dict[str, str] | None = None) -> _Checked:
        return self._call("GET", tenant, path, params=params)

    def _call(self, method: str, tenant: Tenant, path: str, **more: Any) -> _Checked:
        doors, turn = self._target.http, next(self._turns)
        return _Checked(
            [
                partial(self._session.request, method, f"{door}{path}", headers=tenant.headers, **more)
                for door in (doors[(turn + number) % len(doors)] for number in range(len(doors)))
            ]
        )


def _channel(addresses: Sequence[str]) -> grpc.aio.Channel:
    """To all of them in turn, less those that are away."""
    if len(addresses) == 1:
        return grpc.aio.insecure_channel(addresses[0])
    options = [("grpc.lb_policy_name", "round_robin"), ("grpc.max_reconnect_backoff_ms", 1000)]
    return grpc.aio.insecure_channel(f"ipv4:{','.join(addresses)}", options=options)


def _told(event: Any) -> dict[str, Any]:
    number, code = event.sequence_number, event.error.code
    return {"type": event.type, "sequence_number": number, "delta": event.delta, "code": code}


def _refused(error: grpc.aio.AioRpcError) -> Exception:
    """The error itself where it is no word to come later."""
    if error.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE):
        return RefusedError(f"{error.code().name}: {error.details()}")
    return error


def _word(order: Order) -> str:
    return f"w{order.number}"


def _video_seconds(file: dict[str, Any]) -> float:
    """Of a file that was read."""
    return float((file.get("media_info") or {}).get("duration_seconds") or 0.0)


class _CutError(Exception):
    """An upload that its client breaks off."""


class _Checked:
    """A request whose status is looked at as its reply comes. Where nobody listens, or a connection that was kept ends before
    any of the reply, it goes to the next front, as SDKs send it again.
    """

    def __init__(self, by_front: Sequence[Callable[[], Any]]) -> None:
        self._by_front = by_front

    async def __aenter__(self) -> aiohttp.ClientResponse:
        for request in self._by_front:
            self._request = request()
            try:
                reply = await self._request.__aenter__()
                break
            except aiohttp.ClientConnectionError:
                if request is self._by_front[-1]:
                    raise
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
