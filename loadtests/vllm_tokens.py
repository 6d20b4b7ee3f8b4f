"""What Arcus adds to vLLM: tokens a second through the front and Ray Serve, beside AsyncLLM in a process of one's own.

    python -m loadtests.vllm_tokens [--json PATH] [--model FOLDER --gpus N --dtype NAME] [--streams N] [--tokens N]

Both sides run the same model with the same options and are asked the same: the same prompts, told by their counts of
tokens, and the same length of answers, as the model never ends by itself (a given model is loaded with random weights).
They take turns in one run; every token is counted. Without a model a tiny one is made, which leaves the cores to the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlparse

import grpc
import yaml
from arcus.engine.v1 import engine_pb2 as engine
from arcus.engine.v1 import engine_pb2_grpc as engine_grpc

from loadtests.running import System, running_system
from loadtests.vllm_on_cpu import EAGER, ENVIRONMENT, KV_CACHE_BYTES
from services.core.engines.config import VllmOptions

ROUNDS = 3
START_SECONDS = 1_800.0
QUESTION = "What does the moon do to the sea?"
GOAL_CPU, GOAL_GPU = 0.6, 0.95


@dataclass(frozen=True)
class Answer:
    input_tokens: int
    output_tokens: int


Caller = Callable[[str, int], Awaitable[Answer]]


def request_for(question: str, tokens: int) -> engine.GenerateRequest:
    """What the front asks of the engine for such a question, where no video is there to be found."""
    messages = [engine.Message(role="user", text=question)]
    return engine.GenerateRequest(
        request_id="load", tenant_id="load", model="nimbus-001", messages=messages, max_output_tokens=tokens
    )


def alone(model: Any) -> Caller:
    """AsyncLLM itself: the prompt is made as the engine makes it, and its outputs are read as they come."""
    from ray_jobs.engines.language.generator import LanguageGenerator

    generator = LanguageGenerator(model)

    async def call(question: str, tokens: int) -> Answer:
        prompt = generator.prompt(request_for(question, tokens))
        rendered = await model._rendered(prompt)
        outputs = model._engine.llm.generate(rendered, model._parameters(prompt, rendered), question)
        written = 0
        async for output in outputs:
            written += len(output.outputs[0].token_ids)
        return Answer(len(rendered["prompt_token_ids"]), written)

    return call


def through_serve(system: System, channel: grpc.aio.Channel) -> Caller:
    stub = engine_grpc.GenerateServiceStub(channel)
    metadata = (("application", "engine-model"), ("x-arcus-secret", system.settings.engine_secret.get_secret_value()))

    async def call(question: str, tokens: int) -> Answer:
        written = read = 0
        async for chunk in stub.Generate(request_for(question, tokens), metadata=metadata):
            written += chunk.output_tokens
            read = chunk.input_tokens or read
        return Answer(read, written)

    return call


def through_front(system: System) -> Caller:
    """Server-sent events over a plain socket: a client library's own cost is not the front's."""
    address = urlparse(system.url)

    async def call(question: str, tokens: int) -> Answer:
        asked = {"model": "nimbus-001", "input": question, "stream": True, "max_output_tokens": tokens}
        body = json.dumps(asked).encode()
        head = (
            f"POST /v1/responses HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {system.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(head.encode() + body)
        received = bytearray()
        while piece := await reader.read(1 << 16):
            received += piece
        writer.close()
        events = [json.loads(line[6:]) for line in bytes(received).split(b"\n") if line.startswith(b"data: {")]
        if not events or "response" not in events[-1]:
            raise SystemExit(f"An answer failed: {bytes(received[-500:])!r}")
        usage = events[-1]["response"]["usage"]
        return Answer(usage["input_tokens"], usage["output_tokens"])

    return call


async def flood(call: Caller, streams: int, tokens: int) -> tuple[float, set[int]]:
    """Tokens a second of so many answers at once, and the lengths of their prompts. Every token must arrive."""
    started = time.perf_counter()
    answers = await asyncio.gather(*(call(f"{QUESTION} {number:04d}", tokens) for number in range(streams)))
    seconds = time.perf_counter() - started
    if any(answer.output_tokens != tokens for answer in answers):
        raise SystemExit(f"Lost: {sorted({answer.output_tokens for answer in answers})} tokens, not {tokens}.")
    return streams * tokens / seconds, {answer.input_tokens for answer in answers}


async def measure(system: System, options: VllmOptions, streams: int, tokens: int) -> dict[str, Any]:
    from ray_jobs.engines.vllm.model import VllmModel

    model = VllmModel(options)
    await model.setup()
    try:
        async with aclosing(cast(Any, _channel(system))) as channels:
            channel = await anext(channels)
            callers = {"alone": alone(model), "serve": through_serve(system, channel), "front": through_front(system)}
            for call in callers.values():
                await flood(call, streams, min(tokens, 16))
            rates: dict[str, list[float]] = {name: [] for name in callers}
            prompts: dict[str, set[int]] = {}
            for _ in range(ROUNDS):
                for name, call in callers.items():
                    rate, prompts[name] = await flood(call, streams, tokens)
                    rates[name].append(rate)
    finally:
        await model.close()
    if len(set(map(frozenset, prompts.values()))) != 1:
        raise SystemExit(f"The sides were asked different things: {prompts}")
    best = {name: max(values) for name, values in rates.items()}
    return {
        "model": options.model if options.gpus else "tiny",
        "streams": streams,
        "tokens_of_each": tokens,
        "prompt_tokens": sorted(prompts["alone"]),
        "rounds": ROUNDS,
        "tokens_per_second": {name: [round(value) for value in values] for name, values in rates.items()},
        "ratio_serve_to_alone": round(best["serve"] / best["alone"], 3),
        "ratio_front_to_alone": round(best["front"] / best["alone"], 3),
        "goal": GOAL_GPU if options.gpus else GOAL_CPU,
    }


async def _channel(system: System) -> Any:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(system.settings.engine_address, options=options) as channel:
        yield channel


def _options(given: argparse.Namespace, folder: Path) -> VllmOptions:
    common = {"kind": "vllm", "max_running": given.streams, "max_images": 0, "context_tokens": 4096}
    if given.model:
        extra = {"gpu_memory_utilization": 0.4 * given.gpus} if given.gpus <= 1 else {}  # the two sides share it
        return VllmOptions(
            **common, model=given.model, gpus=given.gpus, dtype=given.dtype, load_format="dummy", extra=extra
        )
    from tests.vllm.tiny_models import tiny_text

    extra = {**EAGER, "kv_cache_memory_bytes": KV_CACHE_BYTES}
    return VllmOptions(**common, model=str(tiny_text(folder / "model")), gpus=0, dtype="float32", extra=extra)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--model", default="")
    parser.add_argument("--gpus", type=float, default=1)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=256)
    given = parser.parse_args()
    os.environ |= ENVIRONMENT
    with tempfile.TemporaryDirectory(prefix="arcus-vllm-") as name:
        folder = Path(name)
        options = _options(given, folder)
        engines = {"model": options.model_dump(mode="json", exclude_none=True)}
        configuration = folder / "engines.yaml"
        configuration.write_text(yaml.safe_dump({"engines": engines, "roles": {"nimbus-001": "model"}}))
        environment = {"ARCUS_CONFIG": str(configuration), "ARCUS_MAX_REQUESTS_PER_TENANT": str(2 * given.streams)}
        with running_system(environment, start_seconds=START_SECONDS) as system:
            result = asyncio.run(measure(system, options, given.streams, given.tokens))
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=1))
    sys.exit(0 if result["ratio_front_to_alone"] >= result["goal"] else 1)


if __name__ == "__main__":
    main()
