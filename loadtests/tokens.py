"""Messages a second and first-message latency of many streams at once, straight to the engine's ingress.

    python loadtests/tokens.py --engine-address 127.0.0.1:9000 --streams 20

The engine must be the scripted one (ARCUS_GENERATE_ENGINE=scripted), so that only the path is measured.
The secret comes from ARCUS_ENGINE_SECRET. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time

import grpc
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile; share in [0, 1]."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def direct_stream(stub: engine_pb2_grpc.GenerateServiceStub, script: str, number: int) -> tuple[int, float]:
    """(messages received, seconds until the first) of one answer."""
    metadata = (("application", "generate"), ("x-arcus-secret", os.environ["ARCUS_ENGINE_SECRET"]))
    request = pb.GenerateRequest(request_id=f"load-{number}", tenant_id="load", model="scripted", instructions=script)
    started = time.perf_counter()
    messages, first_seconds = 0, 0.0
    async for _ in stub.Generate(request, metadata=metadata):
        if not messages:
            first_seconds = time.perf_counter() - started
        messages += 1
    return messages, first_seconds


async def measure_direct(address: str, streams: int, messages: int, tokens_per_message: int) -> dict[str, float]:
    script = json.dumps({"messages": messages, "tokens_per_message": tokens_per_message})
    async with grpc.aio.insecure_channel(address) as channel:
        stub = engine_pb2_grpc.GenerateServiceStub(channel)
        await direct_stream(stub, json.dumps({"messages": 1}), 0)  # connects
        started = time.perf_counter()
        results = await asyncio.gather(*(direct_stream(stub, script, number) for number in range(streams)))
        seconds = time.perf_counter() - started
    received = sum(count for count, _ in results)
    firsts = [1000 * first for _, first in results]
    return {
        "streams": streams,
        "messages": received,
        "seconds": round(seconds, 3),
        "messages_per_second": round(received / seconds, 1),
        "first_message_ms_p50": round(percentile(firsts, 0.5), 1),
        "first_message_ms_p95": round(percentile(firsts, 0.95), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine-address", required=True)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--messages", type=int, default=500, help="messages of one stream")
    parser.add_argument("--tokens-per-message", type=int, default=1)
    given = parser.parse_args()
    direct = asyncio.run(measure_direct(given.engine_address, given.streams, given.messages, given.tokens_per_message))
    print(json.dumps({"direct": direct}))


if __name__ == "__main__":
    main()
