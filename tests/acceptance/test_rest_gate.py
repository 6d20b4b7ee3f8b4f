"""What every request meets before its route, and what failures look like."""

from __future__ import annotations

import json
import socket
import threading

import httpx
import pytest

from services.core.store.migration import NEEDED
from services.rest.app import create_app
from tests.acceptance.live_front import Account, Front


def exchange(front: Front, *lines: str, body: bytes = b"") -> tuple[int, dict[str, str], dict]:
    """One request as it is written, on a connection of its own; the reply's status, headers and JSON."""
    with socket.create_connection(("127.0.0.1", front.port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "Host: x", "Connection: close", "", ""]).encode() + body)
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, rest = received.partition(b"\r\n\r\n")
        status, *pairs = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (pair.partition(": ") for pair in pairs)}
        while len(rest) < int(headers["content-length"]):
            rest += connection.recv(65536)
    return int(status.split()[1]), headers, json.loads(rest)


def test_a_wrong_key_is_refused_before_the_body_comes(front: Front):
    lines = ("POST /v1/files HTTP/1.1", "Content-Type: multipart/form-data; boundary=x", "Content-Length: 1000000")
    for key in ((), ("Authorization: Bearer cg-wrong-wrong",), ("Authorization: Basic abc",), ("Authorization:",)):
        status, headers, value = exchange(front, *lines, *key)
        assert (status, list(value), headers["www-authenticate"]) == (401, ["error"], "Bearer")


def test_an_unknown_route_or_method_says_so(account: Account):
    with account.http as http:
        missing = http.get("/v1/nothing")
        assert missing.status_code == 404 and "GET /v1/nothing" in missing.json()["error"]
        assert http.get("/nothing").status_code == 404
        wrong = http.patch("/v1/files")
        assert wrong.status_code == 405 and isinstance(wrong.json()["error"], str)
        for path, methods in (("/v1/files", "GET, POST"), ("/v1/files/f", "DELETE, GET, PUT"), ("/v1/models/m", "GET")):
            assert http.patch(path).headers["allow"] == methods


@pytest.mark.parametrize("path", ["/v1//files", "//v1/files/", "/v1/files//"])
def test_doubled_and_closing_slashes_mean_nothing(account: Account, path: str):
    status, _, value = exchange(account.front, f"GET {path} HTTP/1.1", f"Authorization: Bearer {account.key}")
    assert (status, value["object"]) == (200, "list")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"name": NaN}', b"\xff\xfe", b"[" * 200_000, b'{"name": "\\u0000"}']
)
def test_a_body_that_is_not_a_json_object_is_refused(account: Account, content: bytes):
    with account.http as http:
        reply = http.post("/v1/collections", content=content, headers={"Content-Type": "application/json"})
        assert (reply.status_code, list(reply.json())) == (400, ["error"])


def test_a_body_over_the_limit_is_refused(account: Account):
    with account.http as http:
        assert http.post("/v1/responses", content=b" " * (9 * 1024**2)).status_code == 413


def test_json_counts_whatever_content_type_and_accept_say(account: Account):
    with account.http as http:
        body = json.dumps({"collection_type": "media-descriptions", "name": "résumé", "unknown": {"a": 1}})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/event-stream"}
        reply = http.post("/v1/collections", content=body, headers=headers)
        assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
        assert reply.content.isascii() and reply.json()["name"] == "résumé"


def test_null_characters_in_a_url_are_refused(account: Account):
    with account.http as http:
        assert http.get("/v1/files/a%00b").status_code == 400
        assert http.get("/v1/files?filter=%00").status_code == 400


def test_a_tenant_has_so_many_requests_in_progress_and_no_more(account: Account):
    """Eight uploads that never end fill the limit of this front, and no place of other requests or another tenant."""
    opened = []
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {account.key}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
    )
    try:
        for _ in range(8):
            connection = socket.create_connection(("127.0.0.1", account.front.port), timeout=10)
            opened.append(connection)
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100")  # its route is waiting for the body
        with account.http as http:
            full = http.post("/v1/files", files={"file": ("a.mp4", b"x")})
            assert (full.status_code, full.headers["retry-after"]) == (429, "1")
            assert http.get("/v1/files").status_code == 200
        with account.front.account().http as http:
            assert http.get("/v1/files").status_code == 200
    finally:
        for connection in opened:
            connection.close()
    freed = threading.Event()
    with account.http as http:
        for _ in range(200):
            if http.post("/v1/files", files={"file": ("a.mp4", b"x")}).status_code != 429:
                freed.set()
                break
    assert freed.is_set()


def test_health_needs_no_key_and_the_engine_is_told_of_apart_from_readiness(front: Front):
    assert exchange(front, "GET /healthz HTTP/1.1")[::2] == (200, {"status": "ok"})
    ready = {"status": "ok", "database": "ok", "schema_needed": NEEDED, "schema_found": NEEDED}
    assert exchange(front, "GET /readyz HTTP/1.1")[::2] == (200, ready), "lists and uploads work"
    assert exchange(front, "GET /status HTTP/1.1")[::2] == (200, {**ready, "engine": "unavailable"})


def test_without_an_engine_a_question_is_refused_for_now(account: Account):
    with account.http as http:
        id = http.post("/v1/collections", json={"collection_type": "media-descriptions", "name": "c"}).json()["id"]
        ask = {"model": "nimbus-001", "input": "why?", "knowledge_base": {"collections": [id]}}
        for stream in (False, True):
            reply = http.post("/v1/responses", json={**ask, "stream": stream})
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "2"), reply.text
            assert "engine" in reply.json()["error"]


async def test_what_nobody_expected_is_a_500_that_tells_nothing(front: Front):
    app = create_app(front.backend)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a secret of the server")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
        reply = await client.get("/broken")
    assert (reply.status_code, reply.json()["error"]["message"]) == (500, "Something went wrong on the server.")


def test_two_authorizations_are_refused(account: Account):
    key = f"Authorization: Bearer {account.key}"
    status, _, value = exchange(account.front, "GET /v1/files HTTP/1.1", key, key)
    assert (status, value["error"]["message"]) == (401, "Send one Authorization header, not several.")


def test_wrong_keys_never_keep_out_a_right_one_from_the_same_address(account: Account):
    with account.http as http:
        for number in range(60):
            wrong = http.get("/v1/files", headers={"Authorization": f"Bearer cg-wrong-wrong-{number}"})
            assert wrong.status_code == 401
        assert http.get("/v1/files").status_code == 200


@pytest.mark.parametrize(
    "content",
    [b"[" + b"[]," * 200_000 + b"1]", b'{"a": [' + b'{"b": 1},' * 60_000 + b"1]}", b'{"name": "' + b"[," * 240_000],
    ids=["lists", "objects", "a string without an end"],
)
def test_a_body_of_too_many_values_is_refused(account: Account, content: bytes):
    with account.http as http:
        reply = http.post("/v1/responses", content=content)
        assert (reply.status_code, list(reply.json())) == (400, ["error"])


def test_commas_in_a_text_are_no_values(account: Account):
    with account.http as http:
        asked = {"model": "nimbus-001", "input": '1,[{\\",' * 60_000}
        reply = http.post("/v1/responses", json=asked)
        assert reply.status_code == 400 and "characters" in reply.text, reply.text


@pytest.mark.parametrize("path", ["/v1/files", "/healthz", "/docs", "/nothing", "/v1/thumbnails/x.jpg?signature=x"])
def test_no_browser_takes_a_reply_for_what_it_is_not(account: Account, path: str):
    with account.http as http:
        reply = http.get(path)
        assert reply.headers["x-content-type-options"] == "nosniff"
        policy = reply.headers["content-security-policy"]
        assert ("default-src 'none'" in policy and "sandbox" in policy) or path == "/docs"
        assert "frame-ancestors 'none'" in policy
