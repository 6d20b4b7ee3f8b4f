"""How every process logs: one line an event on stderr, stack traces without the values of variables."""

from __future__ import annotations

import sys

import structlog


def configure_logs() -> None:
    # The default renderer shows each frame's variables, which may hold keys and what people said.
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
