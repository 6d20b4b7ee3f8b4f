"""The HTTP application: every route, the gate before them, and the document that describes them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.middleware.cors import CORSMiddleware

from services.nimbus.backend import Backend
from services.rest.admin import admin_routes
from services.rest.chat import chat_routes
from services.rest.collections import collection_routes
from services.rest.descriptions import description_routes
from services.rest.entities import entity_routes
from services.rest.errors import install_error_handlers
from services.rest.files import file_routes
from services.rest.gate import Gate
from services.rest.members import member_routes
from services.rest.operations import operation_routes
from services.rest.rate_headers import NAMES as RATE_HEADERS
from services.rest.responses import model_routes, response_routes
from services.rest.route_names import RouteNames
from services.rest.schemas.admin import KeyRotation, KeyUpdate, NewAdminKey, NewKey, NewTenant, TenantUpdate
from services.rest.schemas.chat import CreateChatCompletion
from services.rest.schemas.collections import AddCollectionFile, CollectionUpdate, NewCollection
from services.rest.schemas.files import FileUpdate
from services.rest.schemas.responses import CreateResponse
from services.rest.schemas.search import SearchRequest
from services.rest.schemas.segments import UpdateFileSegment
from services.rest.schemas.shared import Error
from services.rest.search import search_routes
from services.rest.segments import segment_routes
from services.rest.usage import admin_usage_routes, usage_routes

BODIES: tuple[type[BaseModel], ...] = (
    AddCollectionFile,
    CollectionUpdate,
    CreateChatCompletion,
    CreateResponse,
    FileUpdate,
    KeyRotation,
    KeyUpdate,
    NewAdminKey,
    NewCollection,
    NewKey,
    NewTenant,
    SearchRequest,
    TenantUpdate,
    UpdateFileSegment,
)
FAILURES: dict[int | str, dict[str, Any]] = {
    400: {"model": Error, "description": "The request is not valid; the error names the field."},
    401: {"model": Error, "description": "The API key is missing or not valid."},
    402: {"model": Error, "description": "The budget of the plan is spent."},
    403: {"model": Error, "description": "The key is blocked or lacks the scope, or its tenant is suspended."},
    404: {"model": Error, "description": "There is no such thing in this account."},
    409: {"model": Error, "description": "It exists already."},
    413: {"model": Error, "description": "The upload or the body is too large."},
    415: {"model": Error, "description": "This kind of file is not supported."},
    429: {
        "model": Error,
        "description": "Too many requests in progress, or requests or tokens a minute; see Retry-After.",
    },
    500: {"model": Error, "description": "Something went wrong on the server."},
    503: {"model": Error, "description": "Storage or the engine is not available; see Retry-After."},
    507: {"model": Error, "description": "There is no space left; see Retry-After."},
    509: {"model": Error, "description": "The quota of the day is spent; see Retry-After."},
}


def create_app(backend: Backend) -> FastAPI:
    """The HTTP transport over a backend that is already open; closing it stays the caller's."""
    app = FastAPIOffline(  # /docs with its scripts from here, not from a content network
        title="Arcus",
        version="0.1.0",
        summary="A self-hosted backend that understands video.",
        redirect_slashes=False,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # the gate's spans; FastAPI's hold whole paths
    )
    install_error_handlers(app)
    names = RouteNames()
    app.add_middleware(
        Gate,
        keys=backend.keys,
        limiter=backend.limiter,
        admin_keys=backend.admin_keys,
        limit=backend.tenant_limit,
        strangers=backend.strangers,
        max_question_bytes=backend.settings.max_question_bytes,
        metrics=backend.metrics,
        route_of=names.of,
    )
    origins = backend.settings.cors_origin_list
    if origins:  # outside the gate: a browser asks before it sends a key, and reads refusals only with these headers
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["*"],
            expose_headers=["X-Request-Id", "Retry-After", *RATE_HEADERS],
        )
    routers = (
        search_routes(backend),  # first what is asked most, as they are looked for in this order
        response_routes(backend),
        chat_routes(backend),
        file_routes(backend),
        segment_routes(backend),
        collection_routes(backend),
        member_routes(backend, "videos"),
        member_routes(backend, "media"),
        description_routes(backend),
        entity_routes(backend),
        model_routes(),
        usage_routes(backend),
    )
    app.include_router(operation_routes(backend), responses={400: FAILURES[400]})
    for router in routers:
        app.include_router(router, prefix="/v1", responses=FAILURES)
    app.include_router(admin_routes(backend), prefix="/admin/v1", responses=FAILURES)
    app.include_router(admin_usage_routes(backend), prefix="/admin/v1", responses=FAILURES)
    names.read(app)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with the bodies that routes read themselves, and without the 422 that is never sent."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        for methods in document["paths"].values():
            for operation in methods.values():
                operation["responses"].pop("422", None)
                for parameter in operation.get("parameters", ()):
                    _describe(parameter)
        _, bodies = models_json_schema(
            [(model, "validation") for model in BODIES], ref_template="#/components/schemas/{model}"
        )
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for name, schema in bodies["$defs"].items():
            schemas.setdefault(name, schema)
        app.openapi_schema = document
    return app.openapi_schema


def _describe(parameter: dict[str, Any]) -> None:
    """A parameter is left out, not null; and a filter is JSON of a known shape."""
    schema = parameter["schema"]
    options = [option for option in schema.pop("anyOf", ()) if option != {"type": "null"}]
    parameter["schema"] = schema = {**schema, **(options[0] if len(options) == 1 else {})}
    if parameter["name"] == "filter":
        of_filter = {"$ref": "#/components/schemas/SearchFilter"}
        parameter["content"] = {"application/json": {"schema": of_filter}}
        del parameter["schema"]
