"""The supervisor keeps small programs running, and leaves none of them or of their children behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from services.cli.up import Program, Supervisor
from services.core.errors import ArcusError
from services.core.settings import Settings
from tests.waiting import async_until

# Starts a daemon of its own, which outlives it, ignores SIGTERM and writes its pid where a test can read it.
WITH_DAEMON = """
import os, signal, sys, time
folder, name = sys.argv[1:]
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(f"{folder}/{name}-daemon-{os.getpid()}", "w").close()
    time.sleep(1000)
while not any(entry.startswith(f"{name}-daemon") for entry in os.listdir(folder)):
    time.sleep(0.01)
open(f"{folder}/{name}-{os.getpid()}", "w").close()
print('{"port": 1}', flush=True)
time.sleep(1000)
"""
# Says much before it is ready, as engines do that load: lines, one of them longer than a reader holds, and values.
TALKING = """
import os, sys, time
folder, name = sys.argv[1:]
print("(replica) loading", flush=True)
print("x" * 300_000)
print("[1]", '"text"', flush=True)
while not os.path.exists(f"{folder}/go"):
    time.sleep(0.01)
print('{"port": 1}', flush=True)
time.sleep(1000)
"""
FAILING = "raise SystemExit(3)"


def program(name: str, code: str, folder: Path) -> Program:
    return Program(name, lambda _: [sys.executable, "-c", code, str(folder), name], signal.SIGTERM)


def pids(folder: Path, prefix: str) -> set[int]:
    return {int(path.name.removeprefix(prefix)) for path in folder.glob(f"{prefix}[0-9]*")}


def alive(numbers: set[int]) -> set[int]:
    return {pid for pid in numbers if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE}


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[tuple[Supervisor, asyncio.Task[None]]]:
    programs = (program("front", WITH_DAEMON, tmp_path), program("engines", WITH_DAEMON, tmp_path))
    supervisor = Supervisor(Settings(data_dir=tmp_path), programs)
    task = asyncio.create_task(supervisor.run())
    await supervisor.ready()
    yield supervisor, task
    supervisor.stop()
    await task


async def test_stopping_ends_children_and_what_they_left_running(
    running: tuple[Supervisor, asyncio.Task[None]], tmp_path: Path
) -> None:
    supervisor, task = running
    everything = pids(tmp_path, "front-") | pids(tmp_path, "engines-")
    daemons = pids(tmp_path, "front-daemon-") | pids(tmp_path, "engines-daemon-")
    assert len(everything) == len(daemons) == 2
    assert alive(everything | daemons) == everything | daemons
    supervisor.stop()
    await task
    assert not alive(everything | daemons)


async def test_what_ran_beside_it_before_is_not_its_own_and_goes_on(tmp_path: Path) -> None:
    beside = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(1000)")
    try:
        supervisor = Supervisor(Settings(data_dir=tmp_path), (program("engines", WITH_DAEMON, tmp_path),))
        task = asyncio.create_task(supervisor.run())
        await supervisor.ready()
        (engines,) = pids(tmp_path, "engines-")
        os.kill(engines, signal.SIGKILL)
        await async_until(lambda: len(pids(tmp_path, "engines-")) == 2, "the engines are started anew")
        supervisor.stop()
        await task
        assert alive({beside.pid})
    finally:
        beside.kill()
        await beside.wait()


async def test_a_killed_child_is_cleaned_up_and_started_again_while_the_other_stays(
    running: tuple[Supervisor, asyncio.Task[None]], tmp_path: Path
) -> None:
    (engines,), (front,) = pids(tmp_path, "engines-"), pids(tmp_path, "front-")
    (daemon,) = pids(tmp_path, "engines-daemon-")
    (tmp_path / f"engines-daemon-{daemon}").unlink()
    os.kill(engines, signal.SIGKILL)
    await async_until(lambda: len(pids(tmp_path, "engines-")) == 2, "the engines are started anew")
    assert not alive({engines, daemon})
    assert alive({front}) == {front}


async def test_what_a_child_says_before_its_ready_line_is_passed_on_and_not_taken_for_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    supervisor = Supervisor(Settings(data_dir=tmp_path), (program("engines", TALKING, tmp_path),))
    task = asyncio.create_task(supervisor.run())
    ready = asyncio.create_task(supervisor.ready())
    said = ""

    def all_was_passed_on() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return "[1] " in said

    try:
        await async_until(all_was_passed_on, "what it says is passed on")
        assert not ready.done() and "(replica) loading" in said and "x" * 300_000 in said
        (tmp_path / "go").touch()
        await ready
    finally:
        supervisor.stop()
        await task


async def test_a_child_that_never_starts_ends_the_supervisor_with_a_reason(tmp_path: Path) -> None:
    programs = (program("front", WITH_DAEMON, tmp_path), program("engines", FAILING, tmp_path))
    with pytest.raises(ArcusError, match="engines process failed to start"):
        await Supervisor(Settings(data_dir=tmp_path), programs).run()
    assert not alive(pids(tmp_path, "front-") | pids(tmp_path, "front-daemon-"))
