"""A whole release of the chart on several hosts: what Kubernetes and KubeRay would start, and what the release needs."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.chart.rendering import CASES, Object, parsed, render
from tests.cluster.hosts import Host, Network
from tests.cluster.images import folder_of
from tests.cluster.pods import Pod, ray_start
from tests.cluster.services import ClusterService, balanced
from tests.contract.postgres_server import PostgresServer
from tests.contract.s3_server import s3_environment
from tests.waiting import until

START_SECONDS = 300  # a hang guard
OBJECTS_PORT = 9000
LOOK_SECONDS = 0.5
HEAD, SERVE, FRONT = "arcus-engines-head-svc", "arcus-engines-serve-svc", "arcus-front"
# The laptop's values, with two of what it has one of, each as small as its work lets it be, and a Redis for Ray's head.
# `nimbus-002-preview` follows a script: what it streams lasts as long as a test wants.
VALUES: Object = {
    **CASES["laptop"],
    "settings": {**CASES["laptop"]["settings"], "index_replicas": 2, "public_url": "http://arcus.test"},
    "secrets": {"redis": {"name": "arcus-redis"}},
    "front": {**CASES["laptop"]["front"], "replicas": 2},
    "engines": {
        **CASES["laptop"]["engines"],
        "faultTolerance": {"enabled": True, "address": "redis://redis:6379"},
        "config": {
            "engines": {"twice": {"kind": "embedded", "replicas": 2}},
            "roles": {"embed": "twice", "nimbus-001": "twice", "nimbus-002-preview": "scripted"},
        },
        "worker": {
            "sharedMemory": "512Mi",
            "resources": {"requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}},
        },
        "workerGroups": [{"name": "cpu", "replicas": 2, "minReplicas": 2, "maxReplicas": 2}],
    },
}


def events(reply: httpx.Response) -> Iterator[Object]:
    """Of a stream of an answer, as they come."""
    return (json.loads(line[6:]) for line in reply.iter_lines() if line.startswith("data: {"))


def question(collection: str) -> Object:
    """Of the lecture, as a request's body."""
    asked = "How many turbines are in the dam in France?"
    return {"model": "nimbus-001", "input": asked, "knowledge_base": {"collections": [collection]}}


@dataclass
class Cluster:
    network: Network
    folder: Path
    postgres: PostgresServer
    secrets: dict[str, dict[str, str]]
    manifests: list[Object]
    images: Mapping[str, Path]  # what each installs
    fronts: list[Pod] = field(default_factory=list)
    head: Pod | None = None
    workers: dict[int, Pod] = field(default_factory=dict)
    key: str = ""
    _is_configured: bool = False
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10, trust_env=False))

    def host(self, name: str) -> Host:
        return self.network.hosts[name]

    @property
    def url(self) -> str:
        return f"http://{self.host('balancer').address}/v1"

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=60, trust_env=False
        )

    def manifest(self, kind: str) -> Object:
        (found,) = [each for each in self.manifests if each["kind"] == kind]
        return found

    @property
    def ray(self) -> Object:
        return self.manifest("RayService")["spec"]["rayClusterConfig"]

    @property
    def worker_group(self) -> Object:
        (group,) = self.ray["workerGroupSpecs"]
        return group

    @property
    def serve_config(self) -> Object:
        return yaml.safe_load(self.manifest("RayService")["spec"]["serveConfigV2"])

    def pod(self, host: str, template: Object, image: str, **injected: str) -> Pod:
        named = {HEAD: self.host("head").address, SERVE: self.network.virtual, FRONT: self.host("balancer").address}
        names = self.network.names(named)
        config = {each["metadata"]["name"]: each["data"] for each in self.manifests if each["kind"] == "ConfigMap"}
        program = self.images[image]
        return Pod(self.host(host), template, image, program, self.folder / host, names, config, self.secrets, injected)

    def start_head(self) -> None:
        group = self.ray["headGroupSpec"]
        kept = self.ray["gcsFaultToleranceOptions"]
        password = kept["redisPassword"]["valueFrom"]["secretKeyRef"]
        redis = {
            "RAY_REDIS_ADDRESS": kept["redisAddress"],
            "REDIS_PASSWORD": self.secrets[password["name"]][password["key"]],
            "RAY_external_storage_namespace": "arcus",
        }
        self.head = self.pod("head", group["template"], "engines", **self._joining("127.0.0.1"), **redis)
        parameters = {**group["rayStartParams"], "redis-password": "$REDIS_PASSWORD"}
        self.head.start(ray_start(group["template"], parameters, None))

    def start_worker(self, number: int) -> None:
        group = self.worker_group
        pod = self.pod(f"worker-{number}", group["template"], "engines", **self._joining(HEAD))
        pod.start(ray_start(group["template"], group["rayStartParams"], f"{HEAD}:6379"))
        self.workers[number] = pod

    def reconcile(self) -> None:
        """What kubelets and the operator do: what has ended is started again, and the head is told of Serve's applications."""
        for front in self.fronts:
            if front.has_ended:
                front.start()
        if self.head is None or self.head.has_ended:
            self.start_head()
            self._is_configured = False
        if not self.dashboard_is_up():
            return  # workers wait for their head
        for number in range(self.worker_group["replicas"]):
            if number not in self.workers or self.workers[number].has_ended:
                self.start_worker(number)
        if not self._is_configured:
            with suppress(httpx.HTTPError):
                told = self.dashboard("PUT", "/api/serve/applications/", json=self.serve_config)
                self._is_configured = told.is_success

    def kill(self) -> None:
        for pod in (*self.fronts, *self.workers.values(), self.head):
            if pod is not None:
                pod.kill()

    def _joining(self, head: str) -> dict[str, str]:
        token = self.secrets[self.ray["authOptions"]["secretName"]]["auth_token"]
        assert self.ray["authOptions"]["mode"] == "token"
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_PORT": "6379", "RAY_ADDRESS": f"{head}:6379"}

    def dashboard(self, method: str, path: str, **options: Any) -> httpx.Response:
        token = self.secrets["arcus-ray-token"]["auth_token"]
        url = f"http://{self.host('head').address}:8265{path}"
        return self._http.request(method, url, headers={"Authorization": f"Bearer {token}"}, **options)

    def dashboard_is_up(self) -> bool:
        with suppress(httpx.HTTPError):
            return self.dashboard("GET", "/api/version").is_success
        return False

    def applications(self) -> dict[str, str]:
        """Status by application, as the operator reads it."""
        with suppress(httpx.HTTPError):
            told = self.dashboard("GET", "/api/serve/applications/").json()
            return {name: each["status"] for name, each in told["applications"].items()}
        return {}

    def is_running(self) -> bool:
        told = self.applications()
        return all(told.get(each["name"]) == "RUNNING" for each in self.serve_config["applications"])


@contextmanager
def started(folder: Path, binaries: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        names = (
            "database",
            "objects",
            "redis",
            "balancer",
            "head",
            "worker-0",
            "worker-1",
            "front-0",
            "front-1",
            "load",
        )
        hosts = {name: network.host(name) for name in names}
        postgres = PostgresServer(binaries, hosts["database"].enter)
        stack.callback(postgres.stop)
        asyncio.run(postgres.prepare())
        asyncio.run(postgres.create("arcus", template="template0"))
        address = hosts["objects"].address
        server = [sys.executable, "-m", "tests.contract.s3_server", address, str(OBJECTS_PORT)]
        stack.enter_context(hosts["objects"].running(server))
        password = secrets.token_hex(32)
        redis = ["redis-server", "--bind", "0.0.0.0", "--requirepass", password, "--save", "", "--daemonize", "no"]
        stack.enter_context(hosts["redis"].running(redis))
        cluster = Cluster(
            network,
            folder,
            postgres,
            {
                "arcus-database": {"url": "postgresql+asyncpg://postgres@database:5432/arcus"},
                "arcus-engine": {"secret": secrets.token_hex(32)},
                "arcus-links": {"secret": secrets.token_hex(32)},
                "arcus-ray-token": {"auth_token": secrets.token_hex(32)},
                "arcus-redis": {"password": password},
                "arcus-objects": s3_environment(address, OBJECTS_PORT),
            },
            parsed(render(VALUES)),
            {
                "front": folder_of("front"),
                "engines": folder_of(os.environ.get("ARCUS_ENGINES_IMAGE", "engines")),
                "load": folder_of("load"),
            },
        )
        stack.callback(cluster.kill)
        template = cluster.manifest("Job")["spec"]["template"]
        cluster.pod("front-0", template, "front").run()
        deployment = cluster.manifest("Deployment")["spec"]
        pods = [
            cluster.pod(f"front-{number}", deployment["template"], "front") for number in range(deployment["replicas"])
        ]
        cluster.key = pods[0].run(["arcus", "keys", "create", "--tenant", "first"])
        cluster.fronts = pods
        stack.enter_context(_controlled(cluster))
        (container,) = deployment["template"]["spec"]["containers"]
        fronts = [pod.host for pod in pods]
        stack.enter_context(balanced(hosts["balancer"], fronts, container["readinessProbe"], folder))
        until(cluster.is_running, "every application runs", START_SECONDS)
        yield cluster


@contextmanager
def _controlled(cluster: Cluster) -> Iterator[None]:
    """The loops of Kubernetes' and KubeRay's controllers, in a thread."""
    (worker,) = cluster.worker_group["template"]["spec"]["containers"]
    workers = {name: host for name, host in cluster.network.hosts.items() if name.startswith("worker")}
    nodes = [pod.host for pod in cluster.fronts]
    service = ClusterService(cluster.network.virtual, 9000, nodes, workers, worker["readinessProbe"], ":8000/-/healthz")
    service.look()
    ended = threading.Event()
    failed: list[Exception] = []

    def loop() -> None:
        try:
            while not ended.wait(LOOK_SECONDS):
                cluster.reconcile()
                service.look()
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if failed:
        raise failed[0]
