"""Routes that need no key: health, readiness, and pictures whose links are signed."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Query, Response

from services.core.errors import ArcusError
from services.core.store.database import DamagedDatabaseError
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
    status: Literal["ok", "unavailable"]
    database: Literal["ok", "unavailable", "damaged"]
    engine: Literal["ok", "unavailable"]


def operation_routes(backend: Backend) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz", tags=["operations"], summary="Tell that the process is alive", response_model=Health)
    async def healthz() -> Response:
        return reply({"status": "ok"})

    @router.get(
        "/readyz",
        tags=["operations"],
        summary="Tell whether the database can be used; the engine is told of",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "The database does not answer, or is damaged."}},
    )
    async def readyz() -> Response:
        parts = {"database": await _database(backend), "engine": await _engine(backend)}
        # Without engines, uploads and lists work: a front that is taken out for them would take these away too.
        status = "ok" if parts["database"] == "ok" else "unavailable"
        return reply({"status": status, **parts}, 200 if status == "ok" else 503)

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


async def _database(backend: Backend) -> str:
    try:
        await backend.database.check()
    except DamagedDatabaseError:
        return "damaged"
    except ArcusError:
        return "unavailable"
    return "ok"


async def _engine(backend: Backend) -> str:
    try:
        await backend.engine.check()
    except ArcusError:
        return "unavailable"
    return "ok"
