"""FileService."""

from __future__ import annotations

from collections.abc import AsyncIterator

from arcus.v1 import files_pb2, files_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from grpc.aio import ServicerContext as Context

from services.core.errors import ArcusError, Reason, invalid
from services.core.library.arriving import Pace, arriving
from services.core.library.media_kinds import SNIFF_BYTES, refuse_other_kinds
from services.nimbus.backend import Backend
from services.rpc.gate import tenant
from services.rpc.render import STATUS_NAMES, Renderer
from services.rpc.values import filter_of, optional, page_of, paged, range_of, struct_json

CHUNK_BYTES = 1024**2


class FileService(files_pb2_grpc.FileServiceServicer):
    def __init__(self, backend: Backend, *, pace: Pace = Pace()) -> None:
        self._backend = backend
        self._pace = pace
        self._render = Renderer(backend)

    async def Upload(self, requests: AsyncIterator[files_pb2.UploadRequest], _context: Context) -> files_pb2.File:
        parts = arriving(requests, lambda part: len(part.chunk), self._pace)
        first = await anext(parts, None)
        if first is None or first.WhichOneof("part") != "header":
            raise invalid("The first message of an upload must be its header.", field="header")
        header = first.header
        if optional(header, "size_bytes") is not None and header.size_bytes > self._backend.settings.max_upload_bytes:
            raise ArcusError(
                Reason.TOO_LARGE,
                f"The upload is larger than the limit of {self._backend.settings.max_upload_bytes} bytes; "
                "send a smaller file.",
            )
        await self._backend.totals.check_upload(tenant(), optional(header, "size_bytes"))
        file = await self._backend.files.upload(
            tenant(),
            header.filename,
            _chunks(header, parts),
            metadata=struct_json(header, "metadata"),
            segment_thumbnails=optional(header, "enable_segment_thumbnails") is not False,
        )
        return await self._render.file(file)

    async def Get(self, request: files_pb2.GetFileRequest, _context: Context) -> files_pb2.File:
        return await self._render.file(await self._backend.files.get(tenant(), request.file_id))

    async def List(self, request: files_pb2.ListFilesRequest, _context: Context) -> files_pb2.ListFilesResponse:
        listing = await self._backend.files.list(
            tenant(),
            page_of(request.page),
            status=STATUS_NAMES.get(request.status),
            created=range_of(request.created),
            filter=filter_of(request),
        )
        return files_pb2.ListFilesResponse(files=await self._render.files(listing.items), **paged(listing))

    async def Update(self, request: files_pb2.UpdateFileRequest, _context: Context) -> files_pb2.File:
        file = await self._backend.files.update(
            tenant(),
            request.file_id,
            filename=optional(request, "filename"),
            metadata=struct_json(request, "metadata"),
        )
        return await self._render.file(file)

    async def Delete(self, request: files_pb2.DeleteFileRequest, _context: Context) -> Empty:
        await self._backend.files.delete(tenant(), request.file_id)
        return Empty()

    async def ListThumbnails(
        self, request: files_pb2.ListThumbnailsRequest, _context: Context
    ) -> files_pb2.ListThumbnailsResponse:
        await self._backend.files.get(tenant(), request.file_id)
        listing = await self._backend.thumbnails.list(
            tenant(),
            request.file_id,
            page_of(request.page, sort="asc"),
            is_default=optional(request, "is_default"),
            segmentation_id=optional(request, "segmentation_id"),
        )
        return files_pb2.ListThumbnailsResponse(
            thumbnails=[self._render.thumbnail(item) for item in listing.items], **paged(listing)
        )


async def _chunks(
    header: files_pb2.UploadHeader, parts: AsyncIterator[files_pb2.UploadRequest]
) -> AsyncIterator[bytes]:
    start = b""
    checked = False
    received = 0
    async for part in parts:
        if part.WhichOneof("part") != "chunk":
            raise invalid("Only the first message of an upload is a header.", field="header")
        if len(part.chunk) > CHUNK_BYTES:
            raise invalid(f"A chunk has at most {CHUNK_BYTES} bytes; send smaller ones.", field="chunk")
        received += len(part.chunk)
        if not checked:
            start += part.chunk
            if len(start) < SNIFF_BYTES:
                continue
            checked = True
            refuse_other_kinds(header.filename, header.content_type.lower(), start[:SNIFF_BYTES])
            yield start
        else:
            yield part.chunk
    if not checked:
        refuse_other_kinds(header.filename, header.content_type.lower(), start)
        yield start
    if header.HasField("size_bytes") and received != header.size_bytes:
        raise invalid(f"{received} bytes arrived of {header.size_bytes}; send it again.", field="size_bytes")
