"""What a cancelled write leaves in the object store: nothing, however far its threads were."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from services.core.store.objects import BUFFER_BYTES, Objects

TRIES = 100  # the thread that writes is ahead of the deletion or behind it


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(f"file://{tmp_path}")


async def cancelled_soon(write: Callable[[], Awaitable[object]]) -> None:
    """Cancels a write once the loop was entered by what it waits for, and again while it cleans up."""
    task = asyncio.ensure_future(write())
    for _ in range(2):
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size_bytes", (1000, BUFFER_BYTES + 1), ids=("in one piece", "in pieces"))
async def test_a_stream_that_is_cancelled_as_it_is_closed_leaves_nothing(
    objects: Objects, tmp_path: Path, size_bytes: int
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * size_bytes
        task.cancel()

    for number in range(TRIES if size_bytes == 1000 else 10):
        stream = objects.put_stream(f"files/{number}/original", chunks(), max_bytes=2 * BUFFER_BYTES)
        task = asyncio.ensure_future(stream)
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.001)  # what a thread did not hear of would be written now
    assert left(tmp_path) == []


async def test_a_value_that_is_cancelled_is_written_before_whoever_cancelled_goes_on(
    objects: Objects, tmp_path: Path
) -> None:
    for number in range(TRIES):
        await cancelled_soon(partial(objects.put, f"pictures/{number}/1.jpg", b"x" * 1000))
        await objects.delete_prefix(f"pictures/{number}")
        await asyncio.sleep(0.001)
    assert left(tmp_path) == []
