"""What a running system shows to other users of its machine, and to the network: nothing of its data or secrets."""

from __future__ import annotations

import stat
from pathlib import Path

import psutil

from tests.running_system import RunningSystem


def test_what_it_writes_is_for_its_user_alone(system: RunningSystem):
    assert stat.S_IMODE(system.data_dir.stat().st_mode) == 0o700
    written = [path for path in system.data_dir.rglob("*") if path.name != "arcus.log"]  # which the test itself opened
    assert written and not [path for path in written if path.lstat().st_mode & 0o077]


def test_the_folders_of_ray_and_haproxy_are_private(system: RunningSystem):
    (haproxy,) = {Path(word) for process in system.find("haproxy.cfg") for word in process.cmdline() if "cfg" in word}
    folder = next(parent for parent in haproxy.parents if parent.name.startswith("arcus-"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_no_process_behind_the_command_holds_its_key_and_haproxy_no_secret_at_all(system: RunningSystem):
    for process in system.descendants():
        assert "ARCUS_API_KEY" not in process.environ(), process.name()
    (haproxy,) = (process for process in system.descendants() if process.name() == "haproxy")
    assert not [name for name in haproxy.environ() if name.startswith(("ARCUS_", "RAY_AUTH_", "AWS_"))]


def test_nothing_tells_metrics_to_every_interface(system: RunningSystem):
    """What binds every interface, ports of replicas, speaks gRPC and asks for its token, or for the engines' secret."""
    for process in system.descendants():
        try:
            listening = [each.laddr for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
        except psutil.NoSuchProcess:
            continue
        assert not [address for address in listening if address.ip == "0.0.0.0"], (process.name(), listening)


def test_haproxy_listens_on_loopback_alone(system: RunningSystem):
    (haproxy,) = (process for process in system.descendants() if process.name() == "haproxy")
    listening = {each.laddr for each in haproxy.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
    assert listening and {address.ip for address in listening} == {"127.0.0.1"}
