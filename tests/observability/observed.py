"""Two running fronts of one system, the engines of another, and a real Prometheus that reads them."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from ray_jobs.runtime import free_ports
from tests.acceptance.live_front import Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer
from tests.front_process import FrontProcess, make_key, start_front
from tests.observability.expressions import RULES
from tests.running_system import LECTURE, RunningSystem, create_collection, ingest, start_system

KEY = "cg-observed-5f0c1e7a9b3d42688f"


@dataclass
class Observed:
    fronts: list[FrontProcess]
    system: RunningSystem
    pages: list[str]
    engines_page: str
    prometheus: httpx.Client

    def names(self) -> set[str]:
        return set(self.prometheus.get("/api/v1/label/__name__/values").json()["data"])


@contextmanager
def observing(folder: Path) -> Iterator[Observed]:
    assert shutil.which("prometheus"), "install Prometheus: apt-get install prometheus"
    engine = Front(front_settings(folder / "engine"), ScriptedServer()).start()
    *ports, port = free_ports(3)
    engines_port = lasting_port()
    fronts: list[FrontProcess] = []
    prometheus: subprocess.Popen[bytes] | None = None
    system: RunningSystem | None = None
    try:
        system = start_system(folder / "system", environment={"ARCUS_ENGINE_METRICS_PORT": str(engines_port)})
        for metrics_port in ports:
            environment = {
                "ARCUS_DATA_DIR": str(folder / "data"),
                "ARCUS_ENGINE_ADDRESS": engine.engine_address,
                "ARCUS_ENGINE_SECRET": "a-secret-of-the-tests",
                "ARCUS_METRICS_PORT": str(metrics_port),
                "ARCUS_MIN_FREE_BYTES": "0",
            }
            fronts.append(start_front({**os.environ, **environment}))
        make_key(folder / "data", KEY)
        for front in fronts:
            use(front)
        use_engines(system)
        targets = [f"127.0.0.1:{each}" for each in ports]
        engines = f"127.0.0.1:{engines_port}"
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {"job_name": "arcus", "static_configs": [{"targets": targets}]},
                {"job_name": "ray", "static_configs": [{"targets": [engines]}]},
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
        prometheus = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=(folder / "prometheus.log").open("wb"),
        )
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            pages = [f"http://{target}/metrics" for target in targets]
            yield Observed(fronts, system, pages, f"http://{engines}/metrics", http)
    finally:
        if prometheus is not None:
            prometheus.terminate()
            prometheus.wait()
        for front in fronts:
            front.kill()
        engine.stop()
        if system is not None:
            system.stop()


def lasting_port() -> int:
    """A free port that no process is given by chance: Ray opens many before its agent opens this one."""
    for port in random.sample(range(10_000, 12_000), 100):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


def use(front: FrontProcess) -> None:
    """Each kind of request once."""
    with httpx.Client(base_url=front.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as http:
        collection = {"name": f"c-{uuid.uuid4()}", "collection_type": "media-descriptions"}
        made = http.post("/collections", json=collection).raise_for_status().json()
        http.post("/files", files={"file": ("a.mp4", b"x" * 1000)}).raise_for_status()
        search = {"scope": "segment", "collections": [made["id"]], "query": "tide"}
        http.post("/search", json=search).raise_for_status()
        question = {"model": "nimbus-001", "input": "Which tide?", "stream": True}
        assert "response.completed" in http.post("/responses", json=question).raise_for_status().text


def use_engines(system: RunningSystem) -> None:
    """One video is understood, searched and asked about."""
    with system.client() as http:
        collection_id = create_collection(http, f"lecture {uuid.uuid4()}")
        ingest(http, LECTURE, collection_id)
        search = {"scope": "segment", "collections": [collection_id], "query": "tide"}
        http.post("/search", json=search).raise_for_status()
        question = {
            "model": "nimbus-001",
            "input": "What is it about?",
            "stream": True,
            "knowledge_base": {"collections": [collection_id]},
        }
        assert "response.completed" in http.post("/responses", json=question).raise_for_status().text


def is_up(observed: Observed) -> bool:
    try:
        found = observed.prometheus.get("/api/v1/query", params={"query": "sum(up)"}).json()["data"]["result"]
    except (httpx.TransportError, KeyError, ValueError):
        return False
    return bool(found) and found[0]["value"][1] == "3"
