"""Clients that say nothing, too much, or too little, and those that never read: none of them costs others their answers."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse

import httpx
import pytest

from services.cli.instance import ROOT
from services.core.logs import configure_logs
from services.rest.connections import Patience
from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer
from tests.waiting import until

MOST = 40
REQUESTS = 8
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    configure_logs()  # as the front does: with the values of variables, one stack trace takes a minute
    settings = front_settings(tmp_path_factory.mktemp("arcus"), max_requests_per_tenant=REQUESTS)
    patience = Patience(idle_seconds=1, head_seconds=3, refused_seconds=1, read_seconds=1)
    running = Front(settings, ScriptedServer(), max_connections=MOST, patience=patience).start()
    yield running
    running.stop()


@pytest.fixture
def account(front: Front) -> Account:
    return front.account()


@contextmanager
def connections(front: Front, count: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", front.port), timeout=20))
            opened.append(connection)
            connection.sendall(sent)
        yield opened


def head(account: Account, line: str, *lines: str) -> bytes:
    return "\r\n".join([line, "Host: x", f"Authorization: Bearer {account.key}", *lines, "", ""]).encode()


def is_closed(connection: socket.socket) -> bool:
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


def status_of(connection: socket.socket) -> int:
    """Of a reply, read whole, in however many parts it comes."""
    reply = HTTPResponse(connection)
    reply.begin()
    reply.read()
    return reply.status


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nX: "], ids=["silent", "half a head"])
def test_more_silent_connections_than_fit_close_the_oldest_and_refuse_nobody(front: Front, sent: bytes):
    with connections(front, 2 * MOST, sent) as opened:
        assert httpx.get(f"{front.url}/healthz").status_code == 200
        assert all(is_closed(connection) for connection in opened[:MOST])


def test_a_connection_that_says_nothing_is_closed(front: Front):
    with connections(front, 1) as (silent,):
        assert is_closed(silent)


def test_a_connection_is_closed_some_time_after_its_last_request(front: Front):
    with connections(front, 1, HEALTH) as (idle,):
        assert status_of(idle) == 200
        assert is_closed(idle)


@pytest.mark.parametrize("begun", [b"", HEALTH[:-4]], ids=["idle", "half a head"])
def test_what_is_sent_while_the_front_stands_still_is_answered_afterwards(front: Front, begun: bytes):
    """Deadlines that went by meanwhile are not held against it."""
    with connections(front, 1, HEALTH) as (connection,):
        assert status_of(connection) == 200
        connection.sendall(begun)
        still = threading.Event()
        front.loop.call_soon_threadsafe(lambda: (still.set(), time.sleep(4)))
        assert still.wait(20)
        connection.sendall(HEALTH[len(begun) :])
        assert status_of(connection) == 200


def test_a_head_that_drips_is_closed(front: Front):
    with connections(front, 1, b"GET /healthz HTTP/1.1\r\n") as (dripping,):
        with pytest.raises(OSError):
            while True:
                dripping.sendall(b"X: 1\r\n")
                time.sleep(0.2)


@pytest.mark.parametrize(
    ("start", "more", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nX: ", b"x", 431),
        (b"GET /healthz HTTP/1.1\r\n", b"X: 1\r\n", 431),
        (b"GET /", b"x", 431),
    ],
    ids=["one header", "many headers", "a URL"],
)
def test_a_head_without_an_end_is_refused_before_much_of_it_is_taken(
    front: Front, start: bytes, more: bytes, status: int
):
    piece = more * (65_536 // len(more))
    with connections(front, 1, start) as (connection,):
        for _ in range(4):
            connection.sendall(piece)
        assert status_of(connection) == status
        with pytest.raises(OSError):  # closed soon after
            while True:
                connection.sendall(piece)


@pytest.mark.parametrize(
    ("line", "lines", "status"),
    [
        (f"GET /healthz?x={'x' * 20_000} HTTP/1.1", [], 414),
        ("GET /healthz HTTP/1.1", [f"X-{n}: 1" for n in range(200)], 431),
        ("GET /healthz HTTP/1.1", [f"X-{n}: {'x' * 15_000}" for n in range(6)], 431),
    ],
    ids=["URL", "number of headers", "headers"],
)
def test_a_head_that_is_too_large_is_refused(account: Account, line: str, lines: list[str], status: int):
    with connections(account.front, 1, head(account, line, *lines)) as (connection,):
        assert status_of(connection) == status


def test_a_request_with_a_trailer_without_an_end_is_closed(account: Account):
    start = head(account, "POST /v1/collections HTTP/1.1", "Transfer-Encoding: chunked")
    with connections(account.front, 1, start + b"2\r\n{}\r\n0\r\nX: ") as (connection,):
        with pytest.raises(OSError):
            for _ in range(100_000):
                connection.sendall(b"x" * 65_536)


def test_bodies_that_drip_take_no_place_of_other_requests(account: Account):
    start = head(account, "POST /v1/responses HTTP/1.1", "Content-Length: 1000", "Expect: 100-continue")
    with connections(account.front, 3 * REQUESTS, start) as opened, account.http as http:
        for connection in opened:
            assert connection.recv(100).startswith(b"HTTP/1.1 100")  # it is waited for
            connection.sendall(b"{")
        assert http.get("/v1/files").status_code == 200
        assert http.post("/v1/collections", json={"collection_type": "media-descriptions", "name": "c"}).is_success


def test_the_rest_of_a_body_that_was_refused_is_waited_for_only_so_long(front: Front):
    start = b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    with connections(front, 1, start) as (connection,):
        assert status_of(connection) == 401
        with pytest.raises(OSError):
            while True:
                connection.sendall(b"x")
                time.sleep(0.1)


def test_clients_that_never_read_are_closed_and_their_answers_given_up(account: Account):
    assert account.front.engine is not None
    engine = account.front.engine.engine
    script = json.dumps({"messages": 100_000, "tokens_per_message": 1, "word": "w" * 4000})
    asked = {"model": "nimbus-001", "input": "?", "stream": True, "store": False, "max_output_tokens": 100_000}
    body = json.dumps({**asked, "instructions": script}).encode()
    start = head(account, "POST /v1/responses HTTP/1.1", f"Content-Length: {len(body)}")
    with connections(account.front, REQUESTS, start + body):
        until(lambda: engine.running == REQUESTS, "every answer is written")
        until(lambda: engine.running == 0, "every answer is given up")
        # Of what the system holds of their connections they may still be told; of the front's, nothing is left.
        until(lambda: account.front.connections == 0, "no connection is left")


@contextmanager
def never_reading(front: Front, count: int, sent: bytes) -> Iterator[None]:
    """The clients' buffers are small, so that little of an answer leaves the front."""
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", front.port))
            connection.sendall(sent)
        until(lambda: front.connections == count, "each is connected")
        yield


@pytest.mark.parametrize(("words", "count"), [(100, 20), (10, 4)], ids=["more than fits", "an end that waits"])
def test_answers_that_are_never_read_are_no_faults(
    account: Account, caplog: pytest.LogCaptureFixture, words: int, count: int
):
    script = json.dumps({"messages": words, "tokens_per_message": 1, "word": "w" * 4000})
    asked = {"model": "nimbus-001", "input": "?", "max_output_tokens": words, "instructions": script}
    with account.http as http:
        made = http.post("/v1/responses", json=asked)
        assert len(made.content) > 4000 * words
    with never_reading(account.front, 4, head(account, f"GET /v1/responses/{made.json()['id']} HTTP/1.1") * count):
        until(lambda: account.front.connections == 0, "each is closed")
    assert not [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def test_idle_connections_go_before_those_that_are_answered(account: Account):
    script = json.dumps({"messages": 30, "interval_seconds": 0.05})
    asked = {"model": "nimbus-001", "input": "?", "stream": True, "store": False, "instructions": script}
    with account.http as http, http.stream("POST", "/v1/responses", json=asked) as reply:
        lines = reply.iter_lines()
        next(lines)
        with connections(account.front, 2 * MOST):
            assert [line for line in lines if line][-1] == "data: [DONE]"


def test_a_front_that_may_open_too_few_files_says_so():
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))

    ended = subprocess.run(
        [sys.executable, "-m", "services.front"],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=240,
        env={"PYTHONPATH": f"{ROOT}:{ROOT}/proto"},
    )
    assert ended.returncode == 78 and "100 files" in ended.stderr and "ulimit -Hn" in ended.stderr
