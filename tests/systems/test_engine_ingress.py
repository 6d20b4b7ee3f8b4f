"""The engines on a real Ray Serve, called the way the front calls them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc
from cloudglue import Cloudglue

from services.cli.credentials import start_key
from services.cli.instance import START_SECONDS, first_line
from services.core.engines.config import SCRIPTED_ANSWERS
from services.core.settings import Settings
from tests.front_process import start_front
from tests.waiting import until

SECRET = "of this test"
STREAMS = 256  # as many as a generate replica runs at once


def metadata(application: str, secret: str = SECRET) -> tuple[tuple[str, str], ...]:
    return (("application", application), ("x-arcus-secret", secret))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a runtime with the scripted engine and two index shards, and of a front before it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    return {
        **os.environ,
        "RAY_ADDRESS": "127.0.0.1:1",  # another cluster's address must not matter
        "ARCUS_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "ARCUS_DATABASE_URL": "",
        "ARCUS_ENGINE_ADDRESS": address,
        "ARCUS_ENGINE_SECRET": SECRET,
        "ARCUS_ROLES": SCRIPTED_ANSWERS,
        "ARCUS_INDEX_SHARDS": "2",
    }


@pytest.fixture(scope="module")
def address(environment: dict[str, str]) -> Iterator[str]:
    """host:port of the runtime."""
    with tempfile.TemporaryDirectory(prefix="arcus-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        with (Path(environment["ARCUS_DATA_DIR"]) / "runtime.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "ray_jobs.runtime", folder],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
            )
        try:
            assert process.stdout is not None
            ready = json.loads(first_line(process, START_SECONDS) or "{}")
            assert ready, Path(log.name).read_text()[-4000:]
            assert ready["engine_address"] == environment["ARCUS_ENGINE_ADDRESS"]
            yield ready["engine_address"]
        finally:
            process.terminate()
            process.wait(30)
            process.stdout.close()


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel


async def test_one_port_serves_every_application(channel: grpc.aio.Channel) -> None:
    embedded = await engine_pb2_grpc.EmbedServiceStub(channel).Embed(
        pb.EmbedRequest(texts=["a cat sleeps", "a kitten naps", "the stock market fell"]), metadata=metadata("embed")
    )
    vectors = np.frombuffer(embedded.vectors, "<f4").reshape(3, embedded.dimensions)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    for shard in ("index-0", "index-1"):
        found = await engine_pb2_grpc.IndexServiceStub(channel).Search(
            pb.SearchRequest(tenant_id="t", collection_ids=["c"], vector=vectors[0].tobytes(), limit=5),
            metadata=metadata(shard),
        )
        assert not found.hits
    chunks = engine_pb2_grpc.GenerateServiceStub(channel).Generate(
        pb.GenerateRequest(instructions='{"messages": 3}'), metadata=metadata("engine-scripted")
    )
    first, *told = [chunk async for chunk in chunks]
    assert not first.ByteSize(), "it says at once that it is there"
    assert [chunk.finish_reason for chunk in told] == ["", "", "", "stop"]


@pytest.mark.parametrize("secret", ["", "wrong"])
async def test_no_application_answers_without_the_secret(channel: grpc.aio.Channel, secret: str) -> None:
    calls = [
        engine_pb2_grpc.EmbedServiceStub(channel).Embed(pb.EmbedRequest(), metadata=metadata("embed", secret)),
        engine_pb2_grpc.IndexServiceStub(channel).Search(pb.SearchRequest(), metadata=metadata("index-0", secret)),
        engine_pb2_grpc.GenerateServiceStub(channel)
        .Generate(pb.GenerateRequest(), metadata=metadata("engine-scripted", secret))
        .read(),
    ]
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_an_error_arrives_with_its_reason_after_what_was_said(channel: grpc.aio.Channel) -> None:
    script = '{"messages": 5, "fail_after": 2, "fail_reason": "LIMIT_EXCEEDED"}'
    received = 0
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for chunk in engine_pb2_grpc.GenerateServiceStub(channel).Generate(
            pb.GenerateRequest(instructions=script), metadata=metadata("engine-scripted")
        ):
            received += bool(chunk.text)
    assert received == 2
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(raised.value.trailing_metadata() or ())["x-arcus-reason"] == "LIMIT_EXCEEDED"


async def test_a_search_that_names_a_row_yet_unwritten_is_told_to_come_again(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await engine_pb2_grpc.IndexServiceStub(channel).Search(
            pb.SearchRequest(tenant_id="t", vector=bytes(4 * 384), limit=1, min_sequence=1),
            metadata=metadata("index-0"),
            timeout=60,
        )
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def test_deltas_arrive_while_the_answer_is_being_made(address: str, environment: dict[str, str]) -> None:
    """An engine that speaks every 0.2 s is heard every 0.2 s, by the SDK that reads 4 KiB at a time."""
    slow = '{"messages": 6, "tokens_per_message": 1, "interval_seconds": 0.2}'
    key = asyncio.run(start_key(Settings(data_dir=Path(environment["ARCUS_DATA_DIR"]))))
    front = start_front(environment)
    try:
        client = Cloudglue(api_key=key, host=front.url)
        collection = client.collections.create(name="empty", collection_type="media-descriptions")
        arrivals = []
        for event in client.responses.create(
            input="anything", collections=[collection.id], model="nimbus-001", instructions=slow, stream=True
        ):
            if event["event"] == "response.output_text.delta":
                arrivals.append(time.monotonic())
        assert len(arrivals) == 6
        assert arrivals[-1] - arrivals[0] > 0.5, "they came all at once, at the end"
    finally:
        front.kill()


def test_what_a_killed_front_was_telling_is_counted_by_the_engine(address: str, environment: dict[str, str]) -> None:
    """Of an answer that is kept nowhere."""
    key = asyncio.run(start_key(Settings(data_dir=Path(environment["ARCUS_DATA_DIR"]))))
    asked = {"model": "nimbus-001", "input": "anything", "store": False, "stream": True}
    script = {"messages": 1000, "tokens_per_message": 3, "interval_seconds": 0.05}
    front, other = start_front(environment), start_front(environment)
    with httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False) as client:

        def told() -> int:
            buckets = client.get(f"{other.url}/usage", params={"group_by": "kind"}).raise_for_status().json()["data"]
            return sum(bucket["output_tokens"] for bucket in buckets)

        try:
            already, read = told(), 0
            body = {**asked, "instructions": json.dumps(script)}
            with suppress(httpx.HTTPError), client.stream("POST", f"{front.url}/responses", json=body) as reply:
                for line in reply.iter_lines():
                    read += line.startswith("data: ") and "output_text.delta" in line
                    if read == 5:
                        front.kill()
            until(lambda: told() > already, "the engine counts it")
            assert 3 * read <= told() - already < 3 * script["messages"]
        finally:
            front.kill()
            other.kill()


async def test_cancelled_streams_free_the_engine(channel: grpc.aio.Channel) -> None:
    generate = engine_pb2_grpc.GenerateServiceStub(channel).Generate
    endless = pb.GenerateRequest(instructions='{"messages": 1000000, "interval_seconds": 1}')
    streams = [generate(endless, metadata=metadata("engine-scripted")) for _ in range(STREAMS)]
    await asyncio.gather(*(stream.read() for stream in streams))
    # Every place is taken: the next one waits for its turn.
    short = pb.GenerateRequest(instructions='{"messages": 1}')
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await generate(short, metadata=metadata("engine-scripted"), timeout=1).read()
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    for stream in streams:
        stream.cancel()
    chunks = [chunk async for chunk in generate(short, metadata=metadata("engine-scripted"), timeout=60)]
    assert chunks[-1].finish_reason == "stop"
