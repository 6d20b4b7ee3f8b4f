"""The RayService runs what the code has: its applications, their import paths, the environment of its nodes, its drain."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve import Application
from ray.serve.schema import ServeDeploySchema

from ray_jobs import deploy
from ray_jobs.cluster import serve_config
from ray_jobs.runtime import serve_environment
from services.core.engines.config import EngineConfig, parse_engine_config
from services.core.settings import Settings
from tests.chart.rendering import CASES, LEAST, ROOT, environment, objects, parsed, pods, render, size_bytes

ANSWER_SECONDS = 600


def _service(case: str) -> dict[str, Any]:
    (made,) = objects(case, "RayService")
    return made["spec"]


def _serve(case: str) -> dict[str, Any]:
    return yaml.safe_load(_service(case)["serveConfigV2"])


def _config_file(case: str) -> str:
    (made,) = [each for each in objects(case, "ConfigMap") if "engines.yaml" in each["data"]]
    return made["data"]["engines.yaml"]


def _engine_config(case: str) -> EngineConfig:
    return parse_engine_config(_config_file(case))


@pytest.mark.parametrize("case", CASES)
def test_the_applications_are_those_that_the_program_makes_of_the_same_configuration(case: str) -> None:
    settings = Settings(index_shards=CASES[case]["settings"].get("index_shards", 1))
    assert _serve(case) == serve_config(settings, _engine_config(case), answer_seconds=ANSWER_SECONDS)


@pytest.mark.parametrize("case", CASES)
def test_serve_reads_what_is_written_and_leaves_nothing_out(case: str) -> None:
    """Its schema ignores keys that it does not know."""
    written = _serve(case)
    read = json.loads(ServeDeploySchema.model_validate(written).model_dump_json(exclude_unset=True))
    assert read == json.loads(json.dumps(written))


@pytest.mark.parametrize("case", CASES)
def test_every_import_path_builds_an_application_and_every_servicer_is_there(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engines.yaml").write_text(_config_file(case))
    monkeypatch.setenv("ARCUS_CONFIG", str(tmp_path / "engines.yaml"))
    config = _serve(case)
    for application in config["applications"]:
        module, _, builder = application["import_path"].partition(":")
        made = getattr(importlib.import_module(module), builder)(application["args"])
        assert isinstance(made, Application), application["name"]
    for path in config["grpc_options"]["grpc_servicer_functions"]:
        module, _, name = path.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))
    assert config["grpc_options"]["grpc_servicer_functions"] == deploy.SERVICERS


def test_an_engine_of_values_is_an_application_with_the_roles_that_they_give_it() -> None:
    names = [each["name"] for each in _serve("everything")["applications"]]
    assert names == [
        "engine-eyes", "embed", "engine-scripted", "engine-words", "engine-pictures",
        "index-0", "index-1", "index-2", "ingest",
    ]  # fmt: skip
    assert [each["name"] for each in _serve("least")["applications"]] == ["embed", "generate", "index-0", "ingest"]


@pytest.mark.parametrize("name", ["one-gpu", "eight-gpus"])
def test_values_files_have_the_engines_of_the_configurations_that_they_name(name: str) -> None:
    assert _engine_config(name) == parse_engine_config((ROOT / "configs" / f"{name}.yaml").read_text())


def test_nodes_of_ray_have_the_environment_of_one_machine_where_it_is_no_port_and_no_folder() -> None:
    on_one_machine = serve_environment(Path("/tmp"))
    for name, pod in pods("everything"):
        if name.startswith(("head", "group")):
            given = environment(pod["spec"]["containers"][0])
            shared = given.keys() & on_one_machine.keys()
            assert len(shared) > 8 and {key: given[key] for key in shared} == {
                key: on_one_machine[key] for key in shared
            }


def test_ports_are_named_as_the_operator_looks_for_them() -> None:
    for case in CASES:
        for name, pod in pods(case):
            if name.startswith(("head", "group")):
                ports = {each["name"]: each["containerPort"] for each in pod["spec"]["containers"][0]["ports"]}
                given = environment(pod["spec"]["containers"][0])
                assert given["ARCUS_ENGINE_METRICS_PORT"] == str(ports["metrics"])
                assert given.get("RAY_enable_metrics_collection", "1") == "1"
                assert not [each for each in given if "HIGH_CARDINALITY" in each]
                assert ports["serve"] == _serve(case)["http_options"]["port"]
                assert ports["serve-grpc"] == _serve(case)["grpc_options"]["port"]
        (port,) = _service(case)["serveService"]["spec"]["ports"]
        assert (port["name"], port["appProtocol"]) == ("serve-grpc", "kubernetes.io/h2c")
        assert len(objects(case, "RayService")[0]["metadata"]["name"]) <= 47
        assert _service(case)["rayClusterConfig"]["authOptions"] == {"mode": "token", "secretName": "arcus-ray-token"}


@pytest.mark.parametrize("case", CASES)
def test_a_drain_lets_the_longest_answer_end_before_anything_is_killed(case: str) -> None:
    spec = _service(case)
    graceful = [
        deployment["graceful_shutdown_timeout_s"]
        for application in _serve(case)["applications"]
        for deployment in application.get("deployments", ())
    ]
    assert graceful and min(graceful) >= ANSWER_SECONDS
    assert spec["rayClusterDeletionDelaySeconds"] >= ANSWER_SECONDS
    for name, pod in pods(case):
        if name.startswith(("head", "group")):
            given = environment(pod["spec"]["containers"][0])
            drain = int(given["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"])
            assert drain > max(graceful) + 30
            assert pod["spec"]["terminationGracePeriodSeconds"] > drain + 15
            assert int(given["RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S"]) >= ANSWER_SECONDS
        if name.startswith("Deployment"):
            given = environment(pod["spec"]["containers"][0])
            seconds = int(given["ARCUS_DRAIN_DELAY_SECONDS"]) + int(given["ARCUS_DRAIN_SECONDS"])
            assert pod["spec"]["terminationGracePeriodSeconds"] >= seconds + 15
            probe = pod["spec"]["containers"][0]["readinessProbe"]
            assert int(given["ARCUS_DRAIN_DELAY_SECONDS"]) > probe["periodSeconds"] * probe["failureThreshold"]


def test_a_longer_answer_makes_every_time_of_the_drain_longer() -> None:
    (made,) = [
        each
        for each in parsed(render({**LEAST, "engines": {"drain": {"answerSeconds": 1800}}}))
        if each["kind"] == "RayService"
    ]
    group = made["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["template"]["spec"]
    assert made["spec"]["rayClusterDeletionDelaySeconds"] >= 1800
    assert group["terminationGracePeriodSeconds"] > 1800 + 30 + 15


@pytest.mark.parametrize("case", CASES)
def test_the_object_store_of_a_node_fits_its_shared_memory(case: str) -> None:
    """Where it does not, Ray keeps frames on a disk: its own choice is 30 % of a pod's memory."""
    for service in objects(case, "RayService"):
        cluster = service["spec"]["rayClusterConfig"]
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
            volumes = group["template"]["spec"]["volumes"]
            (limit,) = [each["emptyDir"]["sizeLimit"] for each in volumes if each["name"] == "shm"]
            store = int(group["rayStartParams"]["object-store-memory"])
            assert 0.85 < store / size_bytes(limit) <= 0.95
