"""A disk that is full, and ports that strangers knock at."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc

from services.core.settings import Settings
from tests.acceptance.live_front import Account, Front
from tests.running_system import RunningSystem

DISK_BYTES = 24 * 1024**2
VIDEO = b"\x00\x00\x00\x18ftypmp42"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that is a disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount program")
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs can't be mounted here: {mounted.stderr.strip() or 'not permitted'}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(params=[0, 8 * 1024**2], ids=["to-the-last-byte", "with-a-reserve"])
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
