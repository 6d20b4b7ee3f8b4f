"""What a tenant waits for its first token while another asks ten times its share of one engine, beside what it waits alone.

    python -m loadtests.fairness

The scripted engine with places for some answers at once; requests come by the clock (open loop), and each wait is measured from
when its request was to come. The same traffic in one line (first come, first served) is measured beside it, and every answer is
counted.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter

from arcus.engine.v1.engine_pb2 import GenerateRequest, Message

from loadtests.load.verdict import percentile
from ray_jobs.engines.scripted import ScriptedEngine
from services.core.engines.config import ScriptedOptions
from services.core.errors import ArcusError

PLACES, WAITING = 8, 64
CHUNKS, CHUNK_SECONDS = 20, 0.01
SECONDS = 20.0
SHARE = 0.1  # of what the engine can write, that the quiet tenant asks
TIMES = 10
GOAL = 2.0


class Traffic:
    def __init__(self, *, apart: bool) -> None:
        """`apart`: the engine knows who asks; else all of it stands in one line."""
        self._engine = ScriptedEngine(ScriptedOptions(max_running=PLACES, max_waiting=WAITING))
        self._apart = apart
        self.first_seconds: list[float] = []  # of the quiet tenant
        self.told: Counter[tuple[str, str]] = Counter()

    async def run(self, times: float) -> Traffic:
        """The quiet tenant at its share, and another at so many times that."""
        per_second = SHARE * PLACES / (CHUNKS * CHUNK_SECONDS)
        await asyncio.gather(self._ask_often("quiet", per_second), self._ask_often("loud", per_second * times))
        return self

    async def _ask_often(self, tenant: str, per_second: float) -> None:
        lot, clock = random.Random(tenant), asyncio.get_running_loop().time
        at, end = clock(), clock() + SECONDS
        async with asyncio.TaskGroup() as group:
            while per_second and (at := at + lot.expovariate(per_second)) < end:
                await asyncio.sleep(at - clock())
                group.create_task(self._ask(tenant, at))

    async def _ask(self, tenant: str, at: float) -> None:
        script = json.dumps({"messages": CHUNKS, "interval_seconds": CHUNK_SECONDS})
        request = GenerateRequest(
            tenant_id=tenant if self._apart else "", instructions=script, messages=[Message(role="user", text="?")]
        )
        chunks = 0
        try:
            async for chunk in self._engine.generate(request):
                if not chunks and tenant == "quiet":
                    self.first_seconds.append(asyncio.get_running_loop().time() - at)
                chunks += bool(chunk.text)
        except ArcusError as error:
            self.told[tenant, error.reason.name] += 1
            return
        assert chunks == CHUNKS, chunks
        self.told[tenant, "whole"] += 1


def told(name: str, traffic: Traffic) -> float:
    p99 = percentile(traffic.first_seconds, 99)
    p50 = percentile(traffic.first_seconds, 50)
    counts = ", ".join(f"{tenant} {how} {count}" for (tenant, how), count in sorted(traffic.told.items()))
    print(f"{name:<32} first token p50 {p50 * 1000:6.0f} ms, p99 {p99 * 1000:6.0f} ms; {counts}")
    return p99


async def main() -> None:
    alone = told("alone", await Traffic(apart=True).run(0))
    line = told(f"beside {TIMES} times, in one line", await Traffic(apart=False).run(TIMES))
    fair = told(f"beside {TIMES} times, by turns", await Traffic(apart=True).run(TIMES))
    verdict = "met" if fair <= GOAL * alone else "missed"
    print(f"by turns ÷ alone {fair / alone:.2f} (goal ≤ {GOAL:g}: {verdict}); in one line ÷ alone {line / alone:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
