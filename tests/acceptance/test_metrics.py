"""What a front tells of itself, read from its page after real requests at both doors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import pytest
from arcus.v1 import files_pb2, files_pb2_grpc, responses_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from services.core.engines.config import parse_engine_config
from services.core.errors import ArcusError, Reason
from services.core.jobs import Jobs
from services.core.store.database import Database
from services.rest.connections import listen
from services.telemetry.metrics import Metrics
from services.telemetry.page import metrics_page, serving
from services.telemetry.readings import Readings
from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.rpc_front import asks
from tests.acceptance.scripted_server import ScriptedServer
from tests.waiting import until

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    running = Front(front_settings(tmp_path_factory.mktemp("told")), ScriptedServer()).start()
    yield running
    running.stop()


def read(front: Front) -> Samples:
    """The page, over a socket."""

    async def page() -> str:
        backend, listener = front.backend, listen("127.0.0.1", 0)
        readings = Readings(
            backend.metrics,
            database=backend.database,
            jobs=Jobs(backend.database, lease_seconds=30),
            check_engine=backend.engine.check,
        )
        async with (
            serving(metrics_page(backend.metrics.registry, readings.refresh), listener),
            httpx.AsyncClient() as http,
        ):
            return (await http.get(f"http://127.0.0.1:{listener.getsockname()[1]}/metrics")).text

    families = text_string_to_metric_families(front.call(page()))
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


def test_requests_are_counted_by_template_at_both_doors(told: Front) -> None:
    account = told.account()
    with account.http as http, account.channel() as channel:
        for name in ("a", "b"):
            assert http.get(f"/v1/files/{name}").status_code == 404
        assert http.get("/v1/files").status_code == 200
        assert http.patch("/v1/files").status_code == 405
        assert http.get("/nowhere").status_code == 404
        assert http.get("/v1/files", headers={"Authorization": "Bearer cg-wrong-wrong"}).status_code == 401
        stub = files_pb2_grpc.FileServiceStub(channel)
        with pytest.raises(grpc.RpcError):
            stub.Get(files_pb2.GetFileRequest(file_id="c"), metadata=account.metadata)
    samples = read(told)
    assert value(samples, "arcus_requests_total", route="GET /v1/files/{file_id}", code="404") == 2
    assert value(samples, "arcus_requests_total", route="GET /v1/files", code="200") == 1
    assert value(samples, "arcus_requests_total", route="GET /v1/files", code="401") == 1
    assert value(samples, "arcus_requests_total", route="other", code="405") == 1
    assert value(samples, "arcus_requests_total", route="other", code="404") == 1
    assert value(samples, "arcus_requests_total", route="arcus.v1.FileService/Get", code="NOT_FOUND") == 1
    assert value(samples, "arcus_request_duration_seconds_count", route="GET /v1/files/{file_id}") == 2
    assert value(samples, "arcus_refusals_total", reason="NOT_FOUND") == 4
    assert value(samples, "arcus_refusals_total", reason="UNAUTHENTICATED") == 1
    assert value(samples, "arcus_tenant_requests_total", tenant=account.tenant_id) == 5
    assert not any("/v1/files/a" in str(labels) or account.key in str(labels) for _, labels in samples)


def ask(account: Account, **more: object) -> dict:
    body = {"model": "nimbus-001", "input": "Which tide?", **more}
    with account.http as http:
        return http.post("/v1/responses", json=body).raise_for_status().json()


def test_an_answer_tells_its_first_token_and_the_time_between_the_others(told: Front) -> None:
    account, before = told.account(), read(told)
    made = ask(account, instructions='{"messages": 5, "tokens_per_message": 1}')
    samples = read(told)
    model = {"model": "nimbus-001"}

    def more(name: str, **labels: str) -> float:
        return value(samples, name, **labels) - value(before, name, **labels)

    application = parse_engine_config("").application("nimbus-001")
    tokens = made["usage"]["output_tokens"]
    assert more("arcus_first_token_seconds_count", **model) == 1
    assert more("arcus_output_tokens_total", **model) == tokens > 4
    assert more("arcus_output_token_interval_seconds_count") == tokens - 1
    assert more("arcus_answers_total", **model, status="completed") == 1
    assert more("arcus_engine_requests_total", application=application, method="Generate", code="OK") == 1
    assert value(samples, "arcus_tenant_output_tokens_total", tenant=account.tenant_id) == tokens


def test_open_streams_are_told_and_those_that_are_left_are_cancelled(told: Front) -> None:
    account, metrics = told.account(), told.backend.metrics
    body = {"model": "nimbus-001", "input": "Go on.", "stream": True}
    body["instructions"] = '{"messages": 500, "interval_seconds": 0.05}'
    with account.http as http, account.channel() as channel:
        with http.stream("POST", "/v1/responses", json=body) as reply:
            assert reply.status_code == 200, reply.read()
            next(lines := reply.iter_lines())  # kept: the connection closes with it
            assert value(read(told), "arcus_streams") == 1
            assert value(read(told), "arcus_answers_running") == 1
            assert next(lines)
        until(lambda: metrics.streams._value.get() == 0, "the stream is closed")
        question = asks("Go on.", script=body["instructions"])
        call = responses_pb2_grpc.ResponseServiceStub(channel).Stream(question, metadata=account.metadata)
        next(call)
        assert value(read(told), "arcus_streams") == 1
        call.cancel()
        until(lambda: metrics.streams._value.get() == 0, "the call is over")
    samples = read(told)
    assert value(samples, "arcus_answers_total", model="nimbus-001", status="cancelled") == 2
    assert value(samples, "arcus_requests_total", route="arcus.v1.ResponseService/Stream", code="CANCELLED") == 1


def test_the_queue_the_tables_and_the_engine_are_looked_up(told: Front) -> None:
    account = told.account()
    with account.http as http:
        http.post("/v1/files", files={"file": ("a.mp4", b"x" * 1000)}).raise_for_status()
    samples = read(told)
    assert value(samples, "arcus_jobs", state="queued", kind="probe") == 1
    assert value(samples, "arcus_job_oldest_queued_seconds", kind="probe") >= 0
    assert value(samples, "arcus_job_oldest_queued_seconds", kind="describe") == 0
    assert value(samples, "arcus_database_up") == value(samples, "arcus_engine_up") == 1
    assert value(samples, "arcus_schema_versions_behind") == 0
    (build,) = [labels for name, labels in samples if name == "arcus_build_info"]
    assert dict(build)["version"] and dict(build)["schema"].isdigit()


async def test_a_database_that_is_away_is_told_as_down_without_old_figures(tmp_path: Path) -> None:
    async def no_engine() -> None:
        raise ArcusError(Reason.ENGINE_UNAVAILABLE)

    metrics = Metrics()
    (tmp_path / "away.db").mkdir()
    for name, is_up in (("there.db", 1.0), ("away.db", 0.0)):
        database = Database(f"sqlite+aiosqlite:///{tmp_path / name}")
        if is_up:
            await database.migrate()
        jobs = Jobs(database, lease_seconds=30)
        await Readings(metrics, database=database, jobs=jobs, check_engine=no_engine).refresh()
        await database.close()
        told = {sample.name: sample.value for family in metrics.registry.collect() for sample in family.samples}
        assert (told["arcus_database_up"], told["arcus_engine_up"]) == (is_up, 0.0)
        assert ("arcus_jobs" in told) == ("arcus_job_oldest_queued_seconds" in told) == bool(is_up)


def test_who_waits_for_the_database_is_counted(told: Front) -> None:
    database = told.backend.database

    async def hold(seconds: float) -> None:
        async with database.write() as connection:
            await connection.exec_driver_sql("SELECT 1")
            await asyncio.sleep(seconds)

    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(told.call, hold(0.5)) for _ in range(3)]
        until(lambda: database.waiting == 2, "two wait for their turn")
        for call in calls:
            call.result()
    assert database.waiting == 0
