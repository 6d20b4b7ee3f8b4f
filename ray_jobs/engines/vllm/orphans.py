"""Ends a model's process when its replica is gone, however it went: else a killed replica leaves its GPU's memory taken.

vLLM loads this as a general plugin (an entry point in pyproject.toml) in every process that it starts.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading


def end_with_parent() -> None:
    """Watches the parent of a process that multiprocessing started; does nothing in any other."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True, name="end-with-parent").start()
