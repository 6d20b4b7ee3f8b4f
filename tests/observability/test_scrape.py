"""A real Prometheus reads two running fronts: what rules and dashboards name is there, and each expression can be asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import yaml

from ray_jobs.runtime import free_ports
from tests.acceptance.live_front import Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer
from tests.front_process import FrontProcess, make_key, start_front
from tests.observability.expressions import RULES, expressions, names, rules
from tests.waiting import until

KEY = "cg-observed-5f0c1e7a9b3d42688f"


@dataclass
class Observed:
    fronts: list[FrontProcess]
    pages: list[str]
    prometheus: httpx.Client

    def names(self) -> set[str]:
        return set(self.prometheus.get("/api/v1/label/__name__/values").json()["data"])


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    assert shutil.which("prometheus"), "install Prometheus: apt-get install prometheus"
    folder = tmp_path_factory.mktemp("observed")
    engine = Front(front_settings(folder / "engine"), ScriptedServer()).start()
    *ports, port = free_ports(3)
    fronts: list[FrontProcess] = []
    prometheus: subprocess.Popen[bytes] | None = None
    try:
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
        targets = [f"127.0.0.1:{each}" for each in ports]
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "arcus", "static_configs": [{"targets": targets}]}],
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
            yield Observed(fronts, [f"http://{target}/metrics" for target in targets], http)
    finally:
        if prometheus is not None:
            prometheus.terminate()
            prometheus.wait()
        for front in fronts:
            front.kill()
        engine.stop()


def use(front: FrontProcess) -> None:
    """Each kind of request once."""
    with httpx.Client(base_url=front.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as http:
        collection = {"name": f"c-{front.grpc_port}", "collection_type": "media-descriptions"}
        made = http.post("/collections", json=collection).raise_for_status().json()
        http.post("/files", files={"file": ("a.mp4", b"x" * 1000)}).raise_for_status()
        search = {"scope": "segment", "collections": [made["id"]], "query": "tide"}
        http.post("/search", json=search).raise_for_status()
        question = {"model": "nimbus-001", "input": "Which tide?", "stream": True}
        assert "response.completed" in http.post("/responses", json=question).raise_for_status().text


def is_up(observed: Observed) -> bool:
    try:
        found = observed.prometheus.get("/api/v1/query", params={"query": "sum(up)"}).json()["data"]["result"]
    except (httpx.TransportError, KeyError, ValueError):
        return False
    return bool(found) and found[0]["value"][1] == "2"


def test_what_rules_and_dashboards_name_is_told_by_running_fronts(observed: Observed) -> None:
    until(lambda: is_up(observed), "Prometheus reads two fronts", 120)
    wanted = {name for expression in expressions().values() for name in names(expression)}
    ours = {name for name in wanted if name.startswith(("arcus_", "process_"))}
    until(lambda: ours <= observed.names(), f"all of {sorted(ours)} are told", 60)
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert {name for name in wanted if name.startswith("arcus:")} <= recorded


def test_every_expression_can_be_asked_and_every_rule_works(observed: Observed) -> None:
    until(lambda: is_up(observed), "Prometheus reads two fronts", 120)
    for where, expression in expressions().items():
        reply = observed.prometheus.get("/api/v1/query", params={"query": expression}).json()
        assert reply["status"] == "success", f"{where}: {reply}"

    def health() -> set[str]:
        groups = observed.prometheus.get("/api/v1/rules").json()["data"]["groups"]
        return {rule["health"] for group in groups for rule in group["rules"]}

    until(lambda: "unknown" not in health(), "every rule was evaluated", 120)
    assert health() == {"ok"}


def test_the_page_keeps_to_the_naming_of_prometheus(observed: Observed) -> None:
    page = httpx.get(observed.pages[0], timeout=30).text
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_nothing_is_told_at_the_public_port(observed: Observed) -> None:
    assert httpx.get(observed.fronts[0].url.removesuffix("/v1") + "/metrics").status_code == 404
