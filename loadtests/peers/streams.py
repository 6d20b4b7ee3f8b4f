"""Streams of words from one server that speaks OpenAI's API: asked directly, through LiteLLM's proxy, through Arcus."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.peers.upstream import MODEL, question, word
from loadtests.plain_http import posted
from loadtests.processes import all_cpu_seconds
from loadtests.running import running_system
from ray_jobs.runtime import free_ports
from services.cli.instance import ROOT, first_line

LITELLM = ROOT / "build" / "peers" / "litellm"
START_SECONDS = 180
DONE = b"data: [DONE]"
CONTENT = (b'"content":"w0"', b'"content": "w0"')
ENGINES = """
engines:
  there: {{kind: openai, base_url: "{url}/v1", model: {model}, max_running: 256}}
roles: {{nimbus-001: there}}
"""
PROXY = """
model_list:
- model_name: {model}
  litellm_params: {{model: "openai/{model}", api_base: "{url}/v1", api_key: none}}
"""


@dataclass(frozen=True)
class Sizes:
    streams: tuple[int, ...] = (1, 20, 100)
    words: int = 64
    rounds: int = 3
    paced_streams: tuple[int, ...] = (1, 20)
    paced_words: int = 10
    paced_answers: int = 10  # one after the other, of each stream
    paced_seconds: float = 0.1  # between two words of a stream


SMALL = Sizes(streams=(2,), words=8, rounds=1, paced_streams=(2,), paced_words=3, paced_answers=2, paced_seconds=0.01)


@dataclass(frozen=True)
class Server:
    """url: without /v1. pid: of a process whose descendants do the work as well."""

    name: str
    url: str
    model: str
    key: str
    pid: int

    def cpu_seconds(self) -> float:
        return all_cpu_seconds(self.pid)


def words_of(received: bytes) -> list[str]:
    """The text of each event of a chat. Raises ValueError for a reply that is not one whole stream."""
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise ValueError(f"not an answer: {received[:300]!r}")
    if b"transfer-encoding: chunked" in head.lower():
        body = _unframed(body)
    events = [line for line in body.split(b"\n") if line.startswith(b"data: ")]
    if not events or events[-1].rstrip() != DONE:
        raise ValueError(f"the stream broke off after {len(events)} events")
    texts, reasons = [], []
    for event in events[:-1]:
        for choice in json.loads(event[6:])["choices"]:
            if text := choice["delta"].get("content"):
                if reasons:
                    raise ValueError("a word came after the end")
                texts.append(text)
            if choice.get("finish_reason"):
                reasons.append(choice["finish_reason"])
    if reasons != ["stop"]:
        raise ValueError(f"the stream ended for {reasons}")
    return texts


def check(texts: list[str], words: int) -> None:
    """Raises ValueError unless each word came once, in its order, by an event of its own."""
    expected = [word(number) for number in range(words)]
    if texts != expected:
        at = next((n for n, pair in enumerate(zip(texts, expected, strict=False)) if pair[0] != pair[1]), len(texts))
        raise ValueError(f"{len(texts)} events of {words} words; they differ from word {at} on: {texts[at : at + 3]}")


def asked(direct: Server) -> int:
    """How many questions the server behind both was asked so far."""
    with urllib.request.urlopen(f"{direct.url}/asked", timeout=10) as reply:
        return int(reply.read())


def check_asked(times: int, questions: int, name: str) -> None:
    """Raises ValueError unless the model was asked once for each question: more would be other work than the peer's."""
    if times != questions:
        raise ValueError(f"{name}: the server behind it was asked {times} times for {questions} questions")


def _unframed(body: bytes) -> bytes:
    parts = []
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size or b"0", 16)
        if not length:
            return b"".join(parts)
        parts.append(body[:length])
        body = body[length + 2 :]


async def ask(server: Server, words: int, interval_seconds: float = 0.0) -> tuple[float, bytes]:
    """(seconds to the first word, the reply as it came)."""
    message = {"role": "user", "content": question(words, interval_seconds)}
    body = {"model": server.model, "stream": True, "max_tokens": 16_000, "messages": [message]}
    return await posted(server.url, "/v1/chat/completions", server.key, body, CONTENT)


async def flood(server: Server, streams: int, words: int) -> dict[str, float]:
    """Events a second, by the clock and by the processor time of the server's processes, all streams at once."""
    spent, started = server.cpu_seconds(), time.perf_counter()
    replies = await asyncio.gather(*(ask(server, words) for _ in range(streams)))
    seconds, spent = time.perf_counter() - started, server.cpu_seconds() - spent
    for _, received in replies:
        check(words_of(received), words)
    return {
        "events_per_second": streams * words / seconds,
        "events_per_processor_second": streams * words / max(spent, 0.01),  # a hundredth is what is counted in
        "first_ms": 1000 * statistics.median(first for first, _ in replies),
    }


async def firsts(server: Server, streams: int, sizes: Sizes) -> list[float]:
    """Milliseconds to the first word of streams that each say a word every `paced_seconds`."""
    taken: list[float] = []

    async def one(number: int) -> None:
        await asyncio.sleep(
            number * sizes.paced_seconds * sizes.paced_words / streams
        )  # as users come, not all at once
        for _ in range(sizes.paced_answers):
            first, received = await ask(server, sizes.paced_words, sizes.paced_seconds)
            check(words_of(received), sizes.paced_words)
            taken.append(1000 * first)

    await asyncio.gather(*(one(number) for number in range(streams)))
    return taken


async def measure(servers: Mapping[str, Server], sizes: Sizes) -> dict[str, Any]:
    """Of each number of streams: the servers take turns; the best round of each, and the medians of the first words."""
    result: dict[str, Any] = {"words": sizes.words, "rounds": sizes.rounds, "at_once": {}, "paced": {}}
    for name, server in servers.items():
        before = asked(servers["direct"])
        await flood(server, max(sizes.streams), 4)
        check_asked(asked(servers["direct"]) - before, max(sizes.streams), name)
    for streams in sizes.streams:
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        for _ in range(sizes.rounds):
            for name, server in servers.items():
                rounds[name].append(await flood(server, streams, sizes.words))
        result["at_once"][streams] = {
            name: {
                "events_per_second": round(max(each["events_per_second"] for each in told)),
                "events_per_processor_second": round(max(each["events_per_processor_second"] for each in told)),
                "first_ms": round(min(each["first_ms"] for each in told), 1),
            }
            for name, told in rounds.items()
        }
    for streams in sizes.paced_streams:
        medians = {name: statistics.median(await firsts(server, streams, sizes)) for name, server in servers.items()}
        result["paced"][streams] = {name: {"first_ms": round(median, 2)} for name, median in medians.items()}
        for name in ("litellm", "arcus"):
            result["paced"][streams][name]["added_ms"] = round(medians[name] - medians["direct"], 2)
    result["ratios"] = ratios(result)
    return result


def ratios(result: dict[str, Any]) -> dict[str, dict[Any, float]]:
    """Arcus ÷ LiteLLM, by the number of streams."""

    def of(part: str, figure: str) -> dict[Any, float]:
        both = result[part]
        return {n: round(both[n]["arcus"][figure] / max(both[n]["litellm"][figure], 0.01), 2) for n in both}

    return {
        "events_per_second": of("at_once", "events_per_second"),
        "events_per_processor_second": of("at_once", "events_per_processor_second"),
        "added_first_word": of("paced", "added_ms"),
    }


@contextlib.contextmanager
def upstream() -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtests.peers.upstream"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        port = first_line(process, START_SECONDS).strip()
        yield Server("direct", f"http://127.0.0.1:{port}", MODEL, "none", process.pid)
    finally:
        process.communicate(timeout=30)


@contextlib.contextmanager
def litellm(of: Server, folder: Path) -> Iterator[Server]:
    """LiteLLM's proxy with one worker, without a database. Raises SystemExit where it does not start."""
    (folder / "litellm.yaml").write_text(PROXY.format(url=of.url, model=MODEL))
    key, port = f"sk-{secrets.token_hex(24)}", free_ports(1)[0]
    own = {"LITELLM_MASTER_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    command = [
        LITELLM / "bin" / "litellm",
        "--config",
        folder / "litellm.yaml",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    log = folder / "litellm.log"
    with log.open("wb") as told:
        process = subprocess.Popen(
            [*command, "--num_workers", "1", "--telemetry", "False"],
            env=inherited | own,
            cwd=folder,
            stdout=told,
            stderr=told,
        )
    try:
        server = Server("litellm", f"http://127.0.0.1:{port}", MODEL, key, process.pid)
        if not asyncio.run(_answers(server, process)):
            raise SystemExit(f"LiteLLM's proxy did not start:\n{log.read_text(errors='replace')[-3000:]}")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            check(words_of((await ask(server, 2))[1]), 2)
            return True
        except (OSError, ValueError):
            await asyncio.sleep(0.5)
    return False


def run(sizes: Sizes) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="arcus-peers-") as name, upstream() as direct:
        folder = Path(name)
        own = {"ARCUS_MAX_REQUESTS_PER_TENANT": "256"}  # the proxy has no such bound
        config = folder / "engines.yaml"
        config.write_text(ENGINES.format(url=direct.url, model=MODEL))
        with litellm(direct, folder) as proxy, running_system(own | {"ARCUS_CONFIG": str(config)}) as system:
            arcus = Server("arcus", system.url.removesuffix("/v1"), "nimbus-001", system.key, system.pid)
            servers = {"direct": direct, "litellm": proxy, "arcus": arcus}
            return asyncio.run(measure(servers, sizes))
