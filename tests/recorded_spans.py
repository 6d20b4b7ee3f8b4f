"""Spans of this process, recorded in memory in place of a collector."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from services.telemetry import tracing


def record_spans(monkeypatch: pytest.MonkeyPatch, *, share: float = 1.0) -> InMemorySpanExporter:
    """For the rest of the test. `share`: of requests whose caller has not decided it, as ARCUS_TRACE_SHARE."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=ParentBased(TraceIdRatioBased(share)))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("arcus"))
    return exporter
