"""What a replica's own port takes from strangers and from peers that keep no bound: little, and it goes on."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from arcus.engine.v1 import engine_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_jobs import direct
from services.core import frames
from services.core.settings import Settings
from tests.contract.direct_world import VECTORS, Served, find, framed, reply, running, truth, until


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with running(Served()) as made:
        yield made


@pytest.mark.parametrize(
    "first",
    [
        lambda served: served.hello(secret="wrong"),
        lambda served: served.hello(secret=""),
        lambda served: served.hello(replica="another"),
        lambda served: framed(pb.DirectCall(hello=True)),
        lambda served: framed(pb.DirectCall(id=1, search=pb.SearchRequest())),
        lambda served: frames.LENGTH.pack(direct.HELLO_BYTES + 1),
        lambda served: served.hello() + frames.LENGTH.pack(frames.MAX_FRAME_BYTES + 1),
        lambda served: served.hello() + frames.LENGTH.pack(3) + b"\xff\xff\xff",
    ],
)
async def test_a_peer_that_may_not_ask_is_cut_off(served: Served, first: Any) -> None:
    reader, writer = await served.peer()
    writer.write(first(served) + framed(pb.DirectCall(id=2, search=pb.SearchRequest())))
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionError):
            await reader.read()
    writer.close()
    await until(lambda: not served.edge._direct.connections)
    assert served.replica.begun == 0


async def test_a_peer_that_says_nothing_is_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "HELLO_SECONDS", 0.1)
    reader, writer = await served.peer()
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()


async def test_a_peer_that_reads_nothing_is_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_UNSENT_BYTES", 100_000)
    _, writer = await served.peer()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(served.hello())
    request = pb.SearchRequest(tenant_id="t", collection_ids=["a"], vector=VECTORS[0].tobytes(), limit=200)
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(60):
            for id in itertools.count(1):
                writer.write(framed(pb.DirectCall(id=id, search=request)))
                await writer.drain()
                await asyncio.sleep(0)
                if id > 1 and not served.edge._direct.connections:
                    break
    assert not served.edge._direct.connections
    writer.close()
    assert await find(served.client("ingress")) == truth(0)


async def test_no_more_than_its_bounds_are_taken(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "CONNECTIONS", 2)
    monkeypatch.setattr(direct, "CALLS", 3)
    served.replica.go.clear()
    peers = [await served.peer() for _ in range(2)]
    reader, writer = peers[0]
    writer.write(served.hello())
    assert (await reply(reader)).hello
    third, of_third = await served.peer()
    with contextlib.suppress(ConnectionError):
        assert await third.read() == b""
    request = pb.SearchRequest(tenant_id="t", collection_ids=["a"], vector=VECTORS[0].tobytes(), limit=1)
    for id in range(1, 6):
        writer.write(framed(pb.DirectCall(id=id, search=request)))
    assert {(await reply(reader)).failure.code for _ in range(2)} == {"RESOURCE_EXHAUSTED"}
    writer.write(b"".join(framed(pb.DirectCall(id=id, cancel=True)) for id in (1, 2, 9)))
    await until(lambda: served.replica.cancelled == 2)
    writer.write(framed(pb.DirectCall(id=7, search=request)))
    served.replica.go.set()
    assert {(await reply(reader)).id for _ in range(2)} == {3, 7}
    for each in (writer, of_third, peers[1][1]):
        each.close()


async def test_a_call_that_is_cancelled_before_it_begins_takes_no_place(served: Served) -> None:
    reader, writer = await served.peer()
    writer.write(served.hello())
    await reply(reader)
    request = pb.SearchRequest(tenant_id="t", collection_ids=["a"], vector=VECTORS[0].tobytes(), limit=1)
    for id in range(2 * frames.CALLS):
        writer.write(framed(pb.DirectCall(id=id, search=request)) + framed(pb.DirectCall(id=id, cancel=True)))
        if id % 100 == 99:
            await asyncio.sleep(0.01)
    (connection,) = served.edge._direct.connections
    await until(lambda: not connection._calls)
    writer.write(framed(pb.DirectCall(id=10**6, search=request)))
    while (last := await reply(reader)).id != 10**6:
        pass
    assert last.search.hits
    writer.close()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), is_known=st.booleans(), junk=st.lists(st.binary(max_size=200), max_size=8))
def test_whatever_comes_the_replica_lives(seed: int, is_known: bool, junk: list[bytes]) -> None:
    async def play() -> None:
        served, at = Served(), random.Random(seed)
        await served.start()
        failed: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
        _, writer = await served.peer()
        call = pb.DirectCall(
            id=at.choice([0, 1, 2**64 - 1]),
            timeout_ms=at.choice([0, 1, 2**32 - 1]),
            metadata={"traceparent": "00-x", "x-request-id": "\n"},
            search=pb.SearchRequest(vector=at.randbytes(at.randrange(80)), limit=at.randrange(2**32), count=2**32 - 1),
        ).SerializeToString()
        pieces = [served.hello()] if is_known else []
        for piece in junk:
            form = at.randrange(4)
            mangled = bytearray(call)
            mangled[at.randrange(len(mangled))] = at.randrange(256)
            body = (piece, call, bytes(mangled), call)[form]
            pieces.append(body if form == 0 and at.random() < 0.5 else frames.LENGTH.pack(len(body)) + body)
        sent = b"".join(pieces)
        with contextlib.suppress(ConnectionError):
            while sent:
                cut = at.randrange(1, len(sent) + 1)
                writer.write(sent[:cut])
                await writer.drain()
                sent = sent[cut:]
        writer.close()
        client = await served.connected()
        assert await find(client) == truth(0)
        await until(lambda: len(served.edge._direct.connections) == 1)
        await served.stop()
        assert not failed

    asyncio.run(play())


@pytest.mark.parametrize("text", ["1-2", "20000", "20001-20000", "70000-70001", "20000-", "-1-2"])
def test_ports_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Settings(engine_direct_ports=text)


async def test_a_replica_takes_a_free_port_of_those_that_are_named(served: Served) -> None:
    def made() -> Any:
        return served.own_port()

    taken = (await served.edge._direct.told(pb.DirectRequest())).port
    none = made()
    await none.start("127.0.0.1", (taken,))
    assert await none.told(pb.DirectRequest()) == pb.DirectResponse()
    some, ports = made(), Settings(engine_direct_ports="21000-21040").direct_ports
    await some.start("127.0.0.1", ports)
    assert (await some.told(pb.DirectRequest())).port in range(21000, 21041)
    await some.close()
