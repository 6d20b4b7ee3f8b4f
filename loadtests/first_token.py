"""What a front's process works until the first token of an answer, and until its end, part by part.

    python -m loadtests.first_token [--questions 300] [--json PATH]

A front of its own under Python's profiler, with the scripted engine in this process and SQLite; one streamed chat of one word
after the other. A part's time is that of a question in the front's event loop: while its code runs, or waits for the
interpreter that a thread of the database has, and not while it awaits anything; it holds the parts that are indented below it.
The profiler makes short calls dearer than they are: the last line tells the processor time without it.
"""

from __future__ import annotations

import argparse
import json
import os
import pstats
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
from fastapi.routing import APIRoute, _IncludedRouter
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from loadtests.arguments import count
from loadtests.processes import cpu_seconds
from services.cli.instance import START_SECONDS, first_line
from services.core.tenants.limiter import Limiter
from services.nimbus.answers.answer import Answer
from services.nimbus.answers.chats import ChatCompletions
from services.nimbus.answers.generation import Generation
from services.nimbus.context import prompt
from services.nimbus.context.retrieval import Retrieval
from services.nimbus.context.sources import ContextBuilder
from services.nimbus.engine.client import EngineClient
from services.nimbus.requests import chats
from services.rest import bodies
from services.rest.gate import Gate
from services.rest.sse import EventStream
from tests.acceptance.scripted_server import ScriptedServer
from tests.faults.fronts import fronts_on

SCRIPT = json.dumps({"messages": 1})
BODY = {
    "model": "nimbus-001",
    "stream": True,
    "messages": [{"role": "system", "content": SCRIPT}, {"role": "user", "content": "load"}],
    "max_completion_tokens": 1_000,
}
# (depth, what it is, its code): a part without indentation is a task of its own, or runs before all of them.
PARTS: tuple[tuple[int, str, Callable[..., Any]], ...] = (
    (0, "the bytes of the request", HttpToolsProtocol.data_received),
    (0, "the request, until its stream begins", Gate.__call__),
    (1, "the key", Gate._authenticate),
    (1, "limits", Limiter.admit),
    (1, "the route", _IncludedRouter.matches),
    (1, "the handler of the route", APIRoute.handle),
    (2, "the body as JSON", bodies.read_json),
    (2, "the body as a question", chats.parse_chat),
    (2, "the answer, until its first event", Answer.begun),
    (0, "the sources", ContextBuilder.prepare),
    (1, "what may be searched", ContextBuilder.check),
    (1, "what is found", Retrieval.find),
    (1, "the prompt", prompt.build_prompt),
    (0, "the plan", ContextBuilder._plan),
    (1, "its call", EngineClient.plan),
    (0, "the stream", EventStream._pump),
    (1, "the chat's chunks", ChatCompletions._chunks),
    (2, "the engine's chunks as steps", Generation.steps),
    (2, "the chat, kept", ChatCompletions._keep),
)

Profile = Mapping[tuple[str, int, str], Sequence[Any]]


def parts(profile: Profile, questions: int) -> list[tuple[int, str, float]]:
    """(depth, part, milliseconds of a question). Raises LookupError for one that was never called."""
    told = []
    for depth, name, function in PARTS:
        code = function.__code__
        found = profile.get((code.co_filename, code.co_firstlineno, code.co_name))
        if found is None:
            raise LookupError(f"{name}: {function.__qualname__} was never called")
        told.append((depth, name, 1000 * found[3] / questions))
    return told


def asked(front: list[str], environment: Mapping[str, str], key: str, questions: int) -> float:
    """Milliseconds of processor time of a question, of a front that is started for it and ended after it."""
    process = subprocess.Popen(front, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        port = json.loads(first_line(process, START_SECONDS) or "{}").get("http_port")
        if port is None:
            raise SystemExit("the front did not start")
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=60) as client:
            _ask(client, 20)
            before = cpu_seconds(psutil.Process(process.pid))
            _ask(client, questions)
            return 1000 * (cpu_seconds(psutil.Process(process.pid)) - before) / questions
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _ask(client: httpx.Client, questions: int) -> None:
    for _ in range(questions):
        reply = client.post("/v1/chat/completions", json=BODY)
        if reply.status_code != 200 or not reply.text.endswith("data: [DONE]\n\n"):
            raise SystemExit(f"{reply.status_code}: {reply.text[-500:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=count(least=1), default=300)
    parser.add_argument("--json", type=Path, help="where to write the parts")
    given = parser.parse_args()
    questions = given.questions
    with tempfile.TemporaryDirectory(prefix="arcus-load-") as name:
        folder = Path(name)
        with fronts_on(folder, f"sqlite+aiosqlite:///{folder / 'arcus.db'}", ScriptedServer()) as fronts:
            module, told = ["-m", "services.front"], folder / "profile"
            plain = asked([sys.executable, "-P", *module], fronts.environment, fronts.key, questions)
            profiled = [sys.executable, "-P", "-m", "cProfile", "-o", str(told), *module]
            all_ms = asked(profiled, fronts.environment, fronts.key, questions)
            stats: Profile = pstats.Stats(str(told)).stats  # type: ignore[attr-defined]
    print(f"{questions} questions; load {os.getloadavg()[0]:.1f}; milliseconds of a question, under the profiler")
    found = parts(stats, questions + 20)
    for depth, part, milliseconds in found:
        print(f"{milliseconds:7.2f}  {100 * milliseconds / all_ms:3.0f} %  {'  ' * depth}{part}")
    print(f"{all_ms:7.2f}  processor time of the process; {plain:.2f} without the profiler")
    if given.json:
        told = [{"depth": depth, "name": part, "milliseconds": milliseconds} for depth, part, milliseconds in found]
        given.json.write_text(json.dumps({"parts": told, "profiled_ms": all_ms, "plain_ms": plain}))


if __name__ == "__main__":
    main()
