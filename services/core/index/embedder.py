"""Which of the embedders that packages carry made the stored vectors: those of two models can't be compared."""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from services.core.engines.config import MINILM, MULTILINGUAL, EmbeddedOptions, EngineConfig
from services.core.errors import ArcusError, Reason, invalid
from services.core.store.database import Database
from services.core.store.schema import embedder, embeddings

_any = select(embeddings.c.id).limit(1)
WAIT_SECONDS = 60.0  # of an engine, for the front that migrates the database
POLL_SECONDS = 0.25


async def ensure_embedder(database: Database, config: EngineConfig) -> str:
    """The model that embeds: the one that made what is stored, else the one configured, which is remembered.

    Raises INVALID_ARGUMENT where another is configured than made what is stored.
    """
    options = config.engine("embed")
    if not isinstance(options, EmbeddedOptions):
        return config.embedder
    try:
        return await _ensured(database, options)
    except IntegrityError:  # another front was first
        return await _ensured(database, options)


async def _ensured(database: Database, options: EmbeddedOptions) -> str:
    async with database.write() as connection:
        stored = (await connection.execute(select(embedder.c.model))).scalar_one_or_none()
        is_empty = (await connection.execute(select(embeddings.c.id).limit(1))).first() is None
        made_by = stored or ("" if is_empty else MINILM)
        model = options.embedder or made_by or MULTILINGUAL
        if made_by and model != made_by and not is_empty:
            raise invalid(
                f"This data holds vectors of {made_by}, which those of {model} can't be compared with: give the embedded engine "
                f"embedder: {made_by}, or set ARCUS_DATA_DIR (or ARCUS_DATABASE_URL) to a new place and upload again.",
                field="roles.embed",
            )
        if stored is None:
            await connection.execute(insert(embedder).values(id=1, model=model))
        elif stored != model:
            await connection.execute(update(embedder).values(model=model))
    return model


async def stored_embedder(database: Database) -> str:
    """The model that `ensure_embedder` remembered, for which it waits; "" where the database is empty, so that nothing is stored.

    Raises ENGINE_UNAVAILABLE after WAIT_SECONDS.
    """
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while True:
        try:
            async with database.read() as connection:
                has = {name: await connection.run_sync(_has_table, name) for name in (embeddings.name, embedder.name)}
                if has[embedder.name]:
                    model = (await connection.execute(select(embedder.c.model))).scalar_one_or_none()
                    if model is not None:
                        return str(model)
                if not has[embeddings.name] or (await connection.execute(_any)).first() is None:
                    return ""
            problem = "no front has opened it yet"
        except (ArcusError, DBAPIError) as error:
            problem = str(error).splitlines()[0]
        if asyncio.get_running_loop().time() > deadline:
            raise ArcusError(
                Reason.ENGINE_UNAVAILABLE,
                f"Which model made the stored vectors can't be read from the database: {problem}.",
            )
        await asyncio.sleep(POLL_SECONDS)


def _has_table(connection: Connection, name: str) -> bool:
    return inspect(connection).has_table(name)
