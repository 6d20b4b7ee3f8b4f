"""Traces: one question is one trace over front, search and engine. Where no collector is named, nothing is recorded.

Nothing that was asked, said or written stands in a span.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.core.settings import Settings
from services.telemetry.span_names import ATTEMPT, CODE, ERROR, JOB, ROUTE, TENANT

if TYPE_CHECKING:
    from services.core.jobs import Job

Metadata = Sequence[tuple[str, str]]
Attributes = Mapping[str, str | int]
FAULTS = {"500", "502", "503", "504", "507", "INTERNAL", "UNAVAILABLE", "UNKNOWN", "DEADLINE_EXCEEDED", "DATA_LOSS"}
_unrecorded = trace.NoOpTracer()
tracer: trace.Tracer = _unrecorded
_propagator = TraceContextTextMapPropagator()


def start_tracing(settings: Settings, service: str) -> None:
    """Sends this process's spans to the collector of the settings, if there is one; the last of them as it ends."""
    if not settings.otlp_endpoint:
        return
    # A quarter of a second to import, for who wants it.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    provider = TracerProvider(
        resource=Resource.create({"service.name": service}),
        sampler=ParentBased(TraceIdRatioBased(settings.trace_share)),
    )
    exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint, insecure=settings.otlp_endpoint.startswith("http://"))
    provider.add_span_processor(BatchSpanProcessor(exporter))  # bounded: it drops what the collector does not take
    trace.set_tracer_provider(provider)
    global tracer
    tracer = provider.get_tracer("arcus")


@contextmanager
def request_span(name: str, carrier: Mapping[str, str], *, is_probe: bool = False) -> Iterator[Span]:
    """Of a request to a front: the current one while the block runs, below the caller's if `carrier` (headers, metadata)
    names one. Probes have none.
    """
    if is_probe:
        yield INVALID_SPAN
        return
    with tracer.start_as_current_span(
        name,
        context=_propagator.extract(carrier),
        kind=SpanKind.SERVER,
        record_exception=False,  # its message may tell what was asked
        set_status_on_exception=False,
    ) as span:
        yield span


def set_outcome(span: Span, route: str, code: str, tenant_id: str | None) -> None:
    """How a request ended, as its metrics have it."""
    if span.is_recording():
        span.update_name(route)
        span.set_attributes({ROUTE: route, CODE: code} | ({TENANT: tenant_id} if tenant_id else {}))
        if code in FAULTS:
            span.set_status(StatusCode.ERROR)


@contextmanager
def client_span(name: str, attributes: Attributes) -> Iterator[tuple[Span, Metadata]]:
    """Of a call to a replica, below the current one, with the metadata by which the replica's span is below it.

    It never is the current one: an asynchronous generator may end in another context than it began in.
    """
    if tracer is _unrecorded:
        yield INVALID_SPAN, ()
        return
    span = tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
    carrier: dict[str, str] = {}
    if span.is_recording():
        _propagator.inject(carrier, trace.set_span_in_context(span, Context()))
    with _ended(span):
        yield span, tuple(carrier.items())


@contextmanager
def replica_span(name: str, carrier: Mapping[str, str]) -> Iterator[None]:
    """Of a call that a replica serves, below that of `carrier`; where it names none, there is none."""
    context = _propagator.extract(carrier)
    if not trace.get_current_span(context).get_span_context().is_valid:
        yield
        return
    with _ended(tracer.start_span(name, context=context, kind=SpanKind.SERVER)):
        yield


@contextmanager
def job_span(job: Job) -> Iterator[None]:
    """Of one turn of a job, below what asked for it and the current one while the block runs. A job whose
    request is not traced has none.
    """
    if job.traceparent is None:
        yield
        return
    context = _propagator.extract({"traceparent": job.traceparent})
    attributes: Attributes = {JOB: job.id, TENANT: job.tenant_id, ATTEMPT: job.attempts}
    span = tracer.start_span(f"job {job.kind}", context=context, kind=SpanKind.CONSUMER, attributes=attributes)
    with trace.use_span(span, record_exception=False, set_status_on_exception=False), _ended(span):
        yield


@contextmanager
def _ended(span: Span) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        span.set_attribute(ERROR, type(error).__name__)
        span.set_status(StatusCode.ERROR)
        raise
    finally:
        span.end()


def ids(span: Span) -> dict[str, str]:
    """By which log lines find the trace, if there is one."""
    context = span.get_span_context()
    return {"trace_id": trace.format_trace_id(context.trace_id)} if context.is_valid else {}


def carried_ids(carrier: Mapping[str, str]) -> dict[str, str]:
    """Those of the caller's span."""
    return ids(trace.get_current_span(_propagator.extract(carrier)))
