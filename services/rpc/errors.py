"""The one map from a failure to a gRPC status with google.rpc details."""

from __future__ import annotations

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from services.core.errors import ArcusError

DOMAIN = "arcus"
MAX_MESSAGE = 1000  # characters; a status travels in a header, which clients limit to 8 KiB


def status_of(error: ArcusError) -> grpc.Status:
    """ErrorInfo names the reason and the field to blame; RetryInfo says when to try again, where that helps."""
    info = ErrorInfo(reason=error.reason, domain=DOMAIN)
    if error.field is not None:
        info.metadata["field"] = error.field
    details: list[ErrorInfo | RetryInfo] = [info]
    if error.retry_after_seconds is not None:
        details.append(RetryInfo(retry_delay=Duration(seconds=error.retry_after_seconds)))
    packed = [Any() for _ in details]
    for place, detail in zip(packed, details, strict=True):
        place.Pack(detail)
    code = grpc.StatusCode[error.wire.grpc]
    return rpc_status.to_status(Status(code=code.value[0], message=error.message[:MAX_MESSAGE], details=packed))
