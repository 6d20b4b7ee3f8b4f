"""Routes that need no key: health, readiness, and pictures whose links are signed."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Query, Response

from services.core.errors import ArcusError
from services.core.store.database import DamagedDatabaseError, Database
from services.core.store.migration import NEEDED
from services.nimbus.backend import Backend
from services.rest.errors import reply
from services.rest.schemas.shared import Error, Reply

PICTURE_HEADERS = {"Cache-Control": "private, max-age=86400, immutable"}
PICTURE = {
    200: {"description": "A JPEG picture.", "content": {"image/jpeg": {}}},
    401: {"model": Error, "description": "The link is not valid; get a new one from the API."},
    404: {"model": Error, "description": "The picture is gone."},
    503: {"model": Error, "description": "Storage is not available; see Retry-After."},
}


class Health(Reply):
    status: Literal["ok"]


class Readiness(Reply):
    status: Literal["ok", "unavailable", "draining"]
    database: Literal["ok", "unavailable", "damaged"]
    schema_needed: str
    schema_found: str


class Status(Readiness):
    engine: Literal["ok", "unavailable"]


def operation_routes(backend: Backend) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz", tags=["operations"], summary="Tell that the process is alive", response_model=Health)
    async def healthz() -> Response:
        return reply({"status": "ok"})

    @router.get(
        "/readyz",
        tags=["operations"],
        summary="Tell whether this front takes requests",
        response_model=Readiness,
        responses={
            503: {"model": Readiness, "description": "The database can't be used, or the front is told to stop."}
        },
    )
    async def readyz() -> Response:
        ready = await readiness(backend.database, draining=backend.draining.is_set())
        return reply(ready, 200 if ready["status"] == "ok" else 503)

    @router.get(
        "/status",
        tags=["operations"],
        summary="Tell of this front and of what it needs, the engines among it",
        response_model=Status,
    )
    async def status() -> Response:
        # Without engines, uploads and lists work: a front that is taken out for them would take these away too.
        ready = await readiness(backend.database, draining=backend.draining.is_set())
        return reply({**ready, "engine": await _engine(backend)})

    @router.get(
        "/v1/thumbnails/{thumbnail_id}.jpg",
        tags=["files"],
        summary="Get a picture by its signed link",
        response_class=Response,
        responses=PICTURE,  # type: ignore[arg-type]
    )
    async def picture(
        thumbnail_id: str, signature: str = Query("", description="Proof that the API made this link.")
    ) -> Response:
        jpeg = await backend.thumbnails.picture(thumbnail_id, signature)
        return Response(jpeg, media_type="image/jpeg", headers=PICTURE_HEADERS)

    return router


async def readiness(database: Database, *, draining: bool = False) -> dict[str, str]:
    """What `/readyz` says; ready where its status is ok."""
    found = ""
    try:
        await database.check()
        found = await database.schema()
        state = "ok"
    except DamagedDatabaseError:
        state = "damaged"
    except ArcusError:
        state = "unavailable"
    status = "draining" if draining else "ok" if state == "ok" and found >= NEEDED else "unavailable"
    return {"status": status, "database": state, "schema_needed": NEEDED, "schema_found": found}


async def _engine(backend: Backend) -> str:
    try:
        await backend.engine.check()
    except ArcusError:
        return "unavailable"
    return "ok"
