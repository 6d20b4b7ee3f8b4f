"""Every pod that the chart makes: no root, nothing writable that need not be, no token, resources, the same secrets for all."""

from __future__ import annotations

from typing import Any

import pytest

from services.cli.main import app
from tests.chart.rendering import CASES, objects, pods

# NVIDIA's CDI hook writes to the root of a container with a GPU.
WRITABLE = {("one-gpu", "group gpu"), ("eight-gpus", "group gpu"), ("several-nodes", "group gpu")}
SPECS = [pytest.param(case, name, pod, id=f"{case}: {name}") for case in CASES for name, pod in pods(case)]


@pytest.mark.parametrize(("case", "name", "pod"), SPECS)
def test_a_pod_may_do_nothing_that_it_need_not(case: str, name: str, pod: dict[str, Any]) -> None:
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    autoscaled = "autoscalerOptions" in _cluster(case)
    assert spec["automountServiceAccountToken"] is (name == "head" and autoscaled), (
        "its sidecar asks Kubernetes for nodes"
    )
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    for container in spec["containers"] + spec.get("initContainers", []):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] is ((case, name) not in WRITABLE)
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
        assert container["resources"]["limits"].keys() >= {"memory"}
    for volume in spec["volumes"]:
        assert volume.keys() - {"name"} <= {"configMap", "emptyDir", "persistentVolumeClaim"}


def _cluster(case: str) -> dict[str, Any]:
    (service,) = objects(case, "RayService")
    return service["spec"]["rayClusterConfig"]


def test_the_autoscaler_beside_rays_head_may_do_no_more() -> None:
    options = _cluster("least")["autoscalerOptions"]
    assert options["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert options["securityContext"]["readOnlyRootFilesystem"] is True
    assert options["resources"]["limits"]["memory"]


def test_every_pod_pulls_with_the_same_secrets() -> None:
    for name, pod in pods("everything"):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "pull"}], name


def test_pods_of_ray_are_never_started_anew_in_place_and_have_room_for_ray() -> None:
    for case in CASES:
        for name, pod in pods(case):
            if name.startswith(("head", "group")):
                assert pod["spec"]["restartPolicy"] == "Never"
                mounts = {each["mountPath"]: each for each in pod["spec"]["containers"][0]["volumeMounts"]}
                assert mounts.keys() >= {"/tmp", "/dev/shm", "/etc/arcus", "/models"}
                shared = next(each for each in pod["spec"]["volumes"] if each["name"] == "shm")
                assert shared["emptyDir"]["medium"] == "Memory" and shared["emptyDir"]["sizeLimit"]


def test_pods_start_commands_that_the_program_has() -> None:
    known = {command.callback.__name__ for command in app.registered_commands if command.callback}
    for case in CASES:
        for name, pod in pods(case):
            (container, *_) = pod["spec"]["containers"]
            if "args" in container:
                assert container["args"][0] in known, name


def test_the_migration_runs_before_everything_else_and_again_at_each_upgrade() -> None:
    (job,) = objects("least", "Job")
    (account,) = [each for each in objects("least", "ServiceAccount") if each["metadata"]["name"].endswith("migrate")]
    for made in (job, account):
        assert made["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert made["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "PreSync"
    weights = [int(made["metadata"]["annotations"]["helm.sh/hook-weight"]) for made in (account, job)]
    assert weights[0] < weights[1]
    assert job["metadata"]["name"].endswith("-1"), "the revision"


def test_models_that_are_there_are_not_looked_up() -> None:
    for name, pod in pods("everything"):
        given = {each["name"]: each.get("value") for each in pod["spec"]["containers"][0].get("env", ())}
        assert (given.get("HF_HUB_OFFLINE") == "1") is (name == "group cpu")
