"""Secrets are rotated as the operations page says, one process after the other, and nothing fails meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc

from ray_jobs.ingress import Gate
from services.core.engines.config import load_engine_config
from services.core.errors import ArcusError, Reason
from services.core.library.thumbnails import NewThumbnail, Thumbnails
from services.core.media import MediaInfo
from services.core.settings import Settings
from services.nimbus.engine.client import EngineClient
from tests.contract.store_steps import Store

PROCESSES = 3  # fronts, and as many replicas
STEPS = (("old", ""), ("old", "new"), ("new", "old"), ("new", ""))  # the secret in use, and the other one


class Replicas(pb_grpc.EmbedServiceServicer):
    """One port in front of all, each with the gate that it was started with; calls go round them."""

    def __init__(self) -> None:
        self.gates = [Gate(*STEPS[0])] * PROCESSES
        self.calls = 0

    async def Embed(self, request: Any, context: Any) -> Any:
        self.calls += 1
        return await self.gates[self.calls % PROCESSES].unary(context, self._answer, request, pb.EmbedResponse())

    async def _answer(self, request: Any) -> Any:
        return pb.EmbedResponse(dimensions=1, vectors=bytes(4 * len(request.texts)))


@pytest.fixture
async def replicas() -> AsyncIterator[tuple[Replicas, str]]:
    server, replicas = grpc.aio.server(), Replicas()
    pb_grpc.add_EmbedServiceServicer_to_server(replicas, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield replicas, f"127.0.0.1:{port}"
    await server.stop(grace=0)


def restarts(seed: int) -> Iterator[tuple[str, int, tuple[str, str]]]:
    """(front or replica, its number, the secrets that it starts with): all of a step before any of the next."""
    order = random.Random(seed)
    for secrets in STEPS[1:]:
        which = [(kind, number) for kind in ("front", "replica") for number in range(PROCESSES)]
        for kind, number in order.sample(which, len(which)):
            yield kind, number, secrets


@pytest.mark.parametrize("seed", range(3))
async def test_no_call_fails_while_the_engines_secret_is_rotated(replicas: tuple[Replicas, str], seed: int) -> None:
    behind, address = replicas
    config = load_engine_config(Settings())

    def client(secret: str) -> EngineClient:
        return EngineClient(address, secret, timeout_seconds=30, config=config)

    fronts = [client("old") for _ in range(PROCESSES)]
    asked, stopped = 0, asyncio.Event()

    async def ask() -> None:
        nonlocal asked
        while not stopped.is_set():
            for number in range(PROCESSES):
                assert await fronts[number].embed(["a question"]) == [bytes(4)]
                asked += 1

    asking = asyncio.create_task(ask())
    left = []
    for kind, number, secrets in restarts(seed):
        before = asked
        if kind == "replica":
            behind.gates[number] = Gate(*secrets)
        else:
            left.append(fronts[number])
            fronts[number] = client(secrets[0])
        while asked < before + 2 * PROCESSES and not asking.done():  # noqa: ASYNC110  each front asks, and each replica is
            await asyncio.sleep(0)
    stopped.set()
    await asking
    assert behind.calls == asked > 6 * PROCESSES * PROCESSES
    with pytest.raises(ArcusError):
        await left[0].embed(["with the old one"])
    for each in (*left, *fronts):
        await each.close()


async def test_every_front_takes_every_fronts_links_while_their_secret_is_rotated(store: Store) -> None:
    file = await store.upload()
    picture = f"{file.object_key}.jpg"
    await store.objects.put(picture, b"a picture")
    await store.files.set_probed(
        file.id, MediaInfo("video", 9.0, "mp4", has_audio=False), NewThumbnail(1.0, 4, 3, picture)
    )
    (id,) = [each.id for each in (await store.thumbnails.defaults(store.tenant, [file.id])).values()]

    def front(secret: str, other: str) -> Thumbnails:
        return Thumbnails(store.database, store.objects, secret=secret, other_secret=other)

    fronts = [front(*STEPS[0])] * PROCESSES
    link_of_before = fronts[0].signature(id)
    for kind, number, secrets in restarts(0):
        if kind == "front":
            fronts[number] = front(*secrets)
            for signing in fronts:
                for asked in fronts:
                    assert await asked.picture(id, signing.signature(id)) == b"a picture"
            if secrets != STEPS[-1]:
                assert await fronts[number].picture(id, link_of_before) == b"a picture"
    with pytest.raises(ArcusError) as caught:
        await fronts[0].picture(id, link_of_before)
    assert caught.value.reason is Reason.UNAUTHENTICATED
