"""The spans of replicas, and those that a front's calls have, as they are recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from ray_jobs.ingress import Gate
from services.core.errors import ArcusError
from services.core.settings import load_settings
from services.telemetry import tracing
from tests.recorded_spans import record_spans
from tests.unit.test_ingress_gate import CallContext, failing

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01")


class SearchRequest:
    pass


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    return record_spans(monkeypatch)


def called(*metadata: tuple[str, str]) -> CallContext:
    context = CallContext()
    context.metadata += metadata
    return context


async def test_a_replica_serves_below_the_span_of_its_caller_and_logs_its_trace(recorded: InMemorySpanExporter) -> None:
    async def chunks(_request: SearchRequest) -> AsyncIterator[int]:
        yield 1
        assert not recorded.get_finished_spans()
        yield 2

    assert [chunk async for chunk in Gate("secret").stream(called(CALLER), chunks, SearchRequest())] == [1, 2]
    with capture_logs(processors=[merge_contextvars]) as lines:
        await Gate("secret").unary(called(CALLER), failing(KeyError("said")), SearchRequest(), None)
        await Gate("secret").unary(called(), failing(KeyError("said")), SearchRequest(), None)
    assert [line.get("trace_id") for line in lines] == [TRACE, None]
    streamed, failed = recorded.get_finished_spans()  # none for who names no span
    for span in streamed, failed:
        assert span.name == "Search" and span.parent
        assert f"00-{span.parent.trace_id:032x}-{span.parent.span_id:016x}-01" == CALLER[1]
    assert streamed.status.is_ok and not failed.status.is_ok
    assert failed.attributes == {"error.type": "KeyError"} and "said" not in failed.to_json()


async def test_a_stream_that_is_left_ends_its_span(recorded: InMemorySpanExporter) -> None:
    async def chunks(_request: SearchRequest) -> AsyncIterator[int]:
        yield 1
        yield 2

    messages = Gate("secret").stream(called(CALLER), chunks, SearchRequest())
    assert await anext(messages) == 1
    await messages.aclose()  # type: ignore[attr-defined]
    assert len(recorded.get_finished_spans()) == 1


def test_a_call_sends_its_own_span_along(recorded: InMemorySpanExporter) -> None:
    with (
        tracing.request_span("GET", dict([CALLER])),
        tracing.client_span("outer", {}) as (span, carried),
        tracing.client_span("beside", {}),
    ):
        assert carried == (("traceparent", f"00-{TRACE}-{span.get_span_context().span_id:016x}-01"),)
    beside, outer, request = recorded.get_finished_spans()
    assert request.parent and beside.parent == outer.parent == request.context


def test_who_is_not_sampled_sends_nothing_along(monkeypatch: pytest.MonkeyPatch) -> None:
    record_spans(monkeypatch, share=0)
    with tracing.request_span("GET", {}) as request, tracing.client_span("call", {}) as (_, carried):
        assert carried == () and tracing.ids(request).keys() == {"trace_id"}


@pytest.mark.parametrize("endpoint", ["collector:4317", "grpc://collector:4317", "http://collector:4317/v1/traces"])
def test_an_endpoint_of_another_form_is_refused_by_name(endpoint: str) -> None:
    with pytest.raises(ArcusError, match="ARCUS_OTLP_ENDPOINT"):
        load_settings(otlp_endpoint=endpoint)


def test_where_no_collector_is_named_nothing_is_made_of_a_call() -> None:
    with (
        tracing.request_span("GET", {"traceparent": f"00-{1:032x}-{1:016x}-01"}) as request,
        tracing.client_span("a call", {}) as (span, carried),
    ):
        assert tracing.ids(request) == {"trace_id": f"{1:032x}"}, "which log lines tell"
        assert span is INVALID_SPAN and carried == ()
