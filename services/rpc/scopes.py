"""Which scope of a key a call needs. One that is not named here needs a key with every scope."""

from __future__ import annotations

from services.core.tenants.scopes import Scope

CALLS: dict[str, dict[Scope, str]] = {
    "FileService": {Scope.READ: "Get List ListThumbnails", Scope.INGEST: "Upload Update Delete"},
    "CollectionService": {
        Scope.READ: "Get List GetFile ListFiles GetMediaDescription ListMediaDescriptions GetEntities ListEntities "
        "GetRichTranscript ListRichTranscripts",
        Scope.INGEST: "Create Update Delete AddFile RemoveFile",
    },
    "SegmentService": {Scope.READ: "ListSegmentations List Get", Scope.INGEST: "Update"},
    "ResponseService": {Scope.READ: "Follow Get List ListInputItems", Scope.ASK: "Create Stream Cancel Delete"},
    "ChatService": {Scope.READ: "Get List", Scope.ASK: "Create Stream Delete"},
    "SearchService": {Scope.READ: "Get List", Scope.ASK: "Search"},
}
SCOPES = {
    f"/arcus.v1.{service}/{call}": scope
    for service, scopes in CALLS.items()
    for scope, calls in scopes.items()
    for call in calls.split()
}
