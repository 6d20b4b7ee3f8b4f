"""Streams that end while their first message is under way, or just as the process is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.core.errors import ArcusError, Reason
from services.core.tenants.limits import TenantLimit
from services.rpc.gate import Gate
from services.rpc.writing import write_all
from tests.acceptance.rpc_front import RpcFront, open_front

LARGER_THAN_ANY_WINDOW = b"x" * 64 * 1024**2


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[RpcFront]:
    async with open_front(tmp_path) as front:
        yield front


@asynccontextmanager
async def a_stream(front: RpcFront, handle: Callable[[Any, Any], Awaitable[None]]) -> AsyncIterator[Any]:
    """A call of `handle`, which writes bytes, behind the gate."""
    server = grpc.aio.server(interceptors=[Gate(front.backend.keys, front.backend.admin_keys, TenantLimit(1))])
    handlers = {"Do": grpc.unary_stream_rpc_method_handler(handle, bytes, bytes)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Stream", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    options = [("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield channel.unary_stream("/test.Stream/Do")(b"", metadata=front.client.metadata)
    await server.stop(0)


@pytest.mark.parametrize("turns", range(4))
async def test_a_stream_that_is_ended_during_its_first_message_says_why(front: RpcFront, turns: int):
    """turns: of the loop, from the write's begin to the call's end."""

    async def handle(_request: bytes, context: Any) -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None

        def end(left: int) -> None:
            if left:
                loop.call_soon(end, left - 1)
            elif task:
                task.cancel()

        end(turns)
        try:
            await context.write(b"first")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            task.uncancel()
            raise ArcusError(Reason.LIMIT_EXCEEDED) from None

    async with a_stream(front, handle) as call, asyncio.timeout(20):
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_client_that_reads_nothing_of_a_first_message_is_told_once_it_reads(front: RpcFront):
    ended = asyncio.Event()

    async def events() -> AsyncIterator[list[bytes]]:
        yield [LARGER_THAN_ANY_WINDOW]

    async def handle(_request: bytes, context: Any) -> None:
        try:
            await write_all(events(), bytes, context, stalled_seconds=0.2)
        finally:
            ended.set()

    async with a_stream(front, handle) as call, asyncio.timeout(20):
        await ended.wait()
        with suppress(grpc.aio.AioRpcError):
            await call.read()
        assert await call.code() is grpc.StatusCode.CANCELLED and "follow it anew" in await call.details()


async def test_a_watch_of_health_is_told_of_a_stop_that_came_beside_its_last_word(front: RpcFront):
    """The process is told to stop while the database is asked."""
    database, check = front.backend.database, front.backend.database.check
    asked = 0

    async def told_to_stop() -> None:
        nonlocal asked
        asked += 1
        await check()
        front.backend.draining.set()

    database.check = told_to_stop  # type: ignore[method-assign]
    watch = health_pb2_grpc.HealthStub(front.client.channel).Watch(health_pb2.HealthCheckRequest())
    async with asyncio.timeout(20):
        told = [(await watch.read()).status, (await watch.read()).status]
        assert await watch.read() is grpc.aio.EOF
    assert told == [health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING]
    assert asked == 1
