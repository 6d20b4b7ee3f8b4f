"""Calls that are never whole, or that nobody gave a key to: none of them costs others their answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from arcus.v1 import collections_pb2, files_pb2, files_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.core.library.arriving import Pace
from services.rpc.gate import MAX_PUBLIC, MAX_WATCHES, address_of
from services.rpc.server import create_server
from tests.acceptance.rpc_front import MAX_REQUESTS, Client, RpcFront, asks, open_front
from tests.waiting import async_until

CODE = grpc.StatusCode


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[RpcFront]:
    async with open_front(tmp_path) as front:
        yield front


async def never(sent: asyncio.Event) -> AsyncIterator[Any]:
    sent.set()
    await asyncio.Event().wait()
    yield None


def half_open(channel: grpc.aio.Channel, method: str = "/arcus.v1.FileService/Get", metadata: Any = ()) -> Any:
    """A call whose message never comes."""
    call = channel.stream_unary(method, request_serializer=files_pb2.GetFileRequest.SerializeToString)
    return call(never(asyncio.Event()), metadata=metadata)


async def ended(call: Any) -> grpc.StatusCode:
    async with asyncio.timeout(20):
        return await call.code()


async def last_code(stream: Any) -> grpc.StatusCode:
    """Reads a stream to its end."""
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
        while await stream.read() is not grpc.aio.EOF:
            pass
    return await stream.code()


async def test_a_call_without_a_key_is_refused_before_its_message_comes(front: RpcFront):
    calls = [half_open(front.client.channel) for _ in range(50)]
    assert {await ended(call) for call in calls} == {CODE.UNAUTHENTICATED}


async def test_a_call_whose_message_does_not_come_ends_and_takes_no_place(front: RpcFront):
    server, port = create_server(front.backend, "127.0.0.1:0", message_seconds=1)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        calls = [half_open(channel, metadata=front.client.metadata) for _ in range(2 * MAX_REQUESTS)]
        stub = files_pb2_grpc.FileServiceStub(channel)
        await stub.List(files_pb2.ListFilesRequest(), metadata=front.client.metadata)
        assert {await ended(call) for call in calls} == {CODE.DEADLINE_EXCEEDED}
    await server.stop(0)


async def test_health_is_told_whoever_else_asks_and_never_ends_asking(front: RpcFront):
    stub = health_pb2_grpc.HealthStub(front.client.channel)
    checks = [half_open(front.client.channel, "/grpc.health.v1.Health/Check") for _ in range(MAX_PUBLIC + 10)]
    watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(MAX_WATCHES + 10)]
    reading = [asyncio.create_task(last_code(watch)) for watch in watches]
    await async_until(lambda: sum(call.done() for call in checks) >= 10, "the oldest checks are ended")
    await async_until(lambda: sum(task.done() for task in reading) >= 10, "the oldest watches are ended")
    assert {await call.code() for call in checks if call.done()} == {CODE.RESOURCE_EXHAUSTED}
    assert {task.result() for task in reading if task.done()} == {CODE.RESOURCE_EXHAUSTED}
    assert (await stub.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
    for call in (*checks, *watches):
        call.cancel()
    await asyncio.wait(reading)


async def dripping(piece: bytes) -> AsyncIterator[files_pb2.UploadRequest]:
    yield files_pb2.UploadRequest(header=files_pb2.UploadHeader(filename="talk.mp4"))
    while True:
        yield files_pb2.UploadRequest(chunk=piece)
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("piece", [b"", b"x", b"x" * 1000], ids=["nothing", "a byte", "so much that it is kept"])
async def test_an_upload_that_drips_is_ended_and_leaves_nothing(front: RpcFront, piece: bytes):
    server, port = create_server(front.backend, "127.0.0.1:0", pace=Pace(rate_seconds=0.5, rate_bytes=10**6))
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = files_pb2_grpc.FileServiceStub(channel)
        calls = [stub.Upload(dripping(piece), metadata=front.client.metadata) for _ in range(MAX_REQUESTS)]
        codes = {await ended(call) for call in calls}
        # gRPC says INTERNAL to a client that still writes where the end of its stream overtakes the status.
        assert codes <= {CODE.DEADLINE_EXCEEDED, CODE.INTERNAL}
    await server.stop(0)
    await front.wait_for_requests(front.client, 0)
    assert not [path for path in (front.folder / "objects").rglob("*") if path.is_file()]


async def test_two_authorizations_are_refused(front: RpcFront):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await files_pb2_grpc.FileServiceStub(front.client.channel).List(
            files_pb2.ListFilesRequest(), metadata=(*front.client.metadata, *front.other.metadata)
        )
    assert caught.value.code() is CODE.UNAUTHENTICATED and "one authorization" in (caught.value.details() or "")


async def test_metadata_that_is_too_large_is_refused(front: RpcFront):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await files_pb2_grpc.FileServiceStub(front.client.channel).List(
            files_pb2.ListFilesRequest(), metadata=(*front.client.metadata, ("x", "x" * 40_000))
        )
    assert caught.value.code() is CODE.RESOURCE_EXHAUSTED


async def refused(client: Client, method: str, request: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(client, method)(*request)
    return caught.value.code()


async def test_messages_are_bounded_by_their_method_and_in_their_parts(front: RpcFront):
    many = {"a": [None] * 60_000}
    large = collections_pb2.CreateCollectionRequest(name="x" * 600_000, collection_type=1)  # type: ignore[arg-type]
    assert await refused(front.client, "collections", ("Create", large)) is CODE.OUT_OF_RANGE
    assert await refused(front.client, "responses", ("Create", asks("x" * 1_100_000))) is CODE.OUT_OF_RANGE
    parts = files_pb2.UpdateFileRequest(file_id="f", metadata=many)
    assert await refused(front.client, "files", ("Update", parts)) is CODE.INVALID_ARGUMENT


async def test_a_connection_that_says_nothing_is_closed(front: RpcFront):
    server, port = create_server(front.backend, "127.0.0.1:0", handshake_ms=1000)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(20):
        while await reader.read(1000):
            pass
    writer.close()
    await server.stop(0)


@pytest.mark.parametrize(
    ("peer", "address"),
    [("ipv4:10.0.0.1:5000", "10.0.0.1"), ("ipv6:%5B2001:db8::1%5D:5000", "2001:db8::1"), ("unix:/s", "unix:/s")],
)
def test_a_peer_is_known_by_its_address(peer: str, address: str):
    assert address_of(peer) == address
