"""What a tenant waits for its first token while another asks ten times its share of one engine, beside what it waits alone.

    python -m loadtests.fairness

The scripted engine with places for some answers at once, in virtual time: the figures are of the turns alone, the same on every
machine. Requests come by the clock (open loop), and each wait is measured from when its request was to come. The same traffic
in one line (first come, first served) is measured beside it, and every answer is counted.
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
from services.simulation.virtual_time import simulate

QUESTIONS = 2000  # of the quiet tenant, about: 20 of them are above a p99
PLACES = (8, 16, 64)  # the last: of an engine of which nothing is said
WAITING = 8  # for each place
CHUNKS, CHUNK_SECONDS = 20, 0.01
SHARE = 0.1  # of what the engine can write, that the quiet tenant asks
TIMES = 10
GOAL = 2.0


class Traffic:
    def __init__(self, places: int, *, apart: bool) -> None:
        """`apart`: the engine knows who asks; else all of it stands in one line."""
        self._engine = ScriptedEngine(ScriptedOptions(max_running=places, max_waiting=WAITING * places))
        self._places_per_second = places / (CHUNKS * CHUNK_SECONDS)
        self._apart = apart
        self.first_seconds: list[float] = []  # of the quiet tenant
        self.told: Counter[tuple[str, str]] = Counter()

    async def run(self, times: float, questions: int = QUESTIONS) -> Traffic:
        """The quiet tenant at its share, for about so many questions, and another at so many times that."""
        per_second = SHARE * self._places_per_second
        self._seconds = questions / per_second
        await asyncio.gather(self._ask_often("quiet", per_second), self._ask_often("loud", per_second * times))
        return self

    @property
    def p99_seconds(self) -> float:
        return percentile(self.first_seconds, 99)

    def share_of(self, tenant: str) -> float:
        """Of what the engine could write meanwhile, what it wrote for that tenant."""
        return self.told[tenant, "whole"] / (self._places_per_second * self._seconds)

    async def _ask_often(self, tenant: str, per_second: float) -> None:
        lot, clock = random.Random(tenant), asyncio.get_running_loop().time
        at, end = clock(), clock() + self._seconds
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


def tell(name: str, traffic: Traffic) -> None:
    p50, asked = percentile(traffic.first_seconds, 50), len(traffic.first_seconds)
    counts = ", ".join(f"{tenant} {how} {count}" for (tenant, how), count in sorted(traffic.told.items()))
    print(
        f"{name:<32} first token p50 {p50 * 1000:4.0f} ms, p99 {traffic.p99_seconds * 1000:4.0f} ms of {asked}; "
        f"the other got {traffic.share_of('loud'):.2f} of the engine; {counts}",
        flush=True,
    )


def main() -> None:
    for places in PLACES:
        alone = simulate(Traffic(places, apart=True).run(0))
        tell(f"{places} places, alone", alone)
        line = simulate(Traffic(places, apart=False).run(TIMES))
        tell(f"beside {TIMES} times, in one line", line)
        fair = simulate(Traffic(places, apart=True).run(TIMES))
        tell(f"beside {TIMES} times, by turns", fair)
        ratios = [traffic.p99_seconds / alone.p99_seconds for traffic in (fair, line)]
        verdict = "met" if ratios[0] <= GOAL else "missed"
        print(f"by turns ÷ alone {ratios[0]:.2f} (goal ≤ {GOAL:g}: {verdict}); in one line ÷ alone {ratios[1]:.2f}")


if __name__ == "__main__":
    main()
