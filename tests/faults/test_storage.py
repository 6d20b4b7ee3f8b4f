"""A disk that is full, and ports that strangers knock at."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc

from services.cli.instance import ROOT
from services.core.settings import Settings
from tests.acceptance.live_front import Account, Front
from tests.acceptance.scripted_server import ScriptedServer
from tests.faults.conftest import read_only
from tests.running_system import RunningSystem

RESERVE_BYTES = 8 * 1024**2
VIDEO = b"\x00\x00\x00\x18ftypmp42"


@pytest.fixture(params=[0, RESERVE_BYTES], ids=["to-the-last-byte", "with-a-reserve"])
def front(small_disk: Path, request: pytest.FixtureRequest) -> Iterator[Front]:
    """A front that stores on the small disk; the reserve is what an upload must leave free."""
    running = Front(
        Settings(
            data_dir=small_disk,
            engine_address="127.0.0.1:1",
            engine_secret="a-secret-of-the-tests",  # type: ignore[arg-type]
            min_free_bytes=request.param,
        )
    ).start()
    yield running
    running.stop()


def upload(account: Account, size_bytes: int) -> httpx.Response:
    with account.http as http:
        return http.post("/v1/files", files={"file": ("a.mp4", VIDEO + b"\xff" * size_bytes)}, timeout=60)


def stored(account: Account) -> list[Path]:
    return list((account.front.data_dir / "objects" / "tenants" / account.tenant_id / "files").rglob("*"))


def check_full(reply: httpx.Response) -> None:
    assert reply.status_code == 507, reply.text
    assert list(reply.json()) == ["error"] and "space" in reply.json()["error"]
    assert int(reply.headers["retry-after"]) >= 1


def test_a_full_disk_refuses_uploads_with_the_reason_and_takes_them_when_space_returns(front: Front) -> None:
    account = front.account()
    kept = upload(account, 1024**2)
    assert kept.status_code == 200, kept.text
    before = stored(account)

    # Too much for what is left: found out while it is written, or before where a reserve is kept.
    filler = front.data_dir / "filler"
    filler.write_bytes(b"\0" * (12 * 1024**2))
    check_full(upload(account, 20 * 1024**2))
    assert stored(account) == before

    # No byte left: not even a row can be written.
    try:
        with (front.data_dir / "rest").open("wb", buffering=0) as rest:
            while rest.write(b"\0" * 65536):
                pass
    except OSError:
        pass
    check_full(upload(account, 1024**2))
    assert stored(account) == before
    with account.http as http:
        assert [file["id"] for file in http.get("/v1/files").json()["data"]] == [kept.json()["id"]], "reading goes on"
        assert http.get("/healthz").status_code == 200
        reply = http.post("/v1/collections", json={"name": "c", "collection_type": "media-descriptions"})
        assert reply.status_code in (200, 507), reply.text

    filler.unlink()
    (front.data_dir / "rest").unlink()
    again = upload(account, 1024**2)
    assert again.status_code == 200, again.text
    with account.http as http:
        assert http.get("/v1/files").json()["total"] == 2
        assert http.delete(f"/v1/files/{kept.json()['id']}").status_code == 200


@pytest.fixture
def reserving(small_disk: Path) -> Iterator[Front]:
    """A front with an engine, and a reserve."""
    running = Front(
        Settings(data_dir=small_disk, engine_secret="a-secret-of-the-tests", min_free_bytes=RESERVE_BYTES),  # type: ignore[arg-type]
        ScriptedServer(),
    ).start()
    yield running
    running.stop()


def free_bytes(front: Front) -> int:
    return shutil.disk_usage(front.data_dir).free


def test_twelve_uploads_at_once_leave_the_reserve_free(reserving: Front) -> None:
    account = reserving.account()
    with ThreadPoolExecutor(12) as pool:
        codes = [reply.status_code for reply in pool.map(lambda _: upload(account, 3 * 1024**2), range(12))]
    assert set(codes) == {200, 507}, codes
    assert free_bytes(reserving) >= RESERVE_BYTES
    assert len([path for path in stored(account) if path.is_file()]) == codes.count(200)


def test_stored_answers_searches_and_collections_leave_the_reserve_free_and_the_rest_goes_on(reserving: Front) -> None:
    account = reserving.account()
    body = {"model": "nimbus-001", "input": "why? " * 20_000}
    with account.http as http:
        for _ in range(1000):
            reply = http.post("/v1/responses", json=body)
            if reply.status_code != 200:
                break
        check_full(reply)
        assert free_bytes(reserving) >= RESERVE_BYTES - 4 * 1024**2, "what was written last was let in before"
        chat = {"model": "nimbus-001", "messages": [{"role": "user", "content": "why?"}], "store": True}
        check_full(http.post("/v1/chat/completions", json=chat))
        check_full(http.post("/v1/collections", json={"name": "c", "collection_type": "media-descriptions"}))
        assert http.post("/v1/responses", json={**body, "store": False}).status_code == 200, (
            "what is not kept is answered"
        )
        listed = http.get("/v1/responses").json()["data"]
        assert listed and http.get(f"/v1/responses/{listed[0]['id']}").status_code == 200
        assert http.delete(f"/v1/responses/{listed[0]['id']}").status_code == 200
        assert json.loads(http.get("/healthz").text) == {"status": "ok"}


def test_a_disk_that_turns_read_only_refuses_uploads_and_is_read(reserving: Front) -> None:
    account = reserving.account()
    kept = upload(account, 1024)
    assert kept.status_code == 200
    before = stored(account)
    with read_only(reserving.data_dir):
        refused = upload(account, 1024)
        assert refused.status_code == 503, refused.text
        assert "read-only" in refused.json()["error"] and int(refused.headers["retry-after"]) >= 1
        with account.http as http:
            assert http.get("/healthz").status_code == 200
            assert [file["id"] for file in http.get("/v1/files").json()["data"]] == [kept.json()["id"]]
    assert upload(account, 1024).status_code == 200
    assert len(stored(account)) == 2 * len(before)


def test_a_start_on_a_disk_that_is_read_only_says_so(small_disk: Path) -> None:
    with read_only(small_disk):
        for folder in (small_disk, small_disk / "new"):
            assert "Read-only file system" in start_failure(folder) and "ARCUS_DATA_DIR" in start_failure(folder)


def test_a_start_that_may_open_too_few_files_says_so(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))

    said = start_failure(tmp_path, limit)
    assert "1024 files" in said and "ulimit -Hn" in said and "2048" in said


def start_failure(data_dir: Path, preexec: Callable[[], None] | None = None) -> str:
    """What `arcus up` says where it does not start, without a traceback."""
    ended = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "up", "--http-port", "0", "--grpc-port", "0"],
        preexec_fn=preexec,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=240,
        env={**os.environ, "ARCUS_DATA_DIR": str(data_dir)},
    )
    assert ended.returncode == 1 and "Traceback" not in ended.stderr, ended.stderr
    return ended.stderr


def listening_ports(system: RunningSystem) -> dict[int, set[str]]:
    """Every TCP port that the system listens on, with the names of the processes that hold it."""
    ports: dict[int, set[str]] = {}
    for process in system.descendants():
        try:
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    ports.setdefault(connection.laddr.port, set()).add(
                        " ".join(process.cmdline())[:60] or process.name()
                    )
        except psutil.Error:
            continue
    return ports


def engine_calls(channel: grpc.Channel, secret: str | None) -> dict[str, Callable[[], object]]:
    def metadata(application: str) -> tuple[tuple[str, str], ...]:
        return (("application", application), *((("x-arcus-secret", secret),) if secret is not None else ()))

    options = {"timeout": 10}
    return {
        "embed": lambda: pb_grpc.EmbedServiceStub(channel).Embed(
            pb.EmbedRequest(texts=["a"]), metadata=metadata("embed"), **options
        ),
        "index": lambda: pb_grpc.IndexServiceStub(channel).Search(
            pb.SearchRequest(tenant_id="t", vector=bytes(4 * 384), limit=1), metadata=metadata("index-0"), **options
        ),
        "generate": lambda: list(
            pb_grpc.GenerateServiceStub(channel).Generate(
                pb.GenerateRequest(instructions="x"), metadata=metadata("generate"), **options
            )
        ),
    }


def answers(port: int, secret: str | None) -> dict[str, grpc.StatusCode]:
    """What each engine service says at a port; OK if it sent anything of what was asked."""
    found = {}
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_retries", 0)]) as channel:
        for name, call in engine_calls(channel, secret).items():
            try:
                # Serve's own proxy, which nobody is led to, ends a refused stream without a message or its status.
                found[name] = grpc.StatusCode.OK if call() else grpc.StatusCode.UNKNOWN
            except grpc.RpcError as error:
                found[name] = error.code()
    return found


def test_no_port_computes_for_a_caller_without_the_secret(system: RunningSystem) -> None:
    ports = listening_ports(system)
    refused: dict[str, set[int]] = {"embed": set(), "index": set(), "generate": set()}
    for port, holders in ports.items():
        for secret in (None, "", "wrong"):
            for service, code in answers(port, secret).items():
                assert code is not grpc.StatusCode.OK, f"{service} answers at {port} ({holders}) to secret {secret!r}"
                if code is grpc.StatusCode.UNAUTHENTICATED:
                    refused[service].add(port)
    (front,) = system.find("services.front")
    ingress = int(front.environ()["ARCUS_ENGINE_ADDRESS"].rsplit(":", 1)[1])
    for service, refusing in refused.items():
        assert ingress in refusing, f"the ingress asks callers of {service} for the secret"
    for service, application in (("embed", "embed"), ("index", "index-0"), ("generate", "generate")):
        replicas = {
            port for port, holders in ports.items() if any(f"ServeReplica:{application}:" in name for name in holders)
        }
        assert replicas & refused[service], f"no replica of {service} was found at a port of its own"
