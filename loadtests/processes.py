"""What a running system takes of the machine: resident memory and processor time of each of its processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

FRONT = "front"
SAMPLE_SECONDS = 0.25
REST_SECONDS, REST_CORES = (
    2.0,
    0.6,
)  # a start takes all there is; at rest the processes of Ray and Arcus take 0.2 to 0.4


@dataclass
class Usage:
    """Of each kind of process, while watched: `peak_bytes` of its largest, `cpu_seconds` of all of them together."""

    front_before_bytes: int = 0
    peak_bytes: dict[str, int] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def totalcpu_seconds(self) -> float:
        return sum(self.cpu_seconds.values())


def named(pid: int, *words: str) -> list[psutil.Process]:
    """Descendants of `pid` whose command line or title holds every word."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if all(word in line for word in words):
            found.append(process)
    return found


@contextmanager
def watched(pid: int) -> Iterator[Usage]:
    """Watches the descendants of `pid` from a thread, four times a second."""
    usage, done = Usage(), threading.Event()
    before: dict[int, float] = {}
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):
            before[process.pid] = cpu_seconds(process)
    spent: dict[int, tuple[str, float]] = {}

    def look() -> None:
        for process in psutil.Process(pid).children(recursive=True):
            try:
                name = _name(process)
                memory = process.memory_info()
                spent[process.pid] = name, cpu_seconds(process) - before.get(process.pid, 0.0)
            except psutil.Error:
                continue
            # Workers map the shared object store: it is counted once, by Ray, not by each.
            own_bytes = memory.rss - (memory.shared if name.startswith("ray::") else 0)
            usage.peak_bytes[name] = max(usage.peak_bytes.get(name, 0), own_bytes)

    def watch() -> None:
        while not done.wait(SAMPLE_SECONDS):
            look()

    look()
    usage.front_before_bytes = usage.peak_bytes[FRONT]
    thread = threading.Thread(target=watch, name="watch")
    thread.start()
    try:
        yield usage
    finally:
        done.set()
        thread.join()
        look()
        for name, seconds in spent.values():
            usage.cpu_seconds[name] = usage.cpu_seconds.get(name, 0.0) + seconds


def all_cpu_seconds(pid: int) -> float:
    """Of the process and its descendants that are there."""
    spent = 0.0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            spent += cpu_seconds(process)
    return spent


def wait_for_rest(pid: int, timeout_seconds: float) -> None:
    """Until the processes of a system have ended their start: it answers before all of them have. Raises TimeoutError."""
    until = time.monotonic() + timeout_seconds
    before, calm = all_cpu_seconds(pid), 0
    while time.monotonic() < until:
        time.sleep(REST_SECONDS)
        now = all_cpu_seconds(pid)
        calm = calm + 1 if now - before < REST_CORES * REST_SECONDS else 0
        if calm == 2:
            return
        before = now
    raise TimeoutError(f"the system still works {timeout_seconds:g} s after it was ready")


def cpu_seconds(process: psutil.Process) -> float:
    """Raises psutil.Error where it is gone."""
    times = process.cpu_times()
    return times.user + times.system


def _name(process: psutil.Process) -> str:
    line = " ".join(process.cmdline())
    if "services.front" in line:
        return FRONT
    return line.split("#")[0][:60].strip() if line.startswith("ray::") else process.name()
