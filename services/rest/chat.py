"""Routes of chat completions: the same answers as those of /responses, in the chat form."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from services.core.store.pages import CreatedRange, Page
from services.nimbus.backend import Backend
from services.nimbus.requests.chats import parse_chat
from services.rest.bodies import body_of, read_json
from services.rest.errors import reply
from services.rest.gate import Tenant
from services.rest.long_replies import long_reply
from services.rest.parameters import created_range, cursor_page
from services.rest.render import list_reply
from services.rest.responses import while_connected
from services.rest.schemas import chat as schemas
from services.rest.schemas.responses import EVENTS
from services.rest.sse import EventStream, data_bytes


def chat_routes(backend: Backend) -> APIRouter:
    router = APIRouter(prefix="/chat/completions", tags=["chat"])
    completions = backend.chat_completions

    @router.post(
        "",
        summary="Ask in a chat",
        response_model=schemas.ChatCompletion,
        responses=EVENTS,
        openapi_extra=body_of(schemas.CreateChatCompletion),
    )
    async def create(tenant_id: Tenant, request: Request) -> Any:
        """With `stream`, the reply is text/event-stream: one chat.completion.chunk at a time, then `data: [DONE]`.

        A failure after the first chunk is a last one that holds `error`. A completion is kept once it is whole.
        """
        asked = parse_chat(await read_json(request))
        if asked.asked.stream:
            chunks = await while_connected(request, completions.stream(tenant_id, asked))
            return EventStream(chunks, encode=data_bytes)
        return reply(await while_connected(request, completions.create(tenant_id, asked)))

    @router.get("", summary="List chat completions", response_model=schemas.ChatCompletionList)
    async def list_completions(
        tenant_id: Tenant,
        page: Page = Depends(cursor_page),
        created: CreatedRange = Depends(created_range),
    ) -> Response:
        """Without citations; of a long conversation, the last messages."""
        listing = await completions.list(tenant_id, page, created=created)
        return await long_reply(list_reply(listing, listing.items))

    @router.get("/{chat_id}", summary="Get a chat completion", response_model=schemas.ChatCompletion)
    async def get_completion(tenant_id: Tenant, chat_id: str) -> Response:
        return reply(await completions.get(tenant_id, chat_id))

    @router.delete("/{chat_id}", summary="Delete a chat completion", response_model=schemas.ChatCompletionDelete)
    async def delete(tenant_id: Tenant, chat_id: str) -> Response:
        """Deleting what is not there is not an error."""
        await completions.delete(tenant_id, chat_id)
        return reply({"id": chat_id, "object": "chat.completion.deleted", "deleted": True})

    return router
