"""Routes of responses: questions answered, at once or as a stream of events."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.requests import ClientDisconnect

from services.core.answers.responses import STATUSES
from services.core.engines.config import MODELS
from services.core.errors import not_found
from services.core.store.pages import CreatedRange, Page
from services.nimbus.answers.answer import Answer
from services.nimbus.answers.running import InterruptedWorkError, cancel_on
from services.nimbus.backend import Backend
from services.nimbus.requests.input_items import input_items, items_page
from services.nimbus.requests.responses import parse_request
from services.nimbus.views.openai_form import in_openai_form
from services.rest.bodies import body_of, read_json
from services.rest.errors import is_cloudglue, reply
from services.rest.gate import Tenant
from services.rest.long_replies import long_reply
from services.rest.parameters import AFTER, DIRECTION, Direction, created_range, cursor_page
from services.rest.render import Json, items_reply, list_reply
from services.rest.schemas import responses as schemas
from services.rest.sse import EventStream, disconnected, event_bytes

Result = TypeVar("Result")
MODELS_SINCE = 1767225600  # 2026-01-01


def response_routes(backend: Backend) -> APIRouter:
    router = APIRouter(prefix="/responses", tags=["responses"])

    @router.post(
        "",
        summary="Ask a question",
        response_model=schemas.Response,
        responses=schemas.EVENTS,
        openapi_extra=body_of(schemas.CreateResponse),
    )
    async def create(tenant_id: Tenant, request: Request) -> Any:
        """With `stream`, the reply is text/event-stream: one event at a time, then `data: [DONE]`.

        With `background` the answer is written whether or not anyone listens; fetch it, or its events, by its id.
        """
        asked = parse_request(await read_json(request))
        if asked.stream:
            return _stream(request, await while_connected(request, backend.answers.stream(tenant_id, asked)))
        return _reply(request, await while_connected(request, backend.answers.create(tenant_id, asked)))

    @router.get("", summary="List responses", response_model=schemas.ResponseList)
    async def list_responses(
        tenant_id: Tenant,
        page: Page = Depends(cursor_page),
        status: str | None = Query(
            None, json_schema_extra={"enum": list(STATUSES)}, description="Only of this status."
        ),
        created: CreatedRange = Depends(created_range),
    ) -> Response:
        """Items have neither output nor error."""
        listing = await backend.responses.list(tenant_id, page, status=status, created=created)
        data = [
            {name: value for name, value in item.body.items() if name not in ("output", "error")}
            for item in listing.items
        ]
        return await long_reply(list_reply(listing, data))

    @router.get("/{response_id}", summary="Get a response", response_model=schemas.Response, responses=schemas.EVENTS)
    async def get_response(
        tenant_id: Tenant,
        request: Request,
        response_id: str,
        stream: bool = Query(False, description="Reply with the response's events, those to come included."),
        starting_after: int = Query(
            -1, ge=-1, lt=2**53, description="With stream: only events with a greater sequence number."
        ),
    ) -> Response:
        """A stream goes on from any event, while the response is written, by whichever front, and after it ended."""
        if stream:
            return _stream(request, await backend.answers.follow(tenant_id, response_id, starting_after))
        return _reply(request, (await backend.responses.get(tenant_id, response_id)).body)

    @router.get("/{response_id}/input_items", summary="List what a response was asked", response_model=schemas.ItemList)
    async def list_input_items(
        tenant_id: Tenant,
        response_id: str,
        limit: int = Query(20, ge=1, le=100, description="Items to return at most."),
        after: str | None = AFTER,
        order: Direction = DIRECTION,
    ) -> Response:
        """The items of its own input, each with an id that later input may refer to; `desc` begins with the last."""
        kept = await backend.responses.get(tenant_id, response_id)
        told = input_items(kept.id, kept.request["input"])
        return reply(items_reply(*items_page(told, limit=limit, after=after, order=order)))

    @router.post("/{response_id}/cancel", summary="Cancel a response", response_model=schemas.Response)
    async def cancel(tenant_id: Tenant, request: Request, response_id: str) -> Response:
        """Stops a response in progress; one that has ended is returned as it is."""
        return _reply(request, await backend.answers.cancel(tenant_id, response_id))

    @router.delete("/{response_id}", summary="Delete a response", response_model=schemas.ResponseDelete)
    async def delete(tenant_id: Tenant, response_id: str) -> Response:
        """Deleting what is not there is not an error."""
        await backend.responses.delete(tenant_id, response_id)
        return reply({"id": response_id, "object": "response", "deleted": True})

    return router


def model_routes() -> APIRouter:
    router = APIRouter(prefix="/models", tags=["models"])

    @router.get("", summary="List models", response_model=schemas.ModelList)
    async def list_models(_tenant_id: Tenant) -> Response:
        return reply({"object": "list", "data": [_model(name) for name in MODELS]})

    @router.get("/{model}", summary="Get a model", response_model=schemas.Model)
    async def get_model(_tenant_id: Tenant, model: str) -> Response:
        if model not in MODELS:
            raise not_found("Model", model)
        return reply(_model(model))

    return router


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of work that is given up at once when the client goes away. Raises ClientDisconnect then."""
    try:
        return await cancel_on(disconnected(request.receive), work)
    except InterruptedWorkError:
        raise ClientDisconnect from None


def _reply(request: Request, body: Json) -> Response:
    """Citations in the form that the client's kind of SDK reads; `_stream` does the same."""
    return reply(body if is_cloudglue(request.headers) else in_openai_form(body))


def _stream(request: Request, events: Answer) -> EventStream:
    if is_cloudglue(request.headers):
        return EventStream(events)
    return EventStream(events, encode=lambda event: event_bytes(in_openai_form(event)))


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": MODELS_SINCE, "owned_by": "arcus"}
