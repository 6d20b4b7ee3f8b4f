"""Whatever is wrong with a request is told by its field, and leaves nothing behind."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.bad_requests import (
    BODIES,
    FILE,
    FORM,
    FORMS,
    MALFORMED,
    NEW,
    QUERIES,
    UNIFORM,
    UNKNOWN,
    WITH_BODY,
    about,
    chat,
)
from tests.acceptance.described import describe, upload
from tests.acceptance.live_front import Account, Front
from tests.waiting import until

Json = dict[str, Any]


def check_error(reply: httpx.Response, status: int, words: str = "") -> str:
    """The one shape of a failure: {"error": "a sentence"}, and nothing of the server's insides in it."""
    assert reply.status_code == status, f"{reply.status_code} {reply.text[:500]}"
    body = reply.json()
    assert list(body) == ["error"] and isinstance(body["error"], str), reply.text[:500]
    assert len(body["error"].split()) >= 2, body
    assert not re.search(r"Traceback|File \"|\.py\b|sqlite|sqlalchemy|pydantic|<class|0x[0-9a-f]{6}", reply.text), body
    assert words in body["error"], body
    return body["error"]


@pytest.fixture(scope="module")
def owner(front: Front) -> tuple[Account, str, str]:
    """An account, its collection, and a described file in it."""
    account = front.account()
    with account.http as http:
        collection_id = http.post("/v1/collections", json={**NEW, "name": "good"}).json()["id"]
        file_id = upload(account)
        http.post(f"/v1/collections/{collection_id}/media", json={"file_id": file_id})
    describe(account, collection_id, file_id)
    return account, collection_id, file_id


@pytest.fixture(scope="module")
def facts(owner: tuple[Account, str, str]) -> str:
    """The owner's collection of type entities, with the same file in it."""
    account, _, file_id = owner
    new = {"name": "facts", "collection_type": "entities", "extract_config": {"prompt": "dates"}}
    with account.http as http:
        id = http.post("/v1/collections", json=new).json()["id"]
        http.post(f"/v1/collections/{id}/media", json={"file_id": file_id}).raise_for_status()
    return id


@pytest.fixture(scope="module")
def segment_id(owner: tuple[Account, str, str]) -> str:
    account, _, file_id = owner
    with account.http as http:
        return http.get(f"/v1/files/{file_id}/segments").json()["data"][0]["id"]


@pytest.mark.parametrize(
    ("method", "path", "body", "words"), BODIES, ids=[f"{item[1].split('/')[1]}-{item[3]}" for item in BODIES]
)
def test_a_bad_body_is_refused_by_its_field(owner, segment_id: str, method: str, path: str, body: Json, words: str):
    account, collection_id, file_id = owner
    names = {"{collection_id}": collection_id, "{file_id}": file_id, "{segment_id}": segment_id}
    text = json.dumps(body)
    for name, id in names.items():
        path, text = path.replace(name, id), text.replace(name, id)
    with account.http as http:
        before = http.get("/v1/collections").json(), http.get(f"/v1/files/{file_id}").json()
        check_error(http.request(method, f"/v1{path}", content=text), 400, words)
        assert (http.get("/v1/collections").json(), http.get(f"/v1/files/{file_id}").json()) == before


@pytest.mark.parametrize(("path", "query"), [(path, query) for path, queries in QUERIES.items() for query in queries])
def test_a_bad_query_parameter_is_refused_by_its_name(owner, facts: str, path: str, query: str):
    account, collection_id, file_id = owner
    collection_id = facts if path.endswith("/entities") else collection_id
    url = f"/v1{path}".replace("{collection_id}", collection_id).replace("{file_id}", file_id)
    with account.http as http:
        message = check_error(http.get(f"{url}?{query}"), 400)
    assert any(part.split("=")[0] in message for part in query.split("&")), message


def test_every_refusal_names_its_field_to_clients_that_are_not_cloudglues(owner, facts: str, segment_id: str):
    account, collection_id, file_id = owner
    names = {"{collection_id}": collection_id, "{file_id}": file_id, "{segment_id}": segment_id}
    asked = [(method, path, json.dumps(body)) for method, path, body, _ in BODIES]
    asked += [("GET", f"{path}?{query}", "") for path, queries in QUERIES.items() for query in queries]
    with account.http as http:
        del http.headers["X-SDK-Client"]
        for method, path, text in asked:
            names["{collection_id}"] = facts if "/entities" in path else collection_id
            for name, id in names.items():
                path, text = path.replace(name, id), text.replace(name, id)
            error = http.request(method, f"/v1{path}", content=text).json()["error"]
            assert error["type"] == "invalid_request_error" and error["message"], (path, text)
            assert error["param"] or "\\u0000" in text, (path, text, error)


def test_every_query_parameter_of_the_document_is_tried(front: Front):
    """Free text, and what is looked up by id, can not be wrong in form. The administration's are tried by test_admin."""
    free = {"segmentation_id", "signature", "after"}
    for path, methods in httpx.get(f"{front.url}/openapi.json", timeout=60).json()["paths"].items():
        for operation in methods.values() if path.startswith("/v1/") else ():
            names = {item["name"] for item in operation.get("parameters", []) if item["in"] == "query"} - free
            tried = {
                part.split("=")[0] for query in QUERIES.get(path.removeprefix("/v1"), ()) for part in query.split("&")
            }
            assert names <= tried, (path, names - tried)


@pytest.mark.parametrize("unknown", ["unknown", "00000000-0000-4000-8000-000000000000", "%27%20OR%201%3D1", "é" * 40])
@pytest.mark.parametrize(("method", "path", "body"), UNKNOWN)
def test_what_does_not_exist_is_not_found(
    owner, facts: str, segment_id: str, method: str, path: str, body: Json | None, unknown: str
):
    account, collection_id, file_id = owner
    text, path = json.dumps(body) if body else "", path.replace("{facts_id}", facts).replace("{segment_id}", segment_id)
    for name, id in (("{collection_id}", collection_id), ("{file_id}", file_id), ("{unknown}", unknown)):
        path, text = path.replace(name, id), text.replace(name, id)
    with account.http as http:
        check_error(http.request(method, f"/v1{path}", content=text or None), 404)


def test_deleting_a_response_that_is_not_there_is_no_error(account: Account):
    with account.http as http:
        assert http.delete("/v1/responses/unknown").json()["deleted"] is True
        assert http.delete("/v1/chat/completions/unknown").json()["deleted"] is True


def test_a_name_in_use_is_a_conflict(account: Account):
    with account.http as http:
        http.post("/v1/collections", json=NEW)
        other = http.post("/v1/collections", json={**NEW, "name": "d"}).json()
        check_error(http.post("/v1/collections", json=NEW), 409, "'c'")
        check_error(http.post("/v1/collections", json={**NEW, "name": " c "}), 409, "'c'")
        check_error(http.put(f"/v1/collections/{other['id']}", json={"name": "c"}), 409, "'c'")
        assert http.get(f"/v1/collections/{other['id']}").json()["name"] == "d"
        assert http.get("/v1/collections").json()["total"] == 2


def test_a_file_that_is_there_with_another_cut_is_a_conflict(owner):
    account, collection_id, file_id = owner
    body = {"file_id": file_id, "segmentation_config": {**UNIFORM, "uniform_config": {"window_seconds": 3}}}
    with account.http as http:
        check_error(http.post(f"/v1/collections/{collection_id}/media", json=body), 409, "another segmentation")


@pytest.mark.parametrize("content", MALFORMED)
@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_a_body_that_is_not_an_object_is_refused(owner, segment_id: str, method: str, path: str, content: bytes):
    account, collection_id, file_id = owner
    path = path.replace("{segment_id}", segment_id)
    url = f"/v1{path}".replace("{collection_id}", collection_id).replace("{file_id}", file_id)
    with account.http as http:
        check_error(http.request(method, url, content=content), 400)


@pytest.mark.parametrize(("content_type", "content"), FORMS)
def test_a_malformed_form_is_refused_and_leaves_nothing(account: Account, content_type: str, content: bytes):
    with account.http as http:
        check_error(http.post("/v1/files", content=content, headers={"Content-Type": content_type}), 400)
        assert http.get("/v1/files").json()["total"] == 0
    assert objects(account) == []


def objects(account: Account) -> list[Path]:
    """Files and folders that the object store holds for an account."""
    return list((account.front.data_dir / "objects" / "tenants" / account.tenant_id / "files").rglob("*"))


def test_an_upload_over_the_limit_is_refused_and_leaves_the_disk_clean(account: Account):
    """33 MiB against a limit of 32: refused while it streams, by a client that announces no length."""

    def body() -> Iterator[bytes]:
        yield FILE[: FILE.index(b"bytes")]
        for _ in range(33):
            yield b"\xff" * 1024**2
        yield b"\r\n--x--\r\n"

    with account.http as http:
        check_error(http.post("/v1/files", content=body(), headers={"Content-Type": FORM}), 413, "limit")
        assert http.get("/v1/files").json()["total"] == 0
        assert objects(account) == []
        exact = FILE.replace(b"bytes", b"\xff" * 32 * 1024**2)
        assert http.post("/v1/files", content=exact, headers={"Content-Type": FORM}).status_code == 200
        over = http.post(
            "/v1/files", content=exact.replace(b"\r\n--x--", b"\xff\r\n--x--"), headers={"Content-Type": FORM}
        )
        check_error(over, 413, "limit")


@pytest.mark.parametrize("ending", ["closed", "reset", "half-closed"])
def test_an_upload_cut_off_half_way_leaves_nothing(account: Account, ending: str):
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {account.key}\r\n"
        f"Content-Type: {FORM}\r\nContent-Length: 20000000\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", account.front.port), timeout=10) as connection:
        connection.sendall(head + FILE[: FILE.index(b"bytes")] + b"\xff" * 10_000_000)
        until(lambda: bool(objects(account)), "the upload has begun to be stored")
        if ending == "reset":
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if ending == "half-closed":
            connection.shutdown(socket.SHUT_WR)
            until(lambda: not objects(account), "nothing is left")
    until(lambda: not objects(account), "nothing is left")
    with account.http as http:
        assert http.get("/v1/files").json()["total"] == 0


def test_without_engines_work_is_taken_and_questions_are_refused_for_now(account: Account):
    with account.http as http:
        collection_id = http.post("/v1/collections", json=NEW).json()["id"]
        file = http.post("/v1/files", content=FILE, headers={"Content-Type": FORM})
        assert (file.status_code, file.json()["status"]) == (200, "pending")
        added = http.post(f"/v1/collections/{collection_id}/media", json={"file_id": file.json()["id"]})
        assert (added.status_code, added.json()["status"]) == (200, "pending")
        for stream in (False, True):
            reply = http.post("/v1/responses", json={**about(collections=[collection_id]), "stream": stream})
            check_error(reply, 503, "engine")
            assert int(reply.headers["retry-after"]) >= 1
            reply = http.post("/v1/chat/completions", json={**chat(collections=[collection_id]), "stream": stream})
            check_error(reply, 503, "engine")
