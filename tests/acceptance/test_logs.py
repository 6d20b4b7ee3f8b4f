"""What a front logs: JSON with the ids of the request, and nothing that anybody said or keeps secret."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import grpc
import httpx
from arcus.v1 import responses_pb2_grpc

from tests.acceptance.live_front import Front
from tests.acceptance.rpc_front import asks
from tests.front_process import make_key, start_front
from tests.waiting import until

KEY = "cg-seed-5f0c1e7a9b3d42688f7e"
SAID = "zanzibar"  # in everything that is said here: prompts, instructions, names of files
SECRETS = (KEY, SAID, "a-secret-of-the-tests", "links-are-signed-by-this")


def script(**more: object) -> str:
    return json.dumps({"messages": 2, "word": f"{SAID} ", **more})


def ask(http: httpx.Client, path: str = "/v1/responses", **more: object) -> httpx.Response:
    body = {"model": "nimbus-001", "input": f"What of {SAID}?", "instructions": script(), **more}
    return http.post(path, json=body)


def test_a_line_tells_whose_request_it_is_and_nothing_of_what_was_said(answering: Front, tmp_path: Path) -> None:
    log = tmp_path / "front.log"
    front = start_front(
        {
            **os.environ,
            "ARCUS_DATA_DIR": str(tmp_path / "data"),
            "ARCUS_ENGINE_ADDRESS": answering.engine_address,
            "ARCUS_ENGINE_SECRET": SECRETS[2],
            "ARCUS_LINK_SECRET": SECRETS[3],
        },
        log,
    )
    try:
        make_key(tmp_path / "data", KEY)
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=front.url.removesuffix("/v1"), headers=headers, timeout=60) as http:
            made = ask(http)
            assert made.status_code == 200 and SAID in made.text
            assert SAID in ask(http, stream=True).text
            until(lambda: log.read_text().count('"event": "request"') == 2, "it is told once the stream has ended", 60)
            assert ask(http, model=SAID).status_code == 400
            assert ask(http, instructions=script(fail_after=0, fail_reason="INTERNAL")).status_code == 500
            upload = {"file": (f"{SAID}.mp4", SAID.encode() * 100)}
            assert http.post("/v1/files", files=upload).status_code == 200
            assert http.get(f"/v1/files/{SAID}").status_code == 404
            assert http.get("/v1/files", headers={"Authorization": f"Bearer {KEY}x"}).status_code == 401
            with sqlite3.connect(tmp_path / "data" / "arcus.db") as database:
                database.execute("ALTER TABLE responses RENAME TO gone")
            assert ask(http).status_code == 500
        with grpc.insecure_channel(f"127.0.0.1:{front.grpc_port}") as channel:
            stub = responses_pb2_grpc.ResponseServiceStub(channel)
            asked = asks(f"And {SAID}?", script=script(), store=False)
            assert stub.Create(asked, metadata=(("authorization", f"Bearer {KEY}"),)).status
    finally:
        front.kill()
    text = log.read_text()
    assert not [secret for secret in SECRETS if secret in text]
    lines = [json.loads(line) for line in text.splitlines()]
    assert all(list(line)[:3] == ["time", "level", "event"] for line in lines)
    requests = [line for line in lines if line["event"] == "request"]
    told = [(line["route"], line["code"], line["reason"]) for line in requests]
    answer = "POST /v1/responses"
    assert told == [
        (answer, 200, None),
        (answer, 200, None),
        (answer, 400, "INVALID_ARGUMENT"),
        (answer, 500, "INTERNAL"),
        ("POST /v1/files", 200, None),
        ("GET /v1/files/{file_id}", 404, "NOT_FOUND"),
        ("GET /v1/files", 401, "UNAUTHENTICATED"),
        (answer, 500, "INTERNAL"),
        ("arcus.v1.ResponseService/Create", "OK", None),
    ]
    first = requests[0]
    assert first["request_id"] == made.headers["x-request-id"] in answering.engine.request_ids
    assert first["tenant_id"] and first["key_id"] and "tenant_id" not in requests[6]
    assert len({line["request_id"] for line in requests}) == len(requests)
    (failed,) = [line for line in lines if line["event"] == "request failed"]
    assert failed["request_id"] == requests[7]["request_id"] and "no such table" in failed["exception"]
