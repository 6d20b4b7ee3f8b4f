"""This machine as several hosts: network namespaces on one bridge, each with an address of its own. Needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from tests.chart.rendering import ROOT


class NotPermittedError(Exception):
    """What this machine does not let make hosts of it."""


class Network:
    """Interfaces and namespaces are named after this process, so that several may be there side by side."""

    def __init__(self) -> None:
        self._prefix = f"a{os.getpid()}"  # an interface's name has at most 15 characters
        self._first = f"198.18.{os.getpid() % 256}"  # of RFC 2544, for tests of networks
        self.hosts: dict[str, Host] = {}
        self.virtual = f"{self._first}.250"  # of a Service: no host has it

    def __enter__(self) -> Self:
        try:
            _ip("link", "add", self._prefix, "type", "bridge")
            _ip("address", "add", f"{self._first}.1/24", "dev", self._prefix)
            _ip("link", "set", self._prefix, "up")
        except NotPermittedError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(NotPermittedError):
            for host in self.hosts.values():
                _ip("netns", "delete", host.namespace)
            _ip("link", "delete", self._prefix)

    def host(self, name: str) -> Host:
        """A new one, whose name all processes that start from now on can resolve."""
        number = len(self.hosts) + 2
        namespace, outside = f"{self._prefix}-{number}", f"{self._prefix}v{number}"
        _ip("netns", "add", namespace)
        host = self.hosts[name] = Host(namespace, f"{self._first}.{number}", outside, self._prefix)
        _ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("link", "set", outside, "master", self._prefix, "up")
        inside = ("-n", namespace)
        _ip(*inside, "address", "add", f"{host.address}/24", "dev", "eth0")
        _ip(*inside, "link", "set", "lo", "up")
        _ip(*inside, "link", "set", "eth0", "up")
        _ip(*inside, "route", "add", "default", "via", f"{self._first}.1")
        return host

    def names(self, more: Mapping[str, str]) -> str:
        """Text of /etc/hosts; `more` has other names with their addresses."""
        named = {name: host.address for name, host in self.hosts.items()} | dict(more)
        return "127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in named.items())


class Host:
    def __init__(self, namespace: str, address: str, interface: str, bridge: str) -> None:
        self.namespace, self.address = namespace, address
        self.enter = ["ip", "netns", "exec", namespace]  # before a command that shall run on it
        self._interface, self._bridge = interface, bridge
        self.is_cut = False

    @contextmanager
    def running(self, command: Sequence[str], log: Path | None = None) -> Iterator[None]:
        """A process on it meanwhile, from the program's folder; what it prints is added to `log`."""
        with (log or Path(os.devnull)).open("ab") as out:
            process = subprocess.Popen([*self.enter, *command], cwd=ROOT, stdout=out, stderr=out)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Off the network meanwhile: what it sends and what is sent to it is lost, and no connection ends."""
        _ip("link", "set", self._interface, "nomaster")
        self.is_cut = True
        try:
            yield
        finally:
            _ip("link", "set", self._interface, "master", self._bridge)
            self.is_cut = False


def _ip(*words: str) -> None:
    try:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise NotPermittedError(f"ip {' '.join(words)}: {getattr(error, 'stderr', '') or error}") from error
