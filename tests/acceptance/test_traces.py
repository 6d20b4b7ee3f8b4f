"""One question is one trace, as a collector gets it from a real front."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from arcus.v1 import responses_pb2_grpc

from services.telemetry import span_names as names
from tests.acceptance.described import described_talk
from tests.acceptance.live_front import Front
from tests.acceptance.rpc_front import asks
from tests.front_process import start_front
from tests.trace_collector import Collector, attributes

SAID = "zanzibar"
CALLERS = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{CALLERS}-b7ad6b7169203331-01"


NAMES = {value for name, value in vars(names).items() if name.isupper()}


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.stop()


def test_a_question_is_one_trace_over_front_search_and_engine(
    answering: Front, collector: Collector, tmp_path: Path
) -> None:
    log, engine = tmp_path / "front.log", answering.engine
    assert engine
    account = answering.account()
    collection_id, _ = described_talk(account)
    front = start_front(
        {
            **os.environ,
            "ARCUS_DATA_DIR": str(answering.data_dir),  # two fronts over one database
            "ARCUS_ENGINE_ADDRESS": answering.engine_address,
            "ARCUS_ENGINE_SECRET": "a-secret-of-the-tests",
            "ARCUS_OTLP_ENDPOINT": collector.endpoint,
        },
        log,
    )
    try:
        headers = {"Authorization": f"Bearer {account.key}", "traceparent": TRACEPARENT}
        httpx.get(front.url.removesuffix("/v1") + "/readyz").raise_for_status()
        with httpx.Client(base_url=front.url, headers=headers, timeout=60) as http:
            knowledge = {"source": "collections", "collections": [collection_id]}
            question = {"model": "nimbus-001", "input": f"What of {SAID}?", "stream": True, "knowledge_base": knowledge}
            question["instructions"] = json.dumps({"messages": 3, "tokens_per_message": 2, "word": SAID})
            assert "response.completed" in http.post("/responses", json=question).raise_for_status().text
            assert http.get(f"/files/{SAID}").status_code == 404
        over_http = engine.traceparents[-1]
        with grpc.insecure_channel(f"127.0.0.1:{front.grpc_port}") as channel:
            stub = responses_pb2_grpc.ResponseServiceStub(channel)
            metadata = (("authorization", f"Bearer {account.key}"),)
            assert stub.Create(asks(f"And {SAID}?", store=False), metadata=metadata).status
        over_grpc = engine.traceparents[-1]
        front.process.terminate()  # what was not sent yet is sent at the end
        assert front.process.wait(60) == 0
    finally:
        front.kill()
    assert not [span for span in collector.spans if SAID in str(span) or account.key in str(span)]
    spans = {span.span_id.hex(): span for span in collector.spans}
    assert {name for span in spans.values() for name in attributes(span)} <= NAMES
    assert not [span.name for span in spans.values() if "readyz" in span.name]

    (asked,) = [span for span in spans.values() if span.name == "POST /v1/responses"]
    assert (asked.trace_id.hex(), asked.parent_span_id.hex()) == (CALLERS, "b7ad6b7169203331")
    assert attributes(asked)[names.CODE] == "200" and attributes(asked)[names.TENANT]
    below = [span for span in spans.values() if span.parent_span_id == asked.span_id]
    assert {span.name for span in below} == {"embeddings", "plan nimbus-001", "retrieval shard 0", "chat nimbus-001"}
    (chat,) = [span for span in below if span.name.startswith("chat")]
    told = attributes(chat)
    assert (told[names.OPERATION], told[names.MODEL], told[names.OUTPUT_TOKENS]) == ("chat", "nimbus-001", 6)
    assert told[names.INPUT_TOKENS] > 0
    assert over_http == f"00-{CALLERS}-{chat.span_id.hex()}-01"

    (called,) = [span for span in spans.values() if span.name == "arcus.v1.ResponseService/Create"]
    _, trace_id, span_id, _ = over_grpc.split("-")
    assert trace_id == called.trace_id.hex() != CALLERS and spans[span_id].parent_span_id == called.span_id
    requests = [line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "request"]
    assert [line["trace_id"] for line in requests[-2:]] == [CALLERS, trace_id]


def test_where_no_collector_is_named_nothing_is_traced_and_nothing_that_traces_is_loaded(answering: Front) -> None:
    account = answering.account()
    headers = {"Authorization": f"Bearer {account.key}", "traceparent": TRACEPARENT}
    question = {"model": "nimbus-001", "input": "What?"}
    asked = httpx.post(f"{answering.url}/v1/responses", headers=headers, json=question, timeout=60)
    assert asked.status_code == 200
    assert answering.engine and answering.engine.traceparents[-1] == ""
    program = (
        "import sys, services.front; from services.core.settings import Settings; "
        "from services.telemetry.tracing import start_tracing; start_tracing(Settings(), 'arcus-front'); "
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert loaded.stdout == "[]\n"
