"""A driver of its own: real frames from the decode stage to a stage that says how it got them; a report as JSON.

python -m tests.systems.passed_frames CLIP REPORT
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import serve
from ray._private.internal_api import memory_summary

from ray_jobs.serve_pipeline import FrameDecoder
from ray_jobs.stages.probe import probe
from services.core.media import Span
from services.core.settings import load_settings

SEGMENTS = 4


@serve.deployment(name="Witness", max_ongoing_requests=SEGMENTS + 2)  # looks, and who asks about them
class Witness:
    """Takes frames as the describe stage does, and keeps them until it is told to let go."""

    def __init__(self) -> None:
        # What frames import when they arrive is no copy of them.
        import ray_jobs.stages.decode
        import ray_jobs.stages.describe  # noqa: F401

        self._go_on = asyncio.Event()
        self._process = psutil.Process()
        self._before = 0
        self._read = 0

    async def begin(self) -> None:
        """Counts private memory from here on: what Serve imports for its first call is no copy of frames."""
        self._before = self._process.memory_full_info().uss

    async def look(self, frames: Any) -> dict[str, Any]:
        total = int(frames.images.sum(dtype="int64"))  # every byte is read
        self._read += 1
        held = self._process.memory_full_info().uss - self._before
        await self._go_on.wait()
        return {
            "count": len(frames),
            "bytes": frames.images.nbytes,
            "moment_bytes": frames.moments.images.nbytes,
            "sum": total,
            "is_own": frames.images.flags.owndata,
            "is_writeable": frames.images.flags.writeable,
            "private_bytes": held,
        }

    async def reads(self) -> int:
        return self._read

    async def go_on(self) -> None:
        self._go_on.set()


def in_store() -> tuple[int, int]:
    """(objects, bytes) of the object store."""
    summary = memory_summary(ray.get_runtime_context().gcs_address, stats_only=True)
    found = re.search(r"Plasma memory usage (\d+) MiB, (\d+) objects", summary)
    assert found
    return int(found[2]), int(found[1]) * 2**20


async def settled() -> tuple[int, int]:
    """The object store once nothing has come or gone for a second: Serve passes small objects of its own while it starts."""
    last, same = in_store(), 0
    for _ in range(100):
        await asyncio.sleep(0.2)
        now = in_store()
        same = same + 1 if now == last else 0
        if same == 5:
            break
        last = now
    return last


async def run(key: str, path: Path) -> dict[str, Any]:
    decoder = serve.run(FrameDecoder.bind(), name="decode", route_prefix=None)
    witness = serve.run(Witness.bind(), name="witness", route_prefix=None)
    info = probe(path)
    spans = [Span(8.0 * number, 8.0 * number + 8.0) for number in range(SEGMENTS)]
    for _ in range(2):
        await witness.begin.remote()
    before = await settled()
    looks = [witness.look.remote(decoder.sample.remote(key, info, span)) for span in spans]
    for _ in range(1000):
        if await witness.reads.remote() == SEGMENTS:
            break
        await asyncio.sleep(0.1)
    during = await settled()
    await witness.go_on.remote()
    seen = await asyncio.gather(*looks)
    del looks
    for _ in range(100):
        gc.collect()
        if in_store()[1] <= before[1]:
            break
        await asyncio.sleep(0.1)
    return {"before": before, "during": during, "after": in_store(), "seen": seen}


def main() -> None:
    source = Path(sys.argv[1])
    settings = load_settings()
    key = f"tenants/t/files/f/{source.name}"
    stored = Path(settings.data_dir) / "objects" / key
    stored.parent.mkdir(parents=True)
    shutil.copy(source, stored)
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        ray.init(
            num_cpus=2,
            object_store_memory=256 * 2**20,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        try:
            serve.start(proxy_location="Disabled")
            Path(sys.argv[2]).write_text(json.dumps(asyncio.run(run(key, source))))
        finally:
            serve.shutdown()
            ray.shutdown()


if __name__ == "__main__":
    main()
