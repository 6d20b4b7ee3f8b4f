"""Everything a transport can ask for, built once from the settings: the one behaviour behind HTTP and gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.core.answers.chats import Chats
from services.core.answers.ended_logs import EndedLogs
from services.core.answers.log import ResponseLog
from services.core.answers.responses import Responses
from services.core.engines.config import load_engine_config
from services.core.index.embedder import ensure_embedder
from services.core.index.embedding_log import EmbeddingLog
from services.core.index.shards import ensure_shards
from services.core.library.catalog import Catalog
from services.core.library.collections import Collections
from services.core.library.deletions import Deletions
from services.core.library.descriptions import Descriptions
from services.core.library.entities import Entities
from services.core.library.files import Files
from services.core.library.members import Members
from services.core.library.segments import Segments
from services.core.library.thumbnails import Thumbnails
from services.core.link_secret import link_secret, other_link_secret
from services.core.search.full_text import FullText
from services.core.search.searches import Searches
from services.core.settings import Settings
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.tenants.admin_keys import AdminKeys
from services.core.tenants.audit import Audit
from services.core.tenants.keys import Keys
from services.core.tenants.limiter import Limiter
from services.core.tenants.limits import TenantLimit
from services.core.tenants.plans import Plans, load_plans
from services.core.tenants.remains import TenantRemains
from services.core.tenants.retention import Retention
from services.core.tenants.strangers import Strangers
from services.core.tenants.tenants import Tenants
from services.core.tenants.totals import Totals
from services.core.tenants.usage import Usage
from services.nimbus.answers.answers import Answers
from services.nimbus.answers.background import BackgroundResponses
from services.nimbus.answers.chats import ChatCompletions
from services.nimbus.answers.feeds import Feeds
from services.nimbus.answers.foreground import ForegroundResponses
from services.nimbus.answers.log_writer import LogWriter
from services.nimbus.answers.running import RunningResponses
from services.nimbus.context.retrieval import Retrieval
from services.nimbus.context.search import Searcher
from services.nimbus.context.sources import ContextBuilder
from services.nimbus.engine.client import EngineClient
from services.nimbus.entities.catalog import FileCatalog
from services.nimbus.entities.knowledge import EntityKnowledge
from services.nimbus.entities.sql import EntitySql
from services.nimbus.views.files import DescribedFiles
from services.telemetry.metrics import Metrics


@dataclass(frozen=True)
class Backend:
    settings: Settings
    database: Database
    keys: Keys
    admin_keys: AdminKeys
    tenants: Tenants
    tenant_remains: TenantRemains
    audit: Audit
    usage: Usage
    files: Files
    collections: Collections
    members: Members
    descriptions: Descriptions
    entities: Entities
    segments: Segments
    described_files: DescribedFiles
    thumbnails: Thumbnails
    responses: Responses
    engine: EngineClient
    retrieval: Retrieval
    search: Searcher
    answers: Answers
    chat_completions: ChatCompletions
    limiter: Limiter  # over all fronts, as are
    totals: Totals
    tenant_limit: TenantLimit  # in this front, shared by both transports, as are
    strangers: Strangers
    draining: asyncio.Event  # set once this process is told to stop
    metrics: Metrics
    # They run as long as the backend is open: whoever serves it ends when one of them does.
    loops: tuple[asyncio.Task[None], ...]


@asynccontextmanager
async def open_backend(settings: Settings) -> AsyncIterator[Backend]:
    """Migrates the database where the settings say so, connects, and closes all of it at the end."""
    database = Database(
        settings.database,
        pool_size=settings.database_connections,
        statement_seconds=settings.database_statement_seconds,
        min_free_bytes=settings.min_free_bytes,
    )
    config = load_engine_config(settings)
    known_plans = load_plans(settings.plans)
    plans = Plans(database, known_plans)
    metrics = Metrics(tenants=settings.metrics_tenants)
    engine = EngineClient(
        settings.engine_address,
        settings.engine_secret.get_secret_value(),
        timeout_seconds=settings.engine_timeout_seconds,
        config=config,
        index_replicas=settings.index_replicas,
        engine_direct=settings.engine_direct,
        metrics=metrics,
    )
    entity_sql = EntitySql()
    try:
        await database.prepare(migrate=settings.migrate_on_start)
        await ensure_shards(database, settings.index_shards)
        embedder = await ensure_embedder(database, config)
        objects = Objects(settings.objects, min_free_bytes=settings.min_free_bytes)
        totals = Totals(database, plans)
        files = Files(database, objects, max_upload_bytes=settings.max_upload_bytes, totals=totals)
        collections = Collections(database, shard_count=settings.index_shards)
        descriptions = Descriptions(database)
        members = Members(database, spread_vectors=settings.index_spread_vectors, totals=totals)
        thumbnails = Thumbnails(
            database, objects, secret=link_secret(settings), other_secret=other_link_secret(settings)
        )
        responses = Responses(database)
        segments = Segments(database)
        full_text = FullText(database)
        retrieval = Retrieval(
            engine=engine,
            log=EmbeddingLog(database),
            full_text=full_text,
            descriptions=descriptions,
            files=files,
            collections=collections,
            members=members,
            segments=segments,
        )
        entities = Entities(database)
        sources = ContextBuilder(
            settings=settings,
            engine=engine,
            retrieval=retrieval,
            entities=EntityKnowledge(collections=collections, entities=entities, sql=entity_sql),
            catalog=FileCatalog(Catalog(database), entity_sql),
            embedder=embedder,
        )
        limiter = Limiter(database, plans, failed=metrics.limiter_errors.inc)
        tenant_limit = TenantLimit(settings.max_requests_per_tenant)
        response_log = ResponseLog(database)
        writer = LogWriter(response_log)
        feeds = Feeds(response_log, database.notices)
        running = RunningResponses(settings.max_responses)
        metrics.answers_running.set_function(lambda: running.count)
        metrics.answers_limit.set(settings.max_responses)
        for shard in range(settings.index_shards):
            metrics.search_seconds.labels(str(shard))  # told from the start, as 0
            metrics.direct_connections.labels(f"index-{shard}")
            for way in ("direct", "ingress"):
                metrics.asked_by_way.labels(f"index-{shard}", way)
        background = BackgroundResponses(
            engine=engine,
            sources=sources,
            responses=responses,
            response_log=response_log,
            writer=writer,
            running=running,
            tenant_limit=tenant_limit,
            metrics=metrics,
            notices=database.notices,
        )
        usage = Usage(database)
        foreground = ForegroundResponses(
            engine=engine,
            sources=sources,
            responses=responses,
            response_log=response_log,
            writer=writer,
            running=running,
            metrics=metrics,
            usage=usage,
        )
        answers = Answers(
            sources=sources,
            responses=responses,
            response_log=response_log,
            writer=writer,
            feeds=feeds,
            running=running,
            foreground=foreground,
            background=background,
        )
        keys, admin_keys = Keys(database), AdminKeys(database)
        if settings.admin_key.get_secret_value():
            await admin_keys.ensure(settings.admin_key.get_secret_value(), "ARCUS_ADMIN_KEY")
        loops = (
            asyncio.create_task(keys.run(), name="key-uses"),
            asyncio.create_task(writer.run(), name="log-writer"),
            asyncio.create_task(database.notices.run(), name="notices"),
            asyncio.create_task(feeds.run(), name="response-feeds"),
            asyncio.create_task(background.run(), name="background-responses"),
            asyncio.create_task(limiter.run(), name="limiter"),
            asyncio.create_task(Deletions(database).run(), name="deletions"),
            asyncio.create_task(EndedLogs(database).run(), name="ended-logs"),
            asyncio.create_task(Retention(database, plans, days=settings.kept_days).run(), name="retention"),
        )
        try:
            yield Backend(
                settings=settings,
                database=database,
                keys=keys,
                admin_keys=admin_keys,
                tenants=Tenants(database, known_plans),
                tenant_remains=TenantRemains(database, objects),
                audit=Audit(database),
                usage=usage,
                files=files,
                collections=collections,
                members=members,
                descriptions=descriptions,
                entities=entities,
                described_files=DescribedFiles(
                    collections=collections,
                    members=members,
                    descriptions=descriptions,
                    files=files,
                    thumbnails=thumbnails,
                ),
                segments=segments,
                thumbnails=thumbnails,
                responses=responses,
                engine=engine,
                retrieval=retrieval,
                search=Searcher(
                    engine=engine,
                    retrieval=retrieval,
                    full_text=full_text,
                    collections=collections,
                    searches=Searches(database),
                ),
                answers=answers,
                chat_completions=ChatCompletions(answers=answers, chats=Chats(database)),
                limiter=limiter,
                totals=totals,
                tenant_limit=tenant_limit,
                strangers=Strangers(),
                draining=asyncio.Event(),
                metrics=metrics,
                loops=loops,
            )
        finally:
            await background.close()
            await limiter.close()
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
    finally:
        await entity_sql.close()
        await engine.close()
        await database.close()
