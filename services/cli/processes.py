"""Finding and ending processes: everything a supervisor started, also what has changed its parent or session."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections.abc import Callable, Collection, Iterable

import psutil

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.05

_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """From now on a descendant whose parent dies becomes this process's child, instead of init's."""
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def dies_with_parent(signal_number: int) -> Callable[[], None]:
    """A preexec_fn: the child gets the signal when the thread that started it dies."""

    def set_death_signal() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)

    return set_death_signal


def children() -> frozenset[psutil.Process]:
    """Those of this process now. One that has been replaced by a program of another (exec) has that one's children."""
    return frozenset(psutil.Process().children())


def orphans(known: Collection[int], before: frozenset[psutil.Process]) -> list[psutil.Process]:
    """Children that were not started as children (their pids are not in `known`) and were not there `before`, with all their
    descendants."""
    found: list[psutil.Process] = []
    for child in psutil.Process().children():
        if child.pid not in known and child not in before:
            found.append(child)
            found.extend(_descendants(child))
    return [process for process in found if _is_alive(process)]


def tree(pid: int) -> list[psutil.Process]:
    """The process and its descendants now, leaves last; empty if it is gone."""
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return []
    return [process, *_descendants(process)]


async def end(processes: Iterable[psutil.Process], *, grace_seconds: float, kill_seconds: float = 2.0) -> None:
    """SIGTERM, then after the grace SIGKILL. Processes are told apart by pid and start time, so none is mistaken."""
    left = [process for process in processes if _is_alive(process)]
    for stop, seconds in ((psutil.Process.terminate, grace_seconds), (psutil.Process.kill, kill_seconds)):
        for process in left:
            try:
                stop(process)
            except psutil.NoSuchProcess:
                pass
        deadline = time.monotonic() + seconds
        while left and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
            left = [process for process in left if _is_alive(process)]


def reap(known: Collection[int], before: frozenset[psutil.Process]) -> None:
    """Collects adopted children that have ended. Those in `known`, and those from `before`, have waiters of their own."""
    for child in psutil.Process().children():
        if child.pid in known or child in before:
            continue
        try:
            if child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)
        except (psutil.NoSuchProcess, ChildProcessError):
            pass


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
