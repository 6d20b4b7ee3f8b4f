"""Pods as the chart writes them, on hosts: their commands, environment, user, volumes and root.

Of the image they have what its build stage installs, its ENV and its ENTRYPOINT; the rest of the root is this machine's.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.chart.dockerfiles import steps
from tests.chart.rendering import Object, size_bytes
from tests.cluster.hosts import Host
from tests.cluster.images import PROGRAM, layered


@dataclass
class Pod:
    """One container on a host of its own. `config` has texts by ConfigMap and key, `secrets` by Secret and key."""

    host: Host
    template: Object
    image: str  # front, engines or load
    program: Path  # what the image installs
    folder: Path
    names: str
    config: Mapping[str, Mapping[str, str]]
    secrets: Mapping[str, Mapping[str, str]]
    injected: Mapping[str, str] = field(default_factory=dict)  # what an operator adds to the environment
    process: subprocess.Popen[bytes] | None = None

    @property
    def container(self) -> Object:
        (container,) = self.template["spec"]["containers"]
        return container

    @property
    def environment(self) -> dict[str, str]:
        made: dict[str, str] = {}
        for name, value in re.findall(r"(\w+)=(\S+)", " ".join(self._image("ENV"))):
            made[name] = value.replace("$PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        for each in self.container.get("envFrom", ()):
            made |= self.secrets[each["secretRef"]["name"]]
        for each in self.container["env"]:
            if "value" in each:
                made[each["name"]] = each["value"]
            else:
                wanted = each["valueFrom"]["secretKeyRef"]
                made[each["name"]] = self.secrets[wanted["name"]][wanted["key"]]
        return made | dict(self.injected)

    def start(self, words: Sequence[str] | None = None) -> None:
        """Starts its container, by default with the image's entry point and its arguments. Folders that are there stay."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment
            )

    def run(self, words: Sequence[str] | None = None, seconds: float = 120, status: int = 0) -> str:
        """Of one that ends by itself, with this status: what it prints."""
        self.folder.mkdir(exist_ok=True)
        command = self._command(words)
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=seconds)
        assert done.returncode == status, done.stderr + done.stdout
        return done.stdout.strip()

    @property
    def has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        """As kill -9 of all its processes: they end with their first one, whose new user its parent's end does not reach."""
        if self.process is not None and self.process.poll() is None:
            for child in psutil.Process(self.process.pid).children():
                child.kill()
            self.process.wait()

    def _image(self, step: str) -> list[str]:
        return [text for each, text in steps(self.image) if each == step]

    def _command(self, words: Sequence[str] | None) -> list[str]:
        entry = re.findall(r'"([^"]+)"', " ".join(self._image("ENTRYPOINT")))
        words = words or [*self.container.get("command", entry), *self.container.get("args", ())]
        # Processes of its own, that end with their first one.
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return [*self.host.enter, *apart, "bash", "-euc", self._script(words)]

    def _script(self, words: Sequence[str]) -> str:
        layer, root = self.folder / "layer", self.folder / "layer" / "root"
        layer.mkdir(exist_ok=True)
        (self.folder / "hosts").write_text(self.names)
        commands = [
            *layered(layer),
            f"cp {self.folder / 'hosts'} {root}/etc/hosts",
            f"echo nameserver 127.0.0.1 > {root}/etc/resolv.conf",  # who asks for another name hears at once that it is not
            *(step for mount in self.container["volumeMounts"] for step in self._mount(mount, root)),
            f"mkdir -p {root}{PROGRAM} && mount --bind {self.program} {root}{PROGRAM}",
        ]
        security = self.container["securityContext"]
        if security["readOnlyRootFilesystem"]:
            commands.append(f"mount -o remount,ro {root}")
        user = self.template["spec"]["securityContext"]
        dropped = [f"--reuid={user['runAsUser']}", f"--regid={user['runAsGroup']}", "--clear-groups"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        dropped += ["--bounding-set=-all", "--inh-caps=-all"]
        if not security["allowPrivilegeEscalation"]:
            dropped.append("--no-new-privs")
        return "\n".join([*commands, f"exec chroot {root} setpriv {' '.join(dropped)} -- {shlex.join(words)}"])

    def _mount(self, mount: Object, root: Path) -> list[str]:
        (volume,) = [each for each in self.template["spec"]["volumes"] if each["name"] == mount["name"]]
        there, group = f"{root}{mount['mountPath']}", self.template["spec"]["securityContext"]["fsGroup"]
        if volume.get("emptyDir", {}).get("medium") == "Memory":
            options = f"size={size_bytes(volume['emptyDir']['sizeLimit'])},mode=1777"
            return [f"mkdir -p {there}", f"mount -t tmpfs -o {options} memory {there}"]
        folder = self.folder / mount["name"]
        folder.mkdir(exist_ok=True)
        if "configMap" in volume:
            for name, text in self.config[volume["configMap"]["name"]].items():
                (folder / name).write_text(text)
        else:
            folder.chmod(0o2777)
        steps = [f"chgrp {group} {folder}", f"mkdir -p {there}", f"mount --bind {folder} {there}"]
        return [*steps, f"mount -o remount,bind,ro {there}"] if mount.get("readOnly") else steps


def ray_start(template: Object, parameters: Mapping[str, str], address: str | None) -> list[str]:
    """The command that KubeRay 1.6 gives a container: the head where `address` is None, else a worker of that head."""
    (container,) = template["spec"]["containers"]
    limits: dict[str, Any] = container["resources"]["limits"]
    options = {
        "dashboard-agent-listen-port": "52365",
        "metrics-export-port": "8080",
        "memory": str(size_bytes(limits["memory"])),
        **({"num-cpus": str(limits["cpu"])} if "cpu" in limits else {}),
        **({"address": address} if address else {}),
        **parameters,
    }
    words = ["ray start", *([] if address else ["--head"]), "--block"]
    return [
        "/bin/bash",
        "-c",
        "--",
        " ".join(["ulimit -n 65536;", *words, *(f"--{k}={v}" for k, v in options.items())]),
    ]
