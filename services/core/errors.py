"""Every way a request or a job can fail, and how each looks on the wire.

ArcusError(reason, message)      the one exception; carries a Reason
  MediaError                     a file that cannot be read, with a reason a person can act on
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    TOO_LARGE = "TOO_LARGE"
    UNSUPPORTED_MEDIA = "UNSUPPORTED_MEDIA"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
    ENGINE_UNAVAILABLE = "ENGINE_UNAVAILABLE"
    STORAGE_FULL = "STORAGE_FULL"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    SERVER_STOPPING = "SERVER_STOPPING"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True)
class Wire:
    """How a reason is told: HTTP status, gRPC status name, the message when none is safe to show.

    `code` and `type` are those of OpenAI's error object.
    """

    http: int
    grpc: str
    message: str
    code: str
    type: str = "invalid_request_error"
    retry_after_seconds: int | None = None


REQUEST_HEADER = "x-request-id"  # of a call to an engine: the request that it is made for
KEY_HEADER = "x-arcus-key-id"  # and the key of whoever waits for its answer
# Trailers of an engine's failed call.
REASON_HEADER, RETRY_HEADER = "x-arcus-reason", "x-arcus-retry-after-seconds"

SERVER, QUOTA = "server_error", "insufficient_quota"
WIRE: dict[Reason, Wire] = {
    Reason.INVALID_ARGUMENT: Wire(400, "INVALID_ARGUMENT", "The request is not valid.", "invalid_value"),
    Reason.UNAUTHENTICATED: Wire(
        401, "UNAUTHENTICATED", "Give a valid API key as 'Authorization: Bearer cg-…'.", "invalid_api_key"
    ),
    Reason.PERMISSION_DENIED: Wire(403, "PERMISSION_DENIED", "This key may not do that.", "permission_denied"),
    Reason.NOT_FOUND: Wire(404, "NOT_FOUND", "Not found.", "not_found"),
    Reason.METHOD_NOT_ALLOWED: Wire(
        405, "UNIMPLEMENTED", "This path does not accept that method.", "method_not_allowed"
    ),
    Reason.ALREADY_EXISTS: Wire(409, "ALREADY_EXISTS", "It exists already.", "already_exists"),
    Reason.TOO_LARGE: Wire(413, "OUT_OF_RANGE", "The upload is too large.", "request_too_large"),
    Reason.UNSUPPORTED_MEDIA: Wire(415, "INVALID_ARGUMENT", "This kind of file is not supported.", "unsupported_file"),
    Reason.LIMIT_EXCEEDED: Wire(
        429, "RESOURCE_EXHAUSTED", "Too many requests; try again later.", "rate_limit_exceeded", "requests", 1
    ),
    # As Cloudglue tells of spent credits, and of the jobs of a period; OpenAI's clients know both as one.
    Reason.BUDGET_EXHAUSTED: Wire(
        402, "RESOURCE_EXHAUSTED", "The budget is spent; delete something, or ask for more.", QUOTA, QUOTA
    ),
    Reason.QUOTA_EXHAUSTED: Wire(
        509, "RESOURCE_EXHAUSTED", "The quota of this period is spent; try again in the next.", QUOTA, QUOTA
    ),
    Reason.ENGINE_UNAVAILABLE: Wire(
        503, "UNAVAILABLE", "The engine is not available; try again shortly.", "engine_unavailable", SERVER, 2
    ),
    Reason.STORAGE_FULL: Wire(
        507, "RESOURCE_EXHAUSTED", "There is no space left to store this.", "storage_full", SERVER, 60
    ),
    Reason.STORAGE_UNAVAILABLE: Wire(
        503, "UNAVAILABLE", "Storage is not available; try again shortly.", "storage_unavailable", SERVER, 2
    ),
    Reason.SERVER_STOPPING: Wire(
        503, "UNAVAILABLE", "The server is stopping; ask again.", "server_stopping", SERVER, 1
    ),
    Reason.DEADLINE_EXCEEDED: Wire(504, "DEADLINE_EXCEEDED", "It took too long.", "deadline_exceeded", SERVER),
    Reason.CANCELLED: Wire(499, "CANCELLED", "Cancelled.", "cancelled"),
    Reason.INTERNAL: Wire(500, "INTERNAL", "Something went wrong on the server.", "internal", SERVER),
}


class ArcusError(Exception):
    """A failure with a reason. `message` is shown to the client; `field` names the bad input, if one is to blame."""

    def __init__(
        self,
        reason: Reason,
        message: str | None = None,
        *,
        field: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        self.reason = reason
        self.wire = WIRE[reason]
        self.message = message or self.wire.message
        self.field = field
        self.retry_after_seconds = (
            retry_after_seconds if retry_after_seconds is not None else self.wire.retry_after_seconds
        )
        super().__init__(self.message)

    def __reduce__(self) -> tuple:
        return (_restore, (type(self), self.reason, self.message, self.field, self.retry_after_seconds))


class MediaError(ArcusError):
    """The media itself is at fault: retrying cannot help. The message says what to change."""

    def __init__(self, message: str, reason: Reason = Reason.UNSUPPORTED_MEDIA) -> None:
        super().__init__(reason, message)


def _restore(
    kind: type[ArcusError], reason: Reason, message: str, field: str | None, retry_after_seconds: int | None
) -> ArcusError:
    if kind is MediaError:
        return MediaError(message, reason)
    return ArcusError(reason, message, field=field, retry_after_seconds=retry_after_seconds)


def invalid(message: str, *, field: str | None = None) -> ArcusError:
    return ArcusError(Reason.INVALID_ARGUMENT, message, field=field)


def not_found(noun: str, id: str) -> ArcusError:
    return ArcusError(Reason.NOT_FOUND, f"{noun} not found: {id}")
