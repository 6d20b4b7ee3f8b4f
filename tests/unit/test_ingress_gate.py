"""What a replica answers to a call without the secret, and to one whose engine fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from ray_jobs.ingress import Gate
from services.core.errors import WIRE, ArcusError, Reason


class CallContext:
    """The part of Serve's gRPC context that a gate uses."""

    def __init__(self, secret: str | None = "secret") -> None:
        self.metadata = [] if secret is None else [("x-arcus-secret", secret)]
        self.code: grpc.StatusCode | None = None
        self.details = ""
        self.trailers: dict[str, str] = {}

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return self.metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details

    def set_trailing_metadata(self, metadata: list[tuple[str, str]]) -> None:
        self.trailers = dict(metadata)


async def double(value: int) -> int:
    return 2 * value


def failing(error: Exception) -> Any:
    async def call(_value: int) -> int:
        raise error

    return call


async def test_what_fails_is_logged_with_the_request_that_it_was_called_for() -> None:
    for metadata in (("x-request-id", "req_1"), ("x-other", "x")):
        context = CallContext()
        context.metadata.append(metadata)
        with capture_logs(processors=[merge_contextvars]) as lines:
            await Gate("secret").unary(context, failing(KeyError("password")), 1, 0)
        assert [line.get("request_id") for line in lines] == ["req_1" if metadata[1] == "req_1" else None]


async def test_a_call_with_the_secret_is_answered() -> None:
    context = CallContext()
    assert await Gate("secret").unary(context, double, 4, 0) == 8
    assert context.code is None


@pytest.mark.parametrize("secret", [None, "", "other", "secret ", "sécret"])
async def test_a_call_without_the_secret_is_refused(secret: str | None) -> None:
    context = CallContext(secret)
    assert await Gate("secret").unary(context, failing(AssertionError("reached")), 4, 0) == 0
    assert context.code is grpc.StatusCode.UNAUTHENTICATED


async def test_two_secrets_are_taken_while_one_takes_the_others_place_and_no_third() -> None:
    gate = Gate("new", "old")
    for secret in ("new", "old"):
        assert await gate.unary(CallContext(secret), double, 4, 0) == 8
    for secret in (None, "", "third"):
        context = CallContext(secret)
        assert await gate.unary(context, failing(AssertionError("reached")), 4, 0) == 0
        assert context.code is grpc.StatusCode.UNAUTHENTICATED


def test_a_gate_without_a_secret_cannot_be_made() -> None:
    with pytest.raises(ArcusError):
        Gate("")


@pytest.mark.parametrize("reason", list(Reason))
async def test_every_reason_reaches_the_caller_as_its_status(reason: Reason) -> None:
    context = CallContext()
    await Gate("secret").unary(context, failing(ArcusError(reason, "because", field="f", retry_after_seconds=7)), 1, 0)
    assert context.code is grpc.StatusCode[WIRE[reason].grpc]
    assert context.details == "because"
    assert context.trailers == {
        "x-arcus-reason": reason.value,
        "x-arcus-field": "f",
        "x-arcus-retry-after-seconds": "7",
    }


async def test_an_unexpected_error_tells_the_caller_nothing_of_itself() -> None:
    context = CallContext()
    await Gate("secret").unary(context, failing(KeyError("password")), 1, 0)
    assert context.code is grpc.StatusCode.INTERNAL
    assert "password" not in context.details


async def test_a_stream_keeps_what_came_before_its_error() -> None:
    async def chunks(count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number
        raise ArcusError(Reason.LIMIT_EXCEEDED)

    context = CallContext()
    assert [chunk async for chunk in Gate("secret").stream(context, chunks, 3)] == [0, 1, 2]
    assert context.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_cancelled_stream_closes_its_engine() -> None:
    begun, closed = asyncio.Event(), asyncio.Event()

    async def chunks(_value: int) -> AsyncIterator[int]:
        try:
            yield 1
            begun.set()
            await asyncio.sleep(100)
        finally:
            closed.set()

    async def read() -> None:
        async for _ in Gate("secret").stream(CallContext(), chunks, 1):
            pass

    reading = asyncio.create_task(read())
    await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert closed.is_set()
