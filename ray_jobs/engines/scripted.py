"""An answering engine that follows a script: for tests, and for measuring everything but the model."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from arcus.engine.v1.engine_pb2 import GenerateChunk, GenerateRequest, PlanRequest, PlanResponse, Query, ToolCall

from ray_jobs.engines.language.scripted import example
from services.core.engines.config import ScriptedOptions
from services.core.engines.fair_turns import FairTurns
from services.core.errors import ArcusError, Reason, invalid

UNBOUNDED = ScriptedOptions.model_validate({})
MAX_MESSAGES = 1_000_000
MAX_TOKENS_PER_MESSAGE = 10_000
MAX_CALLS = 100
WORDS = (
    *("tide ", "wave", " moon", "é", "→ ", "\n", "\n- ", '"', "\\", "[", "]", " [", "1", ", "),
    *("[1]", " [1]", "[2]", " [2, 1]", "[3;1] ", "[99]", " [0]", "[1,", "[12345]", "𝄞", "\u2028", "data: "),
)


@dataclass(frozen=True)
class Script:
    """What to emit: `messages` chunks of `tokens_per_message` times `word`, one every `interval_seconds`.

    Where the request asks for JSON, and the script has no `text`, it is a small value of that form instead.
    `text` replaces the words of the first chunk. With `seed` the words are drawn by lot, markers of sources that exist
    and of some that do not among them. `call` is a function call that comes after them, `calls` times, if that function
    is offered. After `fail_after` chunks the engine fails with `fail_reason`; one that `recovers` goes on with what was
    written. `parts` and `queries` (SQL) are the plan, which takes `plan_seconds`.
    """

    messages: int = 8
    tokens_per_message: int = 4
    word: str = "word"
    interval_seconds: float = 0.0
    text: str = ""
    seed: int | None = None
    call: dict[str, str] | None = None
    calls: int = 1
    fail_after: int = -1
    fail_reason: str = "INTERNAL"
    recovers: bool = False
    parts: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    plan_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.messages <= MAX_MESSAGES:
            raise invalid(f"messages must be from 1 to {MAX_MESSAGES}.", field="messages")
        if not 1 <= self.tokens_per_message <= MAX_TOKENS_PER_MESSAGE:
            raise invalid(f"tokens_per_message must be from 1 to {MAX_TOKENS_PER_MESSAGE}.", field="tokens_per_message")
        if not 1 <= self.calls <= MAX_CALLS:
            raise invalid(f"calls must be from 1 to {MAX_CALLS}.", field="calls")
        for name in ("interval_seconds", "plan_seconds"):
            if not 0 <= getattr(self, name) <= 60:
                raise invalid(f"{name} must be from 0 to 60.", field=name)
        if self.fail_reason not in Reason.__members__:
            raise invalid("fail_reason must be a reason.", field="fail_reason")

    @classmethod
    def parse(cls, instructions: str) -> Script:
        """The script in the instructions if they are a JSON object, else the default one."""
        if not instructions.lstrip().startswith("{"):
            return cls()
        try:
            return cls(**json.loads(instructions))
        except (TypeError, ValueError) as error:
            raise invalid(f"The instructions are not a script: {error}", field="instructions") from error

    def texts(self, request: GenerateRequest) -> Iterator[str]:
        """The chunks. The same script and request give the same ones."""
        if request.json_schema and not self.text:
            yield json.dumps(example(json.loads(request.json_schema)))
            return
        words = " ".join([self.word] * self.tokens_per_message) + " "
        lot = None if self.seed is None else random.Random(self.seed)
        for number in range(self.messages):
            if lot is not None:
                yield "".join(lot.choice(WORDS) for _ in range(self.tokens_per_message))
            elif number == 0 and self.text:
                yield self.text
            elif not self.text and number < len(request.sources):
                yield f"{words[:-1]} [{request.sources[number].number}] "
            else:
                yield words


class ScriptedEngine:
    """`running` and `plans` count what is being written and planned now: what is cancelled must leave them."""

    def __init__(self, options: ScriptedOptions = UNBOUNDED) -> None:
        self._turns = FairTurns(options.max_running or sys.maxsize, options.max_waiting)
        self.running = 0
        self.plans = 0
        self.chunks = 0  # written so far, of all answers

    async def setup(self) -> None:
        return None

    def check(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def plan(self, request: PlanRequest) -> PlanResponse:
        """The script's parts, or the question as it is."""
        script = Script.parse(request.instructions)
        question = request.messages[-1].text
        self.plans += 1
        try:
            await asyncio.sleep(script.plan_seconds)
        finally:
            self.plans -= 1
        queries = [Query(purpose="what the script asks for", sql=sql) for sql in script.queries]
        return PlanResponse(question=question, parts=script.parts or [question], queries=queries)

    async def generate(self, request: GenerateRequest) -> AsyncIterator[GenerateChunk]:
        """Without a text of its own the answer cites each source once, in order."""
        script = Script.parse(request.instructions)
        tokens = request.max_output_tokens or script.messages * script.tokens_per_message
        async with self._turns.turn(request.tenant_id, tokens), aclosing(self._written(script, request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _written(self, script: Script, request: GenerateRequest) -> AsyncGenerator[GenerateChunk]:
        self.running += 1
        try:
            output_tokens = request.output_tokens_written
            skip = len(request.written)
            for number, text in enumerate(script.texts(request)):
                if skip >= len(text):
                    skip -= len(text)
                    continue
                # What was told of a part of these words has counted them whole.
                text, tokens, skip = text[skip:], 0 if skip else script.tokens_per_message, 0
                if number == script.fail_after and not (script.recovers and request.written):
                    raise ArcusError(Reason[script.fail_reason], "The script says to fail here.")
                if request.max_output_tokens and output_tokens >= request.max_output_tokens:
                    break
                # Even at full speed every chunk lets other streams have their turn.
                await asyncio.sleep(script.interval_seconds)
                output_tokens += tokens
                self.chunks += 1
                yield GenerateChunk(text=text, output_tokens=tokens)
            async for chunk in _call(script, request):
                yield chunk
            cut = bool(request.max_output_tokens) and output_tokens >= request.max_output_tokens
            input_tokens = sum(len(message.text.split()) for message in request.messages)
            yield GenerateChunk(finish_reason="length" if cut else "stop", input_tokens=input_tokens)
        finally:
            self.running -= 1


async def _call(script: Script, request: GenerateRequest) -> AsyncIterator[GenerateChunk]:
    """The script's call in pieces, unless the function is not offered or has answered already."""
    answered = any(message.role == "tool" for message in request.messages)
    if script.call is None or answered or script.call["name"] not in {tool.name for tool in request.tools}:
        return
    arguments = script.call["arguments"]
    written = {call.id: len(call.arguments) for call in request.tool_calls_written}
    for number in range(script.calls):
        id = f"call_{request.request_id.replace('-', '')}{number or ''}"
        for start in range(written.get(id, 0), len(arguments), 4):
            await asyncio.sleep(script.interval_seconds)
            piece = ToolCall(id=id, name=script.call["name"], arguments=arguments[start : start + 4])
            yield GenerateChunk(tool_call=piece, output_tokens=1)
