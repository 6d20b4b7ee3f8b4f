"""How every process logs: one line an event on stderr, JSON for machines, without the values of variables.

What belongs to a request is bound once with `structlog.contextvars` (request_id, tenant_id, key_id, trace_id), and stands
in every line that is logged for it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

LogFormat = Literal["auto", "json", "console"]
FIRST = ("time", "level", "event")


def configure_logs(log_format: LogFormat = "auto") -> None:
    """`auto`: for a person where stderr is a terminal, else JSON."""
    is_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    # The default renderer shows each frame's variables, which may hold keys and what people said.
    console = structlog.dev.ConsoleRenderer(
        colors=False, timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    ending: list[Any] = [structlog.processors.format_exc_info, _ordered, _json] if is_json else [console]
    structlog.configure(processors=[*shared, *ending], logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    # What libraries log (uvicorn, asyncio, SQLAlchemy) takes the same form.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _named],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers = [each for each in root.handlers if not _is_ours(each)] + [handler]


_json = structlog.processors.JSONRenderer(default=str)


def _ordered(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: event.pop(name) for name in FIRST if name in event} | dict(event)


def _named(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Which library says it."""
    event["logger"] = event["_record"].name
    return event


def _is_ours(handler: logging.Handler) -> bool:
    return isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter)
