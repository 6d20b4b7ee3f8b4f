"""SegmentService."""

from __future__ import annotations

from collections.abc import Sequence

from arcus.v1 import segments_pb2 as pb
from arcus.v1 import segments_pb2_grpc
from grpc.aio import ServicerContext as Context

from services.core.library.segments import Segment, Segmentation, SegmentRange
from services.nimbus.backend import Backend
from services.rpc.gate import tenant
from services.rpc.render import STATUSES, Renderer, segmentation_message
from services.rpc.values import optional, page_of, paged, struct_json, struct_of


class SegmentService(segments_pb2_grpc.SegmentServiceServicer):
    def __init__(self, backend: Backend) -> None:
        self._segments = backend.segments
        self._thumbnails = backend.thumbnails
        self._render = Renderer(backend)

    async def ListSegmentations(
        self, request: pb.ListSegmentationsRequest, _context: Context
    ) -> pb.ListSegmentationsResponse:
        listing = await self._segments.segmentations(tenant(), request.file_id, page_of(request.page))
        return pb.ListSegmentationsResponse(
            segmentations=[_segmentation(item) for item in listing.items], **paged(listing)
        )

    async def List(self, request: pb.ListSegmentsRequest, _context: Context) -> pb.ListSegmentsResponse:
        names = ("start_time_after", "end_time_before", "min_duration", "max_duration")
        within = SegmentRange(*(optional(request, name) for name in names))
        page = page_of(request.page, sort="asc")
        listing = await self._segments.list(tenant(), request.file_id, page, within=within)
        return pb.ListSegmentsResponse(segments=await self._messages(listing.items), **paged(listing))

    async def Get(self, request: pb.GetSegmentRequest, _context: Context) -> pb.Segment:
        segment = await self._segments.get(tenant(), request.file_id, request.segment_id)
        return (await self._messages([segment]))[0]

    async def Update(self, request: pb.UpdateSegmentRequest, _context: Context) -> pb.Segment:
        metadata = struct_json(request, "metadata")
        segment = await self._segments.update(tenant(), request.file_id, request.segment_id, metadata=metadata)
        return (await self._messages([segment]))[0]

    async def _messages(self, segments: Sequence[Segment]) -> list[pb.Segment]:
        pictures = await self._thumbnails.of_segments(tenant(), [segment.id for segment in segments])
        return [
            pb.Segment(
                id=segment.id,
                file_id=segment.file_id,
                segmentation_id=segment.segmentation_id,
                start_time=segment.start_time,
                end_time=segment.end_time,
                metadata=struct_of(segment.metadata),
                thumbnail_url=self._render.link(pictures[segment.id]) if segment.id in pictures else "",
            )
            for segment in segments
        ]


def _segmentation(item: Segmentation) -> pb.Segmentation:
    return pb.Segmentation(
        id=item.id,
        file_id=item.file_id,
        status=STATUSES[item.status],
        created_at=item.created_at,
        segmentation_config=segmentation_message(item.config),
        segment_count=item.segment_count,
    )
