"""The token path: messages a second and first-token latency, straight to the engine's ingress and through the front.

    python -m loadtests.tokens [--json PATH]

Starts a system of its own with the scripted engine, so that only the path is measured. Direct call, gRPC, HTTP SSE and
chat over HTTP SSE take turns in one run, responses with and without storage; every message is counted, and each must come as
an event, or a chunk, of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
from arcus.engine.v1 import engine_pb2 as engine
from arcus.engine.v1 import engine_pb2_grpc as engine_grpc
from arcus.v1 import responses_pb2 as public
from arcus.v1 import responses_pb2_grpc as public_grpc

from loadtests.plain_http import posted
from loadtests.running import System, running_system
from services.core.engines.config import SCRIPTED_ANSWERS

STREAMS = 20
MESSAGES = 500
ROUNDS = 3
PACED_SECONDS = 0.02  # between the messages of a stream: an engine at 50 tokens a second
# (messages of each answer, answers of each stream): the streams ask so many questions a second, all together.
PACED = {"10_questions_per_second": (100, 5), "100_questions_per_second": (10, 8)}
MAX_TOKENS = 128_000
DELTA = b"event: response.output_text.delta\n"
CHAT_DELTA = b'"delta": {"content": "word'
DOORS = ("grpc", "http", "chat")
STORED = ("grpc", "http")  # whose messages are written as they come; a chat is kept once it is whole


@dataclass(frozen=True)
class Stream:
    """One answer as its caller saw it."""

    messages: int
    text: str
    first_seconds: float


Caller = Callable[[str], Awaitable[Stream]]


def direct_caller(system: System, channel: grpc.aio.Channel) -> Caller:
    stub = engine_grpc.GenerateServiceStub(channel)
    metadata = (
        ("application", "engine-scripted"),
        ("x-arcus-secret", system.settings.engine_secret.get_secret_value()),
    )

    async def call(script: str) -> Stream:
        request = engine.GenerateRequest(request_id="load", tenant_id="load", model="nimbus-001", instructions=script)
        started, first, texts = time.perf_counter(), 0.0, []
        async for chunk in stub.Generate(request, metadata=metadata):
            if chunk.text:
                first = first or time.perf_counter() - started
                texts.append(chunk.text)
        return Stream(len(texts), "".join(texts), first)

    return call


def grpc_caller(system: System, channel: grpc.aio.Channel, *, store: bool = True) -> Caller:
    stub = public_grpc.ResponseServiceStub(channel)
    metadata = (("authorization", f"Bearer {system.key}"),)

    async def call(script: str) -> Stream:
        request = public.CreateResponseRequest(
            model="nimbus-001",
            messages=[public.InputMessage(role=public.ROLE_USER, text="load")],
            instructions=script,
            max_output_tokens=MAX_TOKENS,
            store=store,
        )
        started, first, texts = time.perf_counter(), 0.0, []
        async for event in stub.Stream(request, metadata=metadata):
            if event.type == "response.output_text.delta":
                first = first or time.perf_counter() - started
                texts.append(event.delta)
        return Stream(len(texts), "".join(texts), first)

    return call


def http_caller(system: System, *, store: bool = True) -> Caller:
    body = {"input": "load", "max_output_tokens": MAX_TOKENS, "store": store}
    return _http_caller(system, "/v1/responses", lambda script: body | {"instructions": script}, DELTA, _read_events)


def chat_caller(system: System) -> Caller:
    question = {"role": "user", "content": "load"}

    def body(script: str) -> dict:
        return {"messages": [{"role": "system", "content": script}, question], "max_completion_tokens": MAX_TOKENS}

    return _http_caller(system, "/v1/chat/completions", body, CHAT_DELTA, _read_chunks)


def _http_caller(
    system: System,
    path: str,
    body_of: Callable[[str], dict],
    first_delta: bytes,
    read: Callable[[bytes, float], Stream],
) -> Caller:
    async def call(script: str) -> Stream:
        body = {"model": "nimbus-001", "stream": True, **body_of(script)}
        first, received = await posted(system.url, path, system.key, body, (first_delta,))
        return read(received, first)

    return call


def _read_events(received: bytes, first_seconds: float) -> Stream:
    """Takes a reply apart after the clock has stopped; the numbers of its events must have no gap."""
    texts, numbers = [], []
    for line in received.split(b"\n"):
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            numbers.append(event["sequence_number"])
            if event["type"] == "response.output_text.delta":
                texts.append(event["delta"])
    if numbers != list(range(len(numbers))):
        raise SystemExit("Events were lost or out of order.")
    return Stream(len(texts), "".join(texts), first_seconds)


def _read_chunks(received: bytes, first_seconds: float) -> Stream:
    """Chunks have no numbers: the first gives the role, the last the reason of the end, each between them a message."""
    chunks = [json.loads(line[6:]) for line in received.split(b"\n") if line.startswith(b"data: {")]
    opening, *told, last = (chunk["choices"][0] for chunk in chunks)
    if opening["delta"].get("role") != "assistant" or last["finish_reason"] != "stop":
        raise SystemExit("A chat did not begin or end as it should.")
    texts = [choice["delta"]["content"] for choice in told]
    return Stream(len(texts), "".join(texts), first_seconds)


async def flood(call: Caller, messages: int, tokens_per_message: int) -> float:
    """Messages a second of STREAMS streams at once. Every message must arrive, by itself and whole."""
    script = json.dumps({"messages": messages, "tokens_per_message": tokens_per_message})
    started = time.perf_counter()
    streams = await asyncio.gather(*(call(script) for _ in range(STREAMS)))
    seconds = time.perf_counter() - started
    for stream in streams:
        tokens = len(stream.text.split())
        if stream.messages != messages or tokens != messages * tokens_per_message:
            raise SystemExit(f"Lost: {stream.messages} of {messages} messages, {tokens} tokens.")
    return STREAMS * messages / seconds


async def paced(call: Caller, messages: int, rounds: int) -> list[float]:
    """Milliseconds to the first token, in order, of STREAMS streams that each send a message every PACED_SECONDS."""
    script = json.dumps({"messages": messages, "interval_seconds": PACED_SECONDS})
    firsts: list[float] = []

    async def one(number: int) -> None:
        await asyncio.sleep(number * PACED_SECONDS * messages / STREAMS)  # as users come, not all at once
        for _ in range(rounds):
            stream = await call(script)
            if stream.messages != messages:
                raise SystemExit(f"Lost: {stream.messages} of {messages} messages.")
            firsts.append(1000 * stream.first_seconds)

    await asyncio.gather(*(one(number) for number in range(STREAMS)))
    return sorted(firsts)


def percentiles(ordered: list[float]) -> dict[str, float]:
    return {"p50": round(statistics.median(ordered), 2), "p95": round(ordered[int(0.95 * len(ordered))], 2)}


async def measure(system: System) -> dict:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with (
        grpc.aio.insecure_channel(system.settings.engine_address, options=options) as ingress,
        grpc.aio.insecure_channel(system.grpc, options=options) as front,
    ):
        callers = {
            "direct": direct_caller(system, ingress),
            "grpc": grpc_caller(system, front),
            "http": http_caller(system),
            "chat": chat_caller(system),
        }
        unstored = {
            "grpc": grpc_caller(system, front, store=False),
            "http": http_caller(system, store=False),
        }
        for call in callers.values():
            await flood(call, 50, 1)
        rates: dict[str, list[float]] = {name: [] for name in callers}
        without: dict[str, list[float]] = {name: [] for name in unstored}
        for _ in range(ROUNDS):
            for name, call in callers.items():
                rates[name].append(await flood(call, MESSAGES, 1))
                if name in unstored:
                    without[name].append(await flood(unstored[name], MESSAGES, 1))
        tokens = {name: 16 * await flood(callers[name], MESSAGES, 16) for name in DOORS}
        firsts = {
            pace: {name: await paced(call, *answers) for name, call in callers.items()}
            for pace, answers in PACED.items()
        }
    best = {name: max(values) for name, values in rates.items()}
    result: dict = {"streams": STREAMS, "messages_of_each": MESSAGES, "rounds": ROUNDS}
    for name in callers:
        result[name] = {"messages_per_second": round(best[name])}
        for pace, of in firsts.items():
            result[name][f"first_token_ms_at_{pace}"] = percentiles(of[name])
    for name in DOORS:
        for pace, of in firsts.items():
            alone, through = percentiles(of["direct"]), percentiles(of[name])
            result[name][f"added_ms_at_{pace}"] = {key: round(through[key] - alone[key], 2) for key in alone}
        result[name]["ratio_to_direct"] = round(best[name] / best["direct"], 3)
        result[name]["tokens_per_second_16_a_message"] = round(tokens[name])
    for name in STORED:
        result[name]["messages_per_second_unstored"] = round(max(without[name]))
        result[name]["ratio_to_unstored"] = round(best[name] / max(without[name]), 3)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with running_system({"ARCUS_ROLES": SCRIPTED_ANSWERS}) as system:
        result = asyncio.run(measure(system))
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=1))
    fast = all(result[name]["ratio_to_direct"] >= 0.4 for name in DOORS)
    kept = all(result[name]["ratio_to_unstored"] >= 0.8 for name in STORED)
    sys.exit(0 if fast and kept else 1)


if __name__ == "__main__":
    main()
