"""A model's process ends when the process that started it was killed."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time

import psutil
import pytest

from ray_jobs.engines.vllm.orphans import end_with_parent


def model(told) -> None:
    end_with_parent()
    told.send(os.getpid())
    time.sleep(300)


def replica(told) -> None:
    multiprocessing.get_context("spawn").Process(target=model, args=(told,)).start()
    time.sleep(300)


@pytest.mark.slow
def test_a_model_ends_with_a_replica_that_was_killed() -> None:
    heard, told = multiprocessing.Pipe()
    parent = multiprocessing.get_context("spawn").Process(target=replica, args=(told,))
    parent.start()
    assert heard.poll(120)
    child = psutil.Process(heard.recv())
    assert child.is_running()
    parent.kill()
    assert psutil.wait_procs([child], timeout=60)[0] or child.status() == psutil.STATUS_ZOMBIE


def test_a_process_that_nobody_started_so_is_left_alone() -> None:
    end_with_parent()
    assert "end-with-parent" not in {thread.name for thread in threading.enumerate()}
