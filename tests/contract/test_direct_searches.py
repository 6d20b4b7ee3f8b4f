"""Searches over a connection to a replica are those through the ingress, and go through it where there is no connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc
from structlog.contextvars import bound_contextvars

from services.core.errors import ArcusError, Reason
from services.nimbus.engine import direct as of_front
from services.nimbus.engine.client import MovedError
from services.telemetry import tracing
from tests.contract.direct_world import WAYS, Served, connections, find, running, searched, truth, until
from tests.recorded_spans import record_spans


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with running(Served()) as made:
        yield made


@pytest.mark.parametrize("way", WAYS)
async def test_the_nearest_are_found_one_by_one_and_together(served: Served, way: str) -> None:
    client = await served.connected(way)
    before = searched(client, way)
    for number in range(5):
        assert await find(client, number) == truth(number)
    together = await asyncio.gather(*[find(client, number) for number in range(100)])
    assert together == [truth(number) for number in range(100)]
    assert await find(client, 4, file_ids=["f3", "f4"]) == [5, 4]
    assert searched(client, way) - before == 106 and sum(searched(client, each) for each in WAYS) - before == 106 + (
        searched(client, "ingress") if way == "direct" else 0
    )


@pytest.mark.parametrize("way", WAYS)
async def test_a_search_names_the_row_and_hears_of_files_that_left(served: Served, way: str) -> None:
    client = await served.connected(way)
    with bound_contextvars(request_id="req_1"):
        await find(client, file_ids=["f1"], min_sequence=77)
    assert served.replica.seen[-1] == (77, "req_1")
    with pytest.raises(MovedError):
        await find(client, min_sequence=8)


@pytest.mark.parametrize("way", WAYS)
async def test_a_search_stands_in_its_trace(served: Served, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await served.connected(way)
    spans = record_spans(monkeypatch)
    with tracing.request_span("GET", {"traceparent": f"00-{7:032x}-{1:016x}-01"}):
        await find(client)
    (of_replica,) = [each for each in spans.get_finished_spans() if each.name == "Search"]
    (of_front,) = [each for each in spans.get_finished_spans() if each.name.startswith("retrieval")]
    assert of_replica.context.trace_id == 7 and of_replica.parent.span_id == of_front.context.span_id


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (ArcusError(Reason.LIMIT_EXCEEDED, "Too many wait."), Reason.LIMIT_EXCEEDED, "Too many wait."),
        (ArcusError(Reason.ENGINE_UNAVAILABLE, "Behind."), Reason.ENGINE_UNAVAILABLE, "Behind."),
        (KeyError("secret"), Reason.INTERNAL, ArcusError(Reason.INTERNAL).message),
    ],
)
async def test_a_replica_that_fails_says_why(
    served: Served, way: str, error: Exception, reason: Reason, message: str
) -> None:
    client = await served.connected(way)
    served.replica.error, begun = error, served.replica.begun
    with pytest.raises(ArcusError) as caught:
        await find(client)
    assert (caught.value.reason, caught.value.message) == (reason, message)
    assert served.replica.begun == begun + 1


@pytest.mark.parametrize("way", WAYS)
async def test_what_the_index_does_not_take_is_refused(served: Served, way: str) -> None:
    client = await served.connected(way)
    with pytest.raises(ArcusError) as caught:
        await find(client, limit=10**6)
    assert caught.value.reason is Reason.INVALID_ARGUMENT and caught.value.message.startswith("limit must be")


@pytest.mark.parametrize("way", WAYS)
async def test_nobody_works_for_a_search_that_was_given_up(served: Served, way: str) -> None:
    client = await served.connected(way)
    served.replica.go.clear()
    begun = served.replica.begun
    asking = asyncio.create_task(find(client))
    await until(lambda: served.replica.begun > begun)
    asking.cancel()
    await asyncio.wait([asking])
    await until(lambda: served.replica.cancelled == 1)
    served.replica.go.set()
    assert await find(client) == truth(0)


@pytest.mark.parametrize("way", WAYS)
async def test_nobody_works_for_a_search_that_is_late(served: Served, way: str) -> None:
    client = await served.connected(way, timeout_seconds=0.5)
    served.replica.go.clear()
    with pytest.raises(ArcusError) as caught:
        await find(client)
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE
    await until(lambda: served.replica.cancelled == 1)


async def test_a_replica_that_is_lost_meanwhile_is_asked_through_the_ingress(served: Served) -> None:
    client = await served.connected()
    served.replica.go.clear()
    begun = served.replica.begun
    asking = [asyncio.create_task(find(client, number)) for number in range(3)]
    await until(lambda: served.replica.begun > begun)
    await served.edge._direct.close()
    served.replica.go.set()
    assert await asyncio.gather(*asking) == [truth(number) for number in range(3)]
    assert searched(client, "ingress") >= 2 and connections(client) == 0


async def test_a_replica_that_starts_anew_is_found(served: Served) -> None:
    client = await served.connected()
    for _ in range(2):
        await served.edge._direct.close()
        assert await find(client) == truth(0)
        served.edge._direct = served.own_port()
        await served.edge._direct.start("127.0.0.1")
        await until(lambda: connections(client) == 1)
        before = searched(client, "direct")
        assert await find(client) == truth(0)
        assert searched(client, "direct") == before + 1


async def test_a_process_that_stands_still_is_left_for_the_ingress(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await served.connected()
    monkeypatch.setattr("services.nimbus.engine.calls.TRY_SECONDS", 0.2)
    for connection in served.edge._direct.connections:
        monkeypatch.setattr(connection, "took", lambda frame: None)
    assert await find(client) == truth(0)
    assert searched(client, "ingress") == 2
    await until(lambda: connections(client) == 1)  # anew


class Earlier(pb_grpc.IndexServiceServicer):
    """Of the version that knew of no connections."""

    def __init__(self, edge: Any) -> None:
        self.Search, self.SearchMany = edge.Search, edge.SearchMany  # type: ignore[method-assign]
        self.asked = 0

    async def Direct(self, request: Any, context: Any) -> Any:
        self.asked += 1
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


@pytest.mark.parametrize("way", ["earlier", "switched off", "nobody listens", "a stranger listens", "says nothing"])
async def test_what_has_no_connection_is_searched_through_the_ingress(
    served: Served, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_front, "CONNECT_SECONDS", 0.2)
    looked = 0
    where = await served.edge._direct.told(pb.DirectRequest())

    async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(quiet, "127.0.0.1", 0)

    async def told_instead(_request: Any) -> pb.DirectResponse:
        nonlocal looked
        looked += 1
        return {
            "switched off": pb.DirectResponse(),
            "nobody listens": pb.DirectResponse(replica="r", host="127.0.0.1", port=1),
            "a stranger listens": pb.DirectResponse(replica="another", host=where.host, port=where.port),
            "says nothing": pb.DirectResponse(replica="r", host="127.0.0.1", port=silent.sockets[0].getsockname()[1]),
        }[way]

    if way == "earlier":
        await served.server.stop(grace=0)
        earlier = Earlier(served.edge)
        served.server = grpc.aio.server()
        pb_grpc.add_IndexServiceServicer_to_server(earlier, served.server)
        served.port = served.server.add_insecure_port("127.0.0.1:0")
        await served.server.start()
    else:
        served.edge._direct.told = told_instead
    client = served.client()
    await find(client)
    await until(lambda: (earlier.asked if way == "earlier" else looked) >= 2)
    assert [await find(client, number) for number in range(3)] == [truth(number) for number in range(3)]
    assert searched(client, "ingress") == 4 and connections(client) == 0
    silent.close()


async def test_while_a_replica_is_not_known_the_ingress_gets_what_would_wait(served: Served) -> None:
    client = await served.connected(index_replicas=2)
    served.replica.go.clear()
    begun, before = served.replica.begun, {way: searched(client, way) for way in WAYS}
    asking = []
    for number in range(2):
        asking.append(asyncio.create_task(find(client, number)))
        await until(lambda number=number: served.replica.begun == begun + 1 + number)
    served.replica.go.set()
    await asyncio.gather(*asking)
    assert {way: searched(client, way) - before[way] for way in WAYS} == {"direct": 1, "ingress": 1}


async def test_a_replica_that_the_ingress_leads_to_no_more_is_left(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LEFT_SECONDS", "KNOWN_SECONDS"):
        monkeypatch.setattr(of_front, name, 0.3)
    client = await served.connected()
    (old,) = served.edge._direct.connections
    other = served.own_port()
    await other.start("127.0.0.1")
    former, served.edge._direct = served.edge._direct, other
    await until(lambda: not former.connections and len(other.connections) == 1)
    assert await find(client) == truth(0) and not old.is_open
    await former.close()


async def test_an_ingress_that_does_not_answer_says_nothing_against_a_replica(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LEFT_SECONDS", "KNOWN_SECONDS"):
        monkeypatch.setattr(of_front, name, 0.1)
    client = await served.connected()
    looks, ask = 0, client._ways["index-0"].direct._ask  # type: ignore[union-attr]

    async def counted() -> pb.DirectResponse:
        nonlocal looks
        looks += 1
        return await ask()

    monkeypatch.setattr(client._ways["index-0"].direct, "_ask", counted)
    await served.server.stop(grace=0)
    await until(lambda: looks >= 4)
    assert await find(client) == truth(0) and connections(client) == 1


async def test_a_request_beyond_a_frame_goes_through_the_ingress(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await served.connected()
    (connection,) = client._ways["index-0"].direct._connections.values()  # type: ignore[union-attr]
    connection.max_frame_bytes = 1000
    before = searched(client, "ingress")
    assert await find(client, file_ids=[f"f{n}" for n in range(600)]) == truth(0)
    assert searched(client, "ingress") == before + 1 and connections(client) == 1
