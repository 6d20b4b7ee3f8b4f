"""The metrics of one front: their names, labels and buckets.

Labels have few values: templates of routes and never paths, applications of the configuration, reasons and codes of
closed lists. Tenants are in three counters, and bounded there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from services.core.errors import ArcusError, Reason
from services.telemetry.intervals import TokenIntervals
from services.telemetry.objectives import FIRST_TOKEN_BUCKETS, LOOP_LAG_BUCKETS, REQUEST_BUCKETS, SEARCH_BUCKETS
from services.telemetry.tenants import TenantCounters

REQUESTS, TOKENS, REFUSALS = "arcus_tenant_requests", "arcus_tenant_output_tokens", "arcus_tenant_refusals"
BY_TENANT = {
    REQUESTS: "Requests of the tenants with the most of them.",
    TOKENS: "Output tokens of the tenants with the most requests.",
    REFUSALS: "Requests beyond a limit, of the tenants with the most requests.",
}


class Metrics:
    def __init__(self, *, tenants: int = 20) -> None:
        """`tenants`: how many are named by the counters of tenants."""
        disable_created_metrics()  # a series more of each, which nothing reads
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, documentation: str, *labels: str) -> Counter:
            return Counter(name, documentation, labels, registry=registry)

        def gauge(name: str, documentation: str, *labels: str) -> Gauge:
            return Gauge(name, documentation, labels, registry=registry)

        def histogram(name: str, documentation: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, documentation, labels, buckets=buckets, registry=registry)

        self.build = gauge("arcus_build_info", "What runs, and the newest tables that it knows.", "version", "schema")
        self._requests = counter("arcus_requests", "Requests that ended, by HTTP status or gRPC code.", "route", "code")
        self._request_seconds = histogram(
            "arcus_request_duration_seconds", "Time from a request to the end of its reply.", REQUEST_BUCKETS, "route"
        )
        self.streams = gauge("arcus_streams", "Streamed replies that are open.")
        self._refusals = counter("arcus_refusals", "Requests that failed, by reason.", "reason")
        for reason in Reason:
            self._refusals.labels(reason.value)
        self.first_token = histogram(
            "arcus_first_token_seconds",
            "Time from a question to its answer's first token.",
            FIRST_TOKEN_BUCKETS,
            "model",
        )
        self.token_intervals = TokenIntervals(registry)
        self.answers = counter(
            "arcus_answers",
            "Answers that an engine ended; one that is tried again counts each time.",
            "model",
            "status",
        )
        self.input_tokens = counter("arcus_input_tokens", "Tokens that engines read.", "model")
        self.output_tokens = counter("arcus_output_tokens", "Tokens that engines wrote.", "model")
        self.answers_running = gauge("arcus_answers_running", "Answers that are being written.")
        self.answers_limit = gauge("arcus_answers_limit", "Answers that may be written at once.")
        self._engine_requests = counter(
            "arcus_engine_requests", "Calls of engines and index shards, by gRPC code.", "application", "method", "code"
        )
        self._engine_seconds = histogram(
            "arcus_engine_request_duration_seconds", "Time of calls of engines.", REQUEST_BUCKETS, "method"
        )
        self.engine_up = gauge("arcus_engine_up", "Whether an engine answered when this was read.")
        self.search_seconds = histogram(
            "arcus_search_duration_seconds", "Time of a search of one shard, waiting included.", SEARCH_BUCKETS, "shard"
        )
        self.asked_by_way = counter(
            "arcus_engine_asked",
            "Searches, calls that embed and plans that were answered, by the way they went: direct, over a connection to a "
            "replica, or ingress.",
            "application",
            "way",
        )
        self.direct_connections = gauge(
            "arcus_direct_connections", "Replicas that this front has a connection to.", "application"
        )
        self.jobs = gauge(
            "arcus_jobs", "Jobs of all tenants; finished ones are forgotten after a day.", "state", "kind"
        )
        self.job_oldest = gauge(
            "arcus_job_oldest_queued_seconds", "How long the oldest job that could run has waited.", "kind"
        )
        self.database_up = gauge("arcus_database_up", "Whether the database answered when this was read.")
        self.schema_behind = gauge(
            "arcus_schema_versions_behind",
            "Versions that the database's tables are behind those that this process knows.",
        )
        self.pool_waiting = gauge("arcus_database_pool_waiting", "Who waits for a connection or a turn to write.")
        self.notices_heard = gauge(
            "arcus_notices_heard",
            "Whether this front hears at once what others write, by PostgreSQL; if not, it asks 20 times a second (SQLite: NaN).",
        )
        self.limiter_errors = counter("arcus_limiter_errors", "Limits that could not be looked up.")
        self.loop_lag = histogram(
            "arcus_event_loop_lag_seconds", "How much later than asked the event loop woke up.", LOOP_LAG_BUCKETS
        )
        self.tenants = TenantCounters(tenants, BY_TENANT, registry)

    def request(
        self, route: str, code: str, seconds: float, *, reason: Reason | None = None, tenant_id: str | None = None
    ) -> None:
        """One request that ended. `reason`: why it failed, if it did."""
        self._requests.labels(route, code).inc()
        self._request_seconds.labels(route).observe(seconds)
        if reason is not None:
            self._refusals.labels(reason.value).inc()
        if tenant_id is not None:
            self.tenants.add(tenant_id, REQUESTS)
            if reason is Reason.LIMIT_EXCEEDED:
                self.tenants.add(tenant_id, REFUSALS)

    @contextmanager
    def engine_call(self, application: str, method: str) -> Iterator[None]:
        """Counts what the block does by the code of what it raises."""
        started, code = perf_counter(), "OK"
        try:
            yield
        except ArcusError as error:
            code = error.wire.grpc
            raise
        except (asyncio.CancelledError, GeneratorExit):
            code = "CANCELLED"
            raise
        except BaseException:
            code = "UNKNOWN"
            raise
        finally:
            self._engine_requests.labels(application, method, code).inc()
            self._engine_seconds.labels(method).observe(perf_counter() - started)


class AnswerMeter:
    """One try at an answer, as its chunks come."""

    def __init__(self, metrics: Metrics, tenant_id: str, model: str, started: float) -> None:
        """`started`: by perf_counter, when it was asked for."""
        self._metrics = metrics
        self._intervals = metrics.token_intervals
        self._tenant_id = tenant_id
        self._model = model
        self._last = self._started = started
        self._input_tokens = self._output_tokens = 0
        self._has_ended = False

    def told(self, tokens: int) -> None:
        """So many output tokens came, 1 or more."""
        now = perf_counter()
        if self._output_tokens:
            self._intervals.add(now - self._last, tokens)
        else:
            self._metrics.first_token.labels(self._model).observe(now - self._started)
        self._output_tokens += tokens
        self._last = now

    def read(self, tokens: int) -> None:
        """So many input tokens the engine counted."""
        self._input_tokens = tokens

    def ended(self, status: str) -> None:
        """`status`: completed, failed or cancelled. Only the first end counts."""
        if self._has_ended:
            return
        self._has_ended = True
        self._metrics.answers.labels(self._model, status).inc()
        self._metrics.input_tokens.labels(self._model).inc(self._input_tokens)
        self._metrics.output_tokens.labels(self._model).inc(self._output_tokens)
        if self._output_tokens:
            self._metrics.tenants.add(self._tenant_id, TOKENS, self._output_tokens)
