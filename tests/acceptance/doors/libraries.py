"""What is understood of videos, read through each door: lists that a filter narrows, entities, rich transcripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, Protocol

import grpc
from arcus.v1 import collections_pb2 as pb
from arcus.v1 import collections_pb2_grpc, files_pb2, files_pb2_grpc, lists_pb2
from cloudglue import CloudglueError
from google.protobuf.json_format import MessageToDict

from tests.acceptance.doors.cloudglue_door import refusal as cloudglue_refusal
from tests.acceptance.doors.door import Json
from tests.acceptance.doors.grpc_door import filter_message
from tests.acceptance.doors.grpc_door import refusal as grpc_refusal
from tests.acceptance.doors.openai_door import refused
from tests.acceptance.live_front import Account, openai_client


class Library(Protocol):
    """Raises Refused. Lists are {"data", "total"} of ids of files, or of what there is of each."""

    def files(self, filter: Json) -> Json: ...

    def videos(self, collection_id: str, filter: Json) -> Json: ...

    def entities(self, collection_id: str, file_id: str, *, limit: int = 50, offset: int = 0) -> Json: ...

    def list_entities(self, collection_id: str, *, limit: int = 50, offset: int = 0) -> Json: ...

    def transcript(self, collection_id: str, file_id: str, *, format: str = "json", **more: Any) -> Json: ...

    def list_transcripts(self, collection_id: str) -> Json: ...


class CloudglueLibrary:
    def __init__(self, account: Account) -> None:
        self._sdk = account.sdk

    def files(self, filter: Json) -> Json:
        return _ids(_json(lambda: self._sdk.files.list(filter=filter)), "id")

    def videos(self, collection_id: str, filter: Json) -> Json:
        return _ids(_json(lambda: self._sdk.collections.list_videos(collection_id, filter=filter)), "file_id")

    def entities(self, collection_id: str, file_id: str, **page: Any) -> Json:
        return _entities(_json(lambda: self._sdk.collections.get_video_entities(collection_id, file_id, **page)))

    def list_entities(self, collection_id: str, **page: Any) -> Json:
        return _listed(_json(lambda: self._sdk.collections.list_entities(collection_id, **page)), _entities)

    def transcript(self, collection_id: str, file_id: str, *, format: str = "json", **more: Any) -> Json:
        read = self._sdk.collections.get_rich_transcripts
        return _transcript(_json(lambda: read(collection_id, file_id, response_format=format, **more)))

    def list_transcripts(self, collection_id: str) -> Json:
        return _listed(_json(lambda: self._sdk.collections.list_rich_transcripts(collection_id)), _transcript)


class OpenAILibrary:
    """OpenAI's client has methods for none of it; it sends any request."""

    def __init__(self, account: Account) -> None:
        self._client = openai_client(account.front.url, account.key)

    def files(self, filter: Json) -> Json:
        return _ids(self._get("/files", filter=json.dumps(filter)), "id")

    def videos(self, collection_id: str, filter: Json) -> Json:
        return _ids(self._get(f"/collections/{collection_id}/videos", filter=json.dumps(filter)), "file_id")

    def entities(self, collection_id: str, file_id: str, **page: Any) -> Json:
        return _entities(self._get(f"/collections/{collection_id}/videos/{file_id}/entities", **page))

    def list_entities(self, collection_id: str, **page: Any) -> Json:
        return _listed(self._get(f"/collections/{collection_id}/entities", **page), _entities)

    def transcript(self, collection_id: str, file_id: str, *, format: str = "json", **more: Any) -> Json:
        path = f"/collections/{collection_id}/videos/{file_id}/rich-transcripts"
        return _transcript(self._get(path, response_format=format, **more))

    def list_transcripts(self, collection_id: str) -> Json:
        return _listed(self._get(f"/collections/{collection_id}/rich-transcripts"), _transcript)

    def _get(self, path: str, **query: Any) -> Any:
        with refused():
            return self._client.get(path, cast_to=object, options={"params": query})


class GrpcLibrary:
    def __init__(self, account: Account) -> None:
        channel = account.channel()
        self._files = files_pb2_grpc.FileServiceStub(channel)
        self._collections = collections_pb2_grpc.CollectionServiceStub(channel)
        self._options = {"metadata": account.metadata, "timeout": 60}

    def files(self, filter: Json) -> Json:
        found = self._call(self._files.List, files_pb2.ListFilesRequest(filter=filter_message(filter)))
        return {"data": [item.id for item in found.files], "total": found.total}

    def videos(self, collection_id: str, filter: Json) -> Json:
        asked = pb.ListCollectionFilesRequest(collection_id=collection_id, filter=filter_message(filter))
        found = self._call(self._collections.ListFiles, asked)
        return {"data": [item.file_id for item in found.files], "total": found.total}

    def entities(self, collection_id: str, file_id: str, *, limit: int = 50, offset: int = 0) -> Json:
        page = lists_pb2.Page(limit=limit, offset=offset)
        asked = pb.GetEntitiesRequest(collection_id=collection_id, file_id=file_id, page=page)
        return _entities(_dict(self._call(self._collections.GetEntities, asked)))

    def list_entities(self, collection_id: str, *, limit: int = 50, offset: int = 0) -> Json:
        page = lists_pb2.Page(limit=limit, offset=offset)
        found = self._call(
            self._collections.ListEntities, pb.ListEntitiesRequest(collection_id=collection_id, page=page)
        )
        return {"data": [_entities(_dict(item)) for item in found.files], "total": found.total}

    def transcript(self, collection_id: str, file_id: str, *, format: str = "json", **more: Any) -> Json:
        wanted = f"RESPONSE_FORMAT_{'TYPED' if format == 'json' else format.upper()}"
        asked = pb.GetRichTranscriptRequest(
            collection_id=collection_id,
            file_id=file_id,
            response_format=wanted,  # type: ignore[arg-type]
            **more,
        )
        return _transcript(_dict(self._call(self._collections.GetRichTranscript, asked)))

    def list_transcripts(self, collection_id: str) -> Json:
        asked = pb.ListRichTranscriptsRequest(collection_id=collection_id)
        found = self._call(self._collections.ListRichTranscripts, asked)
        return {"data": [_transcript(_dict(item)) for item in found.transcripts], "total": found.total}

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return method(request, **self._options)
        except grpc.RpcError as error:
            raise grpc_refusal(error) from error


LIBRARIES: dict[str, Callable[[Account], Library]] = {
    "cloudglue": CloudglueLibrary,
    "openai": OpenAILibrary,
    "grpc": GrpcLibrary,
}


def _json(call: Callable[[], Any]) -> Json:
    """What the SDK read, without what it was not sent."""
    with _read():
        return json.loads(call().model_dump_json(by_alias=True))


@contextmanager
def _read() -> Any:
    try:
        yield
    except CloudglueError as error:
        raise cloudglue_refusal(error) from error


def _dict(message: Any) -> Json:
    return MessageToDict(message, preserving_proto_field_name=True)


def _ids(body: Json, name: str) -> Json:
    return {"data": [item[name] for item in body["data"]], "total": body["total"]}


def _listed(body: Json, tell: Callable[[Json], Json]) -> Json:
    items = [tell({"file_id": item["file_id"], **item["data"]}) for item in body["data"]]
    return {"data": items, "total": body["total"]}


def _entities(body: Json) -> Json:
    parts = body.get("segment_entities") or ()
    return {
        "file_id": body["file_id"],
        "entities": body.get("entities") or {},
        "segment_entities": [(part.get("start_time", 0), part["end_time"], part["entities"]) for part in parts],
        "total": body.get("total") or 0,
    }


def _transcript(body: Json) -> Json:
    return {
        "file_id": body["file_id"],
        **{name: body.get(name) or "" for name in ("title", "summary", "content")},
        "speech": [
            (
                part["text"],
                part["speaker"],
                part["start_time"],
                [(word["word"], word["start_time"]) for word in part.get("words") or ()],
            )
            for part in body.get("speech") or ()
        ],
        "segments": [part["title"] for part in body.get("segment_summary") or ()],
    }
