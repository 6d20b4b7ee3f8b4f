"""A whole index without Ray: the real store, replicas of every shard, the front's search over them, and what it must find."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection as Group
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from sqlalchemy import insert, select

from ray_jobs.index.device import CpuDevice, Device
from ray_jobs.index.replica import ShardReplica
from ray_jobs.index.shard import Query, Shard
from services.core.clock import now_ms
from services.core.index.embedding_log import EmbeddingLog, Placement
from services.core.index.reshard import reshard
from services.core.index.shards import ensure_shards
from services.core.index.snapshots import Snapshots
from services.core.jobs import Jobs
from services.core.library.collections import Collections
from services.core.library.descriptions import Descriptions, NewEmbedding
from services.core.library.files import Files
from services.core.library.members import Members
from services.core.media import MediaInfo, SegmentDescription, Span
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.store.schema import embeddings, files
from services.core.tenants.keys import Keys
from services.nimbus.engine.client import MovedError, VectorHit
from services.nimbus.engine.shards import ShardSearch

DIMENSIONS = 8
REPLICAS = 2
SPREAD_VECTORS = 8
WORKER = "worker"


def vector(number: int) -> np.ndarray:
    """A different unit vector for every number."""
    values = np.random.default_rng(number).standard_normal(DIMENSIONS)
    return (values / np.linalg.norm(values)).astype("<f4")


@dataclass
class Piece:
    """What the index must know of one embedding."""

    id: int
    segment_id: str
    vector: np.ndarray


@dataclass
class Truth:
    """What was acknowledged: the pieces of each file, and the files of each tenant's collections."""

    pieces: dict[str, list[Piece]] = field(default_factory=dict)
    files: dict[str, set[str]] = field(default_factory=dict)  # by tenant
    collections: dict[tuple[str, str], set[str]] = field(default_factory=dict)  # files by (tenant, collection)

    def nearest(
        self, tenant: str, collections: Sequence[str], query: np.ndarray, limit: int, distinct: str, only: Group[str]
    ) -> list[Any]:
        """By brute force: the nearest `limit` different ids, segments or files."""
        best: dict[Any, float] = {}
        for collection in collections:
            for file in self.collections.get((tenant, collection), ()):
                for piece in self.pieces[file] if not only or file in only else ():
                    key = {"embedding": piece.id, "segment": piece.segment_id, "file": file}[distinct]
                    best[key] = max(best.get(key, -2.0), float(piece.vector @ query))
        return sorted(best, key=lambda key: -best[key])[:limit]


class LocalEngine:
    """What the front calls, answered by the replica of each shard that the ingress would choose."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.chosen = 0

    async def search(
        self,
        shard: int,
        tenant_id: str,
        collection_ids: Sequence[str],
        vector: bytes,
        limit: int,
        min_sequence: int,
        *,
        file_ids: Group[str] = (),
        segment_ids: Group[str] = (),
        distinct: Any = "embedding",
        space: str = "",
    ) -> list[VectorHit]:
        replica = await self._world.replica(shard, self.chosen)
        query = Query(
            tenant_id,
            tuple(collection_ids),
            np.frombuffer(vector, "<f4"),
            limit,
            tuple(file_ids),
            tuple(segment_ids),
            distinct,
            space,
        )
        answer = await replica.search(query, min_sequence)
        if answer.moved_sequence > min_sequence:
            raise MovedError
        return [VectorHit(hit.embedding_id, hit.collection_id, hit.score) for hit in answer.hits]


class World:
    def __init__(self, url: str, folder: Path, device: Device | None = None) -> None:
        self.device = device or CpuDevice(DIMENSIONS)
        self.database = Database(url)
        self.objects = Objects(f"file://{folder}")
        self.log = EmbeddingLog(self.database)
        self.snapshots = Snapshots(self.database, self.objects, kept=1)
        self.members = Members(self.database, spread_vectors=SPREAD_VECTORS)
        self.descriptions = Descriptions(self.database)
        self.jobs = Jobs(self.database, lease_seconds=600)
        self.files = Files(self.database, self.objects, max_upload_bytes=1)
        self.engine = LocalEngine(self)
        self.nearest = ShardSearch(self.engine, self.log)  # type: ignore[arg-type]
        self.truth = Truth()
        self.replicas: dict[tuple[int, int], ShardReplica] = {}
        self.numbers = itertools.count(1)

    async def open(self, shard_count: int) -> None:
        self.shard_count = shard_count
        await ensure_shards(self.database, shard_count)
        keys = Keys(self.database)
        self.tenants = [(await keys.authenticate(await keys.create(str(uuid4())))).tenant_id for _ in range(2)]

    async def close(self) -> None:
        for place in list(self.replicas):
            await self.kill(*place)
        await self.database.close()

    async def replica(self, shard: int, number: int) -> ShardReplica:
        """One that runs; started now where none does."""
        if (shard, number) not in self.replicas:
            replica = ShardReplica(
                shard,
                self.log,
                Shard(device=self.device),
                snapshots=self.snapshots,
            )
            await replica.start()
            self.replicas[shard, number] = replica
        return self.replicas[shard, number]

    async def kill(self, shard: int, number: int) -> None:
        """It loses all that it holds: a replica keeps nothing of its own."""
        replica = self.replicas.pop((shard, number), None)
        if replica is not None:
            await replica.close()

    async def make_collection(self, tenant: str) -> str:
        collections = Collections(self.database, shard_count=self.shard_count)
        made = await collections.create(tenant, name=str(uuid4()), collection_type="media-descriptions")
        self.truth.collections[tenant, made.id] = set()
        return made.id

    async def delete_collection(self, tenant: str, collection: str) -> None:
        await Collections(self.database, shard_count=self.shard_count).delete(tenant, collection)
        del self.truth.collections[tenant, collection]

    async def make_file(self, tenant: str) -> str:
        id = str(uuid4())
        row = {
            "id": id,
            "tenant_id": tenant,
            "status": "completed",
            "filename": "talk.mp4",
            "size_bytes": 1,
            "sha256": "",
            "object_key": f"tenants/{tenant}/files/{id}/original",
            "source": "upload",
            "metadata": {},
            "media_info": MediaInfo("video", 10.0, "mp4", has_audio=True).to_json(),
            "segment_thumbnails": False,
            "created_at": now_ms(),
        }
        async with self.database.write() as connection:
            await connection.execute(insert(files).values(**row))
        self.truth.files.setdefault(tenant, set()).add(id)
        return id

    async def join(self, tenant: str, collection: str, file: str, segments: int, pieces: int) -> None:
        """Adds the file, and describes it unless that was done before."""
        member = await self.members.add(tenant, collection, file)
        job = await self.jobs.claim(WORKER)
        if job is not None and job.kind == "describe":
            spans = [Span(number, number + 1) for number in range(segments)]
            for segment in await self.descriptions.start(job, WORKER, spans):
                new = [self._piece() for _ in range(pieces)]
                content = SegmentDescription(title="")
                await self.descriptions.write_segment(job, WORKER, segment, content, "", new)
            await self.descriptions.finish(job, WORKER, title="", summary="")
            await self.jobs.finish(job, WORKER)
            self.truth.pieces[file] = await self._pieces(member.description_id)
        self.truth.collections[tenant, collection].add(file)

    async def leave(self, tenant: str, collection: str, file: str) -> None:
        await self.members.remove(tenant, collection, file)
        self.truth.collections[tenant, collection].discard(file)

    async def delete_file(self, tenant: str, file: str) -> None:
        await self.files.delete(tenant, file)
        self.truth.files[tenant].discard(file)
        self.truth.pieces.pop(file, None)
        for members in self.truth.collections.values():
            members.discard(file)

    async def reshard(self, shard_count: int) -> None:
        await reshard(self.database, shard_count, spread_vectors=SPREAD_VECTORS)
        self.shard_count = shard_count

    async def check(
        self,
        tenant: str,
        collections: Sequence[str],
        query: np.ndarray,
        limit: int,
        distinct: Any,
        only: Group[str] = (),
        placements: Sequence[Placement] | None = None,
    ) -> None:
        """A search finds exactly what a look at everything acknowledged does, in its order."""
        hits = await self.nearest.find(
            tenant, collections, query.tobytes(), limit, distinct=distinct, file_ids=only, placements=placements
        )
        owners = {piece.id: (file, piece) for file, pieces in self.truth.pieces.items() for piece in pieces}
        found = []
        for hit in hits:
            assert hit.embedding_id in owners, "a deleted row was returned"
            file, piece = owners[hit.embedding_id]
            assert file in self.truth.collections.get((tenant, hit.collection_id), ()), "a foreign row was returned"
            assert abs(hit.score - float(piece.vector @ query)) < 1e-5
            found.append({"embedding": piece.id, "segment": piece.segment_id, "file": file}[distinct])
        assert list(dict.fromkeys(found))[:limit] == self.truth.nearest(
            tenant, collections, query, limit, distinct, only
        )

    def _piece(self) -> NewEmbedding:
        number = next(self.numbers)
        return NewEmbedding("speech", str(number), 0.0, 1.0, vector(number).tobytes())

    async def _pieces(self, description_id: str) -> list[Piece]:
        query = select(embeddings).where(embeddings.c.description_id == description_id)
        async with self.database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Piece(row.id, row.segment_id, np.frombuffer(row.vector, "<f4")) for row in rows]


def run(runner: asyncio.Runner, work: Any) -> Any:
    return runner.run(asyncio.wait_for(work, 60))
