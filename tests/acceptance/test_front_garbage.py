"""What a front has loaded when it is ready is not looked through for garbage while it serves."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from pathlib import Path

import pytest

from services import front
from tests.acceptance.live_front import front_settings


def test_what_a_front_has_loaded_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[int] = []

    def ready(_line: str, *, flush: bool) -> None:
        frozen.append(gc.get_freeze_count())
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(front, "print", ready, raising=False)
    settings = front_settings(tmp_path, http_port=0, grpc_port=0, drain_delay_seconds=0)
    try:
        asyncio.run(front.serve(settings))
        assert frozen and frozen[0] > 50_000
    finally:
        gc.unfreeze()
