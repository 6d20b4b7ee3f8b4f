"""Turns the engine's chunks into entries of a response's log, from its first entry or from where an earlier try broke off."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from arcus.engine.v1 import engine_pb2 as pb

from services.core.entities.schemas import misfit
from services.core.errors import ArcusError, Reason
from services.nimbus.answers.citations import CitationStream, Cited
from services.nimbus.answers.events import Entry, EventLog
from services.nimbus.answers.moments import Moments
from services.nimbus.context.prompt import CHARACTERS_PER_TOKEN
from services.nimbus.context.sources import Prepared
from services.nimbus.engine.calls import RETRY_SECONDS, Chunks, ReplicaLostError
from services.nimbus.engine.client import EngineClient
from services.telemetry.metrics import AnswerMeter
from services.telemetry.span_names import INPUT_TOKENS, OUTPUT_TOKENS

log = structlog.get_logger()


@dataclass
class Step:
    """Entries that belong together, and what the engine wrote and counted for them."""

    entries: list[Entry] = field(default_factory=list)
    engine_text: str = ""
    output_tokens: int = 0


class Generation:
    """One try at an answer. `steps` applies nothing: whoever takes a step applies its entries to `log` before the next."""

    def __init__(
        self,
        engine: EngineClient,
        prepared: Prepared,
        log: EventLog,
        meter: AnswerMeter,
        *,
        written: str = "",
        output_tokens: int = 0,
        key_id: str | None = None,
    ) -> None:
        """`log`: what earlier tries told; `written` and `output_tokens`: what the engine wrote for it.

        `key_id`: of the caller who waits for the answer, which nobody else would go on with.
        """
        self._engine = engine
        self._key_id = key_id
        self._prepared = prepared
        self._log = log
        self._meter = meter
        self._moments = Moments(prepared.prompt)
        self._cited: dict[tuple[int, float], float] = {}  # (number, start) -> end
        self._citations = self._citation_stream()
        self._output_tokens = self._written_tokens = output_tokens
        self._written: list[str] = []  # by the engine, of what was told of this call
        self._untold_tokens = 0  # of text that is held back
        self._is_open = False
        self._input_tokens = 0
        self._finish_reason = ""
        self._chunks: Chunks | None = None
        self._stopped = False
        self._message_index = log.message_index
        self._items = log.item_count
        self._calls = {item["call_id"]: index for index, item in log.calls}
        self._request = pb.GenerateRequest()
        self._request.CopyFrom(prepared.prompt)
        self._request.written = written
        self._request.output_tokens_written = output_tokens
        self._request.takes_joined = True
        self._request.tool_calls_written.extend(self._calls_told())

    @property
    def is_stopped(self) -> bool:
        return self._stopped

    @property
    def used_tokens(self) -> int:
        """Of input and output, as the engine counted. What was cut off before it told of its input, counts by its length."""
        if self._chunks is None:
            return 0
        return (self._input_tokens or self._request.ByteSize() // CHARACTERS_PER_TOKEN) + self._output_tokens

    @property
    def counted_tokens(self) -> dict[str, int]:
        """By the engine, so far; it tells of its input at the end."""
        return {"input_tokens": self._input_tokens, "output_tokens": self._output_tokens}

    def _usage(self) -> dict[str, int]:
        """Of this try."""
        return {
            INPUT_TOKENS: self._input_tokens,
            OUTPUT_TOKENS: self._output_tokens - self._request.output_tokens_written,
        }

    def stop(self) -> None:
        """Ends the engine's work; `steps` then ends by itself, with is_stopped."""
        self._stopped = True
        if self._chunks is not None:
            self._chunks.cancel()

    async def steps(self) -> AsyncGenerator[Step, None]:
        """The first step comes once the engine has the request, the last one completes the response.

        Raises what the engine raises, unless it was stopped.
        """
        with self._metered():
            for pause_seconds in (*RETRY_SECONDS, None):
                try:
                    is_last_try = pause_seconds is None
                    async with self._engine.generate(
                        self._request, self._usage, key_id=self._key_id, is_last_try=is_last_try
                    ) as self._chunks:
                        if self._stopped:
                            return
                        if not self._is_open:
                            self._is_open = True
                            yield Step(self._opening()[self._log.next_number :])
                        async for chunks in self._chunks:
                            step = self._step(chunks)
                            if step.entries or step.engine_text:
                                self._written.append(step.engine_text)
                                self._written_tokens += step.output_tokens
                                yield step
                    break
                except ReplicaLostError:
                    if self._stopped or self._finish_reason:
                        break
                    if pause_seconds is None:
                        raise
                    log.warning("replica_lost", response_id=self._log.id, number=self._log.next_number)
                except Exception:
                    if self._stopped:
                        return
                    raise
                await asyncio.sleep(pause_seconds)
                self._go_on()
            if self._stopped:
                return
            if not self._finish_reason:
                raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The engine stopped before the end; ask again.")
            entries = self._ending()
            self._meter.ended("completed")
            # One step: whoever takes over finds all of the end or none of it.
            yield Step(entries)

    def _go_on(self) -> None:
        """The next call goes on where the replica that was lost stopped: after what was told."""
        self._request.written, self._written = self._request.written + "".join(self._written), []
        self._output_tokens = self._request.output_tokens_written = self._written_tokens
        del self._request.tool_calls_written[:]
        self._request.tool_calls_written.extend(self._calls_told())
        self._citations, self._untold_tokens = self._citation_stream(), 0

    @contextmanager
    def _metered(self) -> Iterator[None]:
        try:
            yield
        except (GeneratorExit, asyncio.CancelledError):
            self._meter.ended("cancelled")
            raise
        finally:
            self._meter.ended("cancelled" if self._stopped else "failed")

    def _citation_stream(self) -> CitationStream:
        return CitationStream(self._prepared.annotations.__contains__, self._log.numbers, self._moment)

    def _calls_told(self) -> Iterator[pb.ToolCall]:
        for _, item in self._log.calls:
            yield pb.ToolCall(id=item["call_id"], name=item["name"], arguments=item["arguments"])

    def _ending(self) -> list[Entry]:
        entries = list(self._told(self._citations.end()))
        if self._message_index is None and not self._calls:
            entries += self._message()
        if self._finish_reason != "length":
            self._check_json()
        if self._message_index is not None:
            entries += [["text_done"], ["part_done"], ["item_done", self._message_index]]
        for index in self._calls.values():
            entries += [["arguments_done", index], ["item_done", index]]
        usage = {"input_tokens": self._input_tokens, "output_tokens": self._output_tokens}
        return [*entries, ["completed", usage, self._finish_reason == "length", int(time.time())]]

    def _opening(self) -> list[Entry]:
        entries: list[Entry] = [["created"], ["in_progress"]]
        # Where functions are offered there may be no message, and where JSON is asked for a refusal instead.
        if not self._request.json_schema and (self._prepared.items or not self._request.tools):
            entries += [["message"], ["part"]]
            self._message_index = 0
        for index, item in enumerate(self._prepared.items, start=1):
            named = item | {
                "id": f"query_{self._log.id.replace('-', '')}_{index}"
            }  # by which later input may refer to it
            entries += [["item", named], ["item_done", index, {"status": item["status"]}]]
        self._items = max(self._items, len(self._prepared.items) + (self._message_index == 0))
        return entries

    def _step(self, chunks: Sequence[pb.GenerateChunk]) -> Step:
        """Of chunks that came together: what each adds, as entries of its own."""
        if tokens := sum([chunk.output_tokens for chunk in chunks]):
            self._meter.told(tokens)
            self._output_tokens += tokens
            self._untold_tokens += tokens
        entries: list[Entry] = []
        passed = "".join([self._read(chunk, entries) for chunk in chunks])
        if not entries and not passed:
            return Step()
        tokens, self._untold_tokens = self._untold_tokens, 0
        return Step(entries, passed, tokens)

    def _read(self, chunk: pb.GenerateChunk, entries: list[Entry]) -> str:
        """Adds to the entries; gives what the engine wrote for them."""
        if chunk.finish_reason:
            self._finish_reason, self._input_tokens = chunk.finish_reason, chunk.input_tokens
            self._meter.read(chunk.input_tokens)
        passed = ""
        if chunk.refusal:
            passed = chunk.refusal.replace("\0", "")
            entries += self._begun("refusal")
            entries.append(passed)
        elif chunk.text and self._request.json_schema:  # [1] is a list there
            passed = chunk.text.replace("\0", "")
            entries += self._begun("output_text")
            entries.append(passed)
        elif chunk.text:
            text = chunk.text.replace("\0", "")  # which PostgreSQL does not store
            whole = self._citations.held + text
            entries += self._told(self._citations.feed(text))
            passed = whole[: len(whole) - len(self._citations.held)]
        for citation in chunk.citations:
            entries += self._supported(citation)
        if chunk.HasField("tool_call"):
            entries += self._called(chunk.tool_call)
        return passed

    def _told(self, pieces: Iterator[str | Cited]) -> Iterator[Entry]:
        for piece in pieces:
            if self._message_index is None:
                yield from self._message()
            yield piece if isinstance(piece, str) else self._citation(piece.number, piece.start_time)

    def _supported(self, citation: pb.Citation) -> Iterator[Entry]:
        """The first citation of a moment that an answer in JSON rests on."""
        if citation.number not in self._prepared.annotations or self._message_index is None:
            return
        start, end = self._moments.of(citation.number, citation.claim)
        if (citation.number, start) not in self._cited.keys() | self._log.numbers.keys():
            self._cited[citation.number, start] = end
            yield self._citation(citation.number, start)

    def _citation(self, number: int, start: float) -> Entry:
        end = self._cited[number, start]
        return ["citation", number, self._moments.narrowed(number, start, end, self._prepared.annotations[number])]

    def _check_json(self) -> None:
        """Raises INTERNAL where a whole answer does not fit its schema; calls or a refusal may stand in its place."""
        if not self._request.json_schema or self._log.is_refused or (self._calls and not self._log.text):
            return
        try:
            problem = misfit(json.loads(self._request.json_schema), json.loads(self._log.text))
        except (ValueError, RecursionError) as error:
            problem = f"it is no JSON ({error})"
        if problem:
            raise ArcusError(Reason.INTERNAL, f"The answer does not have the form that was asked for: {problem}")

    def _moment(self, number: int, claim: str) -> float:
        start, end = self._moments.of(number, claim)
        self._cited[number, start] = end
        return start

    def _message(self, part: str = "output_text") -> list[Entry]:
        self._message_index = self._items
        self._items += 1
        return [["message"], ["part"] if part == "output_text" else ["part", part]]

    def _begun(self, part: str) -> list[Entry]:
        return self._message(part) if self._message_index is None else []

    def _called(self, call: pb.ToolCall) -> Iterator[Entry]:
        if call.id not in self._calls:
            most = self._request.max_tool_calls
            if most and len(self._calls) >= most:
                return
            self._calls[call.id] = index = self._items
            self._items += 1
            item = {"type": "function_call", "id": f"fc_{self._log.id.replace('-', '')}_{index}", "call_id": call.id}
            yield ["item", item | {"name": call.name, "arguments": "", "status": "in_progress"}]
        if call.arguments:
            yield ["arguments", self._calls[call.id], call.arguments]
