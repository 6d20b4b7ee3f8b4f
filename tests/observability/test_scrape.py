"""A real Prometheus reads two fronts and Ray: what rules and dashboards name is there, and each expression can be asked."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from services.cli.instance import ROOT
from services.core.jobs import KINDS
from tests.observability.expressions import DASHBOARDS, expressions, names, rules
from tests.observability.observed import Observed, is_up, observing
from tests.observability.pictures import draw
from tests.waiting import until


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    with observing(tmp_path_factory.mktemp("observed")) as observed:
        yield observed


def test_what_rules_and_dashboards_name_is_told_by_running_fronts_and_engines(observed: Observed) -> None:
    until(lambda: is_up(observed), "Prometheus reads two fronts and the engines", 120)
    wanted = {name for expression in expressions().values() for name in names(expression)}
    ours = {name for name in wanted if name.startswith(("arcus_", "process_", "ray_"))}
    until(lambda: ours <= observed.names(), f"all of {sorted(ours)} are told", 60)
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert {name for name in wanted if name.startswith("arcus:")} <= recorded


def test_every_expression_can_be_asked_and_every_rule_works(observed: Observed) -> None:
    until(lambda: is_up(observed), "Prometheus reads two fronts and the engines", 120)
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


def test_engines_shards_and_the_ingest_tell_of_their_work_without_a_tenant(observed: Observed) -> None:
    def told(expression: str) -> dict[str, float]:
        """By the value of the expression's label."""
        found = observed.prometheus.get("/api/v1/query", params={"query": expression}).json()["data"]["result"]
        return {"".join(each["metric"].values()): float(each["value"][1]) for each in found}

    stages = {"probe", "cut", "decode", "transcribe", "read", "describe", "embed", "summarise"}
    until(
        lambda: told("sum by (stage) (ray_arcus_stage_duration_seconds_count)").keys() >= stages,
        f"{stages} are told",
        90,
    )
    until(lambda: told("sum(ray_arcus_ingest_video_seconds_total)").get("", 0) > 60, "the video's seconds are told", 60)
    until(lambda: told("sum by (shard) (ray_arcus_shard_rows)").get("0", 0) > 10, "the video's vectors are told", 60)
    until(lambda: told("max by (shard) (ray_arcus_shard_lag_rows)") == {"0": 0.0}, "the shard has its log", 60)
    assert told("max by (shard) (ray_arcus_shard_lag_seconds)")["0"] < 60
    until(lambda: told("sum by (kind) (ray_arcus_worker_jobs)") == dict.fromkeys(KINDS, 0.0), "no job is in hand", 60)
    queues = {"decode", "embed", "index-0"}
    until(lambda: told("sum by (queue) (ray_arcus_queue_items_total)").keys() >= queues, f"{queues} are told", 60)
    until(lambda: told("sum by (application) (ray_arcus_engine_answers)") == {"generate": 0.0}, "answers are told", 60)
    page = httpx.get(observed.engines_page, timeout=30).text
    ours = [line for line in page.splitlines() if line.startswith("ray_arcus_")]
    assert ours and not [line for line in ours if "tenant" in line]


def test_engines_tell_on_loopback_alone_where_the_parts_of_ray_listen_too(observed: Observed) -> None:
    listening = {
        (each.laddr.port, each.laddr.ip.removeprefix("::ffff:"))
        for process in observed.system.descendants()
        if process.name() in ("gcs_server", "raylet") or "Agent" in process.name()
        for each in process.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }
    assert httpx.URL(observed.engines_page).port in dict(listening)
    assert {address for _, address in listening} == {"127.0.0.1"}


def test_nothing_is_told_at_the_public_port(observed: Observed) -> None:
    assert httpx.get(observed.fronts[0].url.removesuffix("/v1") + "/metrics").status_code == 404


def test_every_dashboard_can_be_drawn_from_the_scrape_and_its_picture_is_in_the_docs(observed: Observed) -> None:
    until(lambda: is_up(observed), "Prometheus reads two fronts and the engines", 120)
    shown = (ROOT / "docs" / "dashboards.md").read_text()
    for path in DASHBOARDS:
        figure = draw(path, observed.prometheus, time.time())
        titles = [axes.get_title().split(" [")[0] for axes in figure.axes if axes.get_visible()]
        assert titles == [panel["title"] for panel in json.loads(path.read_text())["panels"]]
        picture = ROOT / "docs" / "pictures" / f"{path.stem}.png"
        assert picture.read_bytes().startswith(b"\x89PNG") and f"(pictures/{picture.name})" in shown
    fronts = next(path for path in DASHBOARDS if path.stem == "fronts")
    until(lambda: draw(fronts, observed.prometheus, time.time()).axes[6].lines, "open streams are drawn", 60)
