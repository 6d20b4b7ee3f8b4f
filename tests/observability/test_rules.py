"""Alerts and dashboards, as far as they can be judged without a running system."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.cli.instance import ROOT
from services.telemetry import objectives
from tests.observability.expressions import DASHBOARDS, RULES, alerts, expressions, names, rules

CASES = Path(__file__).with_name("rules_test.yaml")
FOREIGN = yaml.safe_load(Path(__file__).with_name("foreign_metrics.yaml").read_text())


def promtool(*arguments: str) -> str:
    """What it prints. Debian's package `prometheus` has it."""
    assert shutil.which("promtool"), "install promtool: apt-get install prometheus"
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_rules() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", str(RULES))


def test_each_alert_fires_and_does_not() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(CASES))


def test_each_alert_has_a_case_where_it_fires_and_one_where_it_does_not() -> None:
    fires: set[str] = set()
    calm: set[str] = set()
    for case in yaml.safe_load(CASES.read_text())["tests"]:
        for check in case["promql_expr_test"]:
            (name,) = re.findall(r'ALERTS\{alertname="(\w+)"', check["expr"])
            (fires if check["exp_samples"] else calm).add(name)
    assert fires == calm == {alert["alert"] for alert in alerts()}


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    pages = {path.stem: path.read_text() for path in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert set(pages) == {alert["alert"] for alert in alerts()}
    for alert in alerts():
        assert alert["annotations"]["runbook"] == f"docs/runbooks/{alert['alert']}.md"
        assert alert["labels"]["severity"] in ("page", "ticket") and alert["annotations"]["summary"]
    for name, page in pages.items():
        assert page.startswith(f"# {name}\n") and "\n## Look at\n" in page and "\n## Do\n" in page


def test_objectives_in_rules_and_dashboards_are_those_of_the_histograms() -> None:
    bounds = {
        "arcus_first_token_seconds_bucket": objectives.FIRST_TOKEN_SECONDS,
        "arcus_search_duration_seconds_bucket": objectives.SEARCH_SECONDS,
    }
    used = [
        (name, float(bound))
        for expression in expressions().values()
        for name, bound in re.findall(r'(\w+_bucket)\{le="([\d.]+)"\}', expression)
    ]
    assert {name for name, _ in used} == set(bounds)
    assert all(bound == bounds[name] for name, bound in used)
    text = RULES.read_text()
    assert set(re.findall(r"> [\d.]+ \* ([\d.]+)", text)) == {"0.001", "0.01"}
    assert (round(1 - objectives.SERVED_SHARE, 6), round(1 - objectives.PROMPT_SHARE, 6)) == (0.001, 0.01)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_one_that_grafana_reads(path: Path) -> None:
    board: dict[str, Any] = json.loads(path.read_text())
    assert board["uid"] == f"arcus-{path.stem}" and board["title"].startswith("Arcus / ")
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["datasource"]["uid"] == "${datasource}" and panel["fieldConfig"]["defaults"]["unit"]


def test_every_expression_is_one_and_lifetime_means_are_none() -> None:
    for where, expression in expressions().items():
        assert names(expression), where
        # A counter, or a histogram's part, says something only as a rate.
        for name in re.findall(r"\b(\w+_(?:total|sum|count|bucket))\b", expression):
            assert re.search(rf"rate\({name}\b", expression), f"{where}: {name} without rate"


def test_the_names_of_others_are_of_the_versions_that_are_pinned_and_used() -> None:
    lines = [*(ROOT / "constraints.txt").read_text().split(), *(ROOT / "constraints-vllm.txt").read_text().split()]
    listed: set[str] = set()
    for package, told in FOREIGN.items():
        assert f"{package}=={told['version']}" in lines, f"look the names of {package} up in the version that is pinned"
        listed |= set(told["names"])
    used = {name for expression in expressions().values() for name in names(expression)}
    assert {name for name in used if not name.startswith(("arcus", "process_", "ray_arcus_"))} == listed
