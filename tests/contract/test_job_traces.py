"""A job goes on with the trace of the request that asked for it, over a restart of every process between."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from ray_jobs.ingest import IngestWorker
from services.core.media import MediaInfo
from services.core.settings import Settings
from services.telemetry import span_names as names
from services.telemetry import tracing
from tests.contract.test_ingest_bounds import HeldPipeline, _end, working
from tests.recorded_spans import record_spans

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


class BrokenPipeline(HeldPipeline):
    async def describe(self, *_arguments: Any, thumbnail: bool) -> Any:
        raise KeyError("what was said")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    return record_spans(monkeypatch, share=0)


async def described(store, database_url: str, pipeline: Any, *, carrier: dict[str, str]) -> str:
    """How a file that is uploaded and added by a request of `carrier` ends."""
    collection = await store.collection()
    with tracing.request_span("request", carrier):
        file = await store.upload()
        await store.members.add(store.tenant, collection.id, file.id)
    probe = await store.claim("probe", file.id)
    with tracing.job_span(probe):
        await store.files.set_probed(file.id, MediaInfo("video", 40.0, "mp4", has_audio=True))
    await store.jobs.finish(probe, "worker")
    settings = Settings(
        database_url=database_url, objects_url=f"file://{store.folder}", ingest_concurrency=1, max_attempts=1
    )
    async with working(IngestWorker(settings, pipeline)):
        return await _end(store, collection.id, file.id)


async def test_a_files_jobs_are_below_the_request_that_uploaded_it(store, database_url, recorded) -> None:
    pipeline: Any = HeldPipeline()
    pipeline.let_go.set()
    assert await described(store, database_url, pipeline, carrier=CALLER) == "completed"
    request, probe, describe = recorded.get_finished_spans()
    assert [span.name for span in (request, probe, describe)] == ["request", "job probe", "job describe"]
    assert {f"{span.context.trace_id:032x}" for span in (request, probe, describe)} == {TRACE}
    assert probe.parent.span_id == request.context.span_id
    assert describe.parent.span_id == probe.context.span_id, "it was asked for by the probe, which knew how long it is"
    assert describe.attributes == {
        names.JOB: describe.attributes[names.JOB],
        names.TENANT: store.tenant,
        names.ATTEMPT: 1,
    }
    assert describe.status.is_ok and "talk.mp4" not in describe.to_json()


async def test_a_job_that_fails_says_so_in_its_span_and_its_lines_tell_the_trace(store, database_url, recorded) -> None:
    with capture_logs(processors=[merge_contextvars]) as lines:
        assert await described(store, database_url, BrokenPipeline(), carrier=CALLER) == "failed"
    describe = recorded.get_finished_spans()[-1]
    assert describe.attributes[names.ERROR] == "KeyError" and not describe.status.is_ok
    (failed,) = [line for line in lines if line["event"] == "job_failed"]
    assert (failed["trace_id"], failed["tenant_id"], failed["job_id"]) == (
        TRACE,
        store.tenant,
        describe.attributes[names.JOB],
    )


async def test_a_request_that_is_not_traced_leaves_no_trace_to_its_jobs(store, database_url, recorded) -> None:
    pipeline: Any = HeldPipeline()
    pipeline.let_go.set()
    assert await described(store, database_url, pipeline, carrier={}) == "completed"
    assert not recorded.get_finished_spans()
