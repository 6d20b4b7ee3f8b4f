"""SearchService."""

from __future__ import annotations

from typing import Any

from arcus.v1 import search_pb2 as pb
from arcus.v1 import search_pb2_grpc
from google.protobuf.json_format import ParseDict
from grpc.aio import ServicerContext as Context

from services.nimbus.backend import Backend
from services.nimbus.requests.searches import SearchRequest, parse_search
from services.rpc.gate import tenant
from services.rpc.render import Renderer
from services.rpc.values import filter_json, optional, page_of, paged, range_of


class SearchService(search_pb2_grpc.SearchServiceServicer):
    def __init__(self, backend: Backend) -> None:
        self._search = backend.search
        self._link = Renderer(backend).link_of

    async def Search(self, request: pb.SearchRequest, _context: Context) -> pb.SearchResponse:
        return _message(await self._search.run(tenant(), asked(request), self._link))

    async def Get(self, request: pb.GetSearchRequest, _context: Context) -> pb.SearchResponse:
        return _message(await self._search.get(tenant(), request.search_id, self._link))

    async def List(self, request: pb.ListSearchesRequest, _context: Context) -> pb.ListSearchesResponse:
        listing = await self._search.list(tenant(), page_of(request.page), created=range_of(request.created))
        return pb.ListSearchesResponse(searches=[_message(item) for item in listing.items], **paged(listing))


def asked(request: pb.SearchRequest) -> SearchRequest:
    """The request in the HTTP API's form, read by the same rules. Raises INVALID_ARGUMENT naming the field."""
    body: dict[str, Any] = {
        "scope": request.scope,
        "collections": list(request.collections),
        "query": request.query,
        "limit": optional(request, "limit"),
        "threshold": optional(request, "threshold"),
        "group_by_key": request.group_by_key or None,
        "sort_by": request.sort_by or None,
        "search_modalities": list(request.search_modalities),
    }
    if request.HasField("filter"):
        body["filter"] = filter_json(request.filter)
    return parse_search(body)


def _message(value: dict[str, Any]) -> pb.SearchResponse:
    results = [{item["type"]: item} for item in value.get("results", ())]
    return ParseDict({**value, "results": results}, pb.SearchResponse(), ignore_unknown_fields=True)
