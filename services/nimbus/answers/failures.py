"""How a failure after the first event is told and kept."""

from __future__ import annotations

from typing import Any

import structlog

from services.core.errors import WIRE, ArcusError, Reason

log = structlog.get_logger()


def failure_entry(response_id: str, error: BaseException) -> list[Any]:
    """The last entry of a response that failed. What was not expected is logged and not shown."""
    if isinstance(error, ArcusError):
        log.warning("response_failed", response_id=response_id, reason=error.reason, cause=str(error.__cause__))
        return ["failed", error.message, error.reason.lower()]
    log.error("response_failed", response_id=response_id, exc_info=error)
    return ["failed", WIRE[Reason.INTERNAL].message, Reason.INTERNAL.lower()]
