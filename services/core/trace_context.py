"""The trace that goes on in durable work: it is kept beside a job until somebody takes it up."""

from __future__ import annotations

from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator


def current_traceparent() -> str | None:
    """Of the current span, as W3C Trace Context writes it; None where there is none that is recorded."""
    carrier: dict[str, str] = {}
    if get_current_span().is_recording():
        TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")
