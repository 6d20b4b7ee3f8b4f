"""The engine kind openai on a real port: what it sends, what it makes of a server's failures, and what it bounds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from ray_jobs.engines.language.model import Call, Piece, Prompt, Turn
from ray_jobs.engines.language.scripted import ScriptedModel, pieces
from ray_jobs.engines.openai_compatible.embedder import OpenaiEmbedder
from ray_jobs.engines.openai_compatible.model import OpenaiModel
from ray_jobs.engines.openai_compatible.transcriber import OpenaiTranscriber
from ray_jobs.engines.voice_windows import VoiceWindows
from services.core.engines.config import OpenaiOptions
from services.core.errors import ArcusError, Reason
from tests.contract.openai_server import KEY, OpenaiServer, serving
from tests.contract.test_role_transcriber import RATE, spoken

ASKED = Prompt("r", "tenant-a", (Turn("system", "Be brief."), Turn("user", "How high?")), 50)


def options(url: str, **changes: Any) -> OpenaiOptions:
    return OpenaiOptions(kind="openai", base_url=url, **{"model": "scripted", **changes})


@asynccontextmanager
async def model(server: OpenaiServer, **changes: Any) -> AsyncIterator[OpenaiModel]:
    async with serving(server) as url:
        made = OpenaiModel(options(url, **changes))
        await made.setup()
        yield made
        await made.close()


async def read(model: OpenaiModel, prompt: Prompt = ASKED) -> list[Piece]:
    return [piece async for piece in model.stream(prompt)]


def events(*values: Any, end: str = "") -> Response:
    lines = [f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n" for value in values]
    return StreamingResponse(iter([*lines, end]), media_type="text/event-stream")


def delta(text: str, finish_reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}]}


async def test_the_server_is_told_all_of_the_prompt() -> None:
    server = OpenaiServer()
    images = (np.full((40, 60, 3), (200, 10, 10), np.uint8), np.full((30, 20, 3), (10, 200, 10), np.uint8))
    call = Call("c1", "look", '{"at":"it"}')
    turns = (
        Turn("system", "Be brief."),
        Turn("user", "See."),
        Turn("assistant", tool_calls=(call,)),
        Turn("tool", "seen", tool_call_id="c1"),
    )
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    asked = Prompt("r", "tenant-a", turns, 70, images, schema, temperature=0.25, top_p=0.5)
    async with model(server) as engine:
        await read(engine, asked)
    (seen,) = server.model.prompts
    assert (seen.turns, seen.schema, seen.max_output_tokens) == (turns, schema, 70)
    assert (seen.temperature, seen.top_p) == (0.25, 0.5)
    assert [image.shape for image in seen.images] == [(40, 60, 3), (30, 20, 3)]
    assert np.abs(seen.images[0].astype(int) - images[0]).max() < 12
    assert "cache_salt" not in server.requests[0], "only vLLM knows it"


async def test_tenants_share_no_cache_of_a_vllm_server() -> None:
    server = OpenaiServer()
    async with model(server, is_vllm=True) as engine:
        for tenant in ("tenant-a", "tenant-b", "tenant-a"):
            await read(engine, replace(ASKED, tenant_id=tenant))
    first, second, third = (body["cache_salt"] for body in server.requests)
    assert first == third != second and "tenant" not in first and len(first) > 20


async def test_an_answer_that_broke_off_can_go_on_only_at_a_vllm_server() -> None:
    server = OpenaiServer()
    async with model(server) as engine:
        with pytest.raises(ArcusError) as caught:
            await read(engine, replace(ASKED, written="The tide"))
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE and not server.requests


async def test_tokens_are_as_many_as_the_server_counts_however_it_packs_them() -> None:
    server = OpenaiServer()
    server.answers = [
        events(
            delta("a b c"), delta(" d", "stop"), {"choices": [], "usage": {"prompt_tokens": 31, "completion_tokens": 9}}
        ),
        events(delta("a"), delta(" b", "length"), "[DONE]"),
    ]
    async with model(server) as engine:
        counted, uncounted = await read(engine), await read(engine)
    assert (sum(piece.output_tokens for piece in counted), counted[-1].input_tokens) == (9, 31)
    assert sum(piece.output_tokens for piece in uncounted) == 2 and uncounted[-1].input_tokens > 0
    assert (counted[-1].finish_reason, uncounted[-1].finish_reason) == ("stop", "length")


@pytest.mark.parametrize(
    ("answer", "reason", "told"),
    [
        (JSONResponse({"error": {"message": "too many\ntokens"}}, 400), Reason.INVALID_ARGUMENT, "too many tokens"),
        (JSONResponse({"error": {"message": "no"}}, 401), Reason.ENGINE_UNAVAILABLE, "api_key_variable"),
        (JSONResponse({"error": {"message": "gone"}}, 404), Reason.ENGINE_UNAVAILABLE, "scripted"),
        (JSONResponse({}, 413), Reason.INVALID_ARGUMENT, ""),
        (JSONResponse({"error": "slow down"}, 429, {"retry-after": "7"}), Reason.LIMIT_EXCEEDED, ""),
        (PlainTextResponse("<html>bad gateway", 502), Reason.ENGINE_UNAVAILABLE, ""),
        (PlainTextResponse("", 504), Reason.DEADLINE_EXCEEDED, ""),
        (PlainTextResponse("x" * 200_000, 418), Reason.INTERNAL, "xxx"),
        (PlainTextResponse("", 302, {"location": "/elsewhere"}), Reason.ENGINE_UNAVAILABLE, ""),
        (PlainTextResponse("hello"), Reason.ENGINE_UNAVAILABLE, ""),
        (events("{not json"), Reason.ENGINE_UNAVAILABLE, "OpenAI's API"),
        (events("[1]"), Reason.ENGINE_UNAVAILABLE, "OpenAI's API"),
        (events({"choices": [5]}), Reason.ENGINE_UNAVAILABLE, "OpenAI's API"),
        (events(delta("a")), Reason.ENGINE_UNAVAILABLE, "before the end"),
        (events(delta("a"), end="data: " + "x" * 3_000_000), Reason.ENGINE_UNAVAILABLE, "line"),
        (events(delta("a"), {"error": {"message": "died", "code": 500}}), Reason.ENGINE_UNAVAILABLE, ""),
        (events(delta("a"), {"error": {"message": "long", "code": 400}}), Reason.INVALID_ARGUMENT, "long"),
    ],
)
async def test_a_failure_of_the_server_has_a_reason_and_frees_its_place(answer, reason, told) -> None:
    server = OpenaiServer()
    async with model(server) as engine:
        server.answers = [answer]
        with pytest.raises(ArcusError) as caught:
            await read(engine)
        assert caught.value.reason is reason and told in caught.value.message
        assert len(caught.value.message) < 500
        if reason is Reason.LIMIT_EXCEEDED:
            assert caught.value.retry_after_seconds == 7
        assert engine.running == 0
        assert (await read(engine))[-1].finish_reason == "stop"


async def test_a_server_that_dies_or_falls_silent_is_noticed() -> None:
    async def silence() -> AsyncIterator[str]:
        yield f"data: {json.dumps(delta('a'))}\n\n"
        await asyncio.sleep(30)

    server = OpenaiServer()
    async with model(server, timeout_seconds=0.3) as engine:
        server.answers = [StreamingResponse(silence())]
        with pytest.raises(ArcusError) as caught:
            await read(engine)
        assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    with pytest.raises(ArcusError) as caught:
        await OpenaiModel(options("http://127.0.0.1:1/v1")).setup()
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE and "http://127.0.0.1:1/v1" in caught.value.message


async def test_more_requests_than_are_allowed_are_refused_at_once() -> None:
    server = OpenaiServer(ScriptedModel(lambda _: pieces("word " * 1_000), interval_seconds=0.01))
    async with model(server, max_running=2) as engine:
        streams = [engine.stream(replace(ASKED, max_output_tokens=2_000)) for _ in range(3)]
        for stream in streams[:2]:
            await anext(stream)
        with pytest.raises(ArcusError) as caught:
            await anext(streams[2])
        assert caught.value.reason is Reason.LIMIT_EXCEEDED
        for stream in streams[:2]:
            await stream.aclose()  # type: ignore[attr-defined]
        assert engine.running == 0


@pytest.mark.parametrize(
    ("changes", "reason", "told"),
    [
        ({"model": "unknown"}, Reason.INVALID_ARGUMENT, "'unknown'; it has: scripted"),
        ({"api_key_variable": "ARCUS_TEST_NO_SUCH_KEY"}, Reason.INVALID_ARGUMENT, "Set ARCUS_TEST_NO_SUCH_KEY"),
        ({"api_key_variable": "PATH"}, Reason.ENGINE_UNAVAILABLE, "set PATH to a good one"),
    ],
)
async def test_a_model_or_key_that_the_server_does_not_know_is_refused_at_the_start(changes, reason, told) -> None:
    async with serving(OpenaiServer()) as url:
        with pytest.raises(ArcusError) as caught:
            await OpenaiModel(options(url, **changes)).setup()
    assert caught.value.reason is reason and told in caught.value.message and KEY not in caught.value.message


def embeddings(rows: Sequence[Any]) -> Response:
    return JSONResponse({"data": [{"index": index, "embedding": row} for index, row in enumerate(rows)]})


@pytest.mark.parametrize(
    "answer",
    [
        embeddings([[1.0] * 48]),
        embeddings([[1.0] * 48, [1.0] * 47]),
        embeddings([[1.0] * 47, [1.0] * 47]),
        embeddings([[0.0] * 48, [1.0] * 48]),
        embeddings([[1e308] * 48, [1.0] * 48]),
        embeddings(["abc", "def"]),
        JSONResponse({"data": 5}),
        JSONResponse({}),
    ],
)
async def test_vectors_that_are_none_are_refused(answer) -> None:
    server = OpenaiServer()
    async with serving(server) as url:
        embedder = OpenaiEmbedder(options(url, model="vectors"))
        await embedder.setup()
        server.answers = [answer]
        with pytest.raises(ArcusError) as caught:
            await embedder.embed(["a", "b"])
        assert caught.value.reason is Reason.INTERNAL
        await embedder.close()


def transcript(*segments: dict[str, Any]) -> Response:
    return JSONResponse({"text": "all of it", "segments": list(segments)})


async def window() -> tuple[float, float]:
    """From where to where somebody speaks in five seconds of the example lecture."""
    windows = VoiceWindows()
    await windows.setup()
    ((start, samples),) = await windows.cut(spoken(5.0), RATE)
    return start, round(start + len(samples) / RATE, 3)


async def heard(
    answer: Response | None, samples: np.ndarray | None = None
) -> tuple[list[tuple[str, float, float]], int]:
    server = OpenaiServer()
    samples = spoken(5.0) if samples is None else samples
    async with serving(server) as url:
        transcriber = OpenaiTranscriber(options(url, model="ears"))
        await transcriber.setup()
        server.answers = [answer] if answer is not None else []
        try:
            said = await transcriber.transcribe("t", samples, 16_000, 100.0)
        finally:
            await transcriber.close()
    return [(item.text, round(item.start_time, 3), round(item.end_time, 3)) for item in said], len(server.requests)


async def test_what_a_recogniser_imagines_is_left_out_and_times_stay_inside() -> None:
    said, _ = await heard(
        transcript(
            {"text": " so it\x00 is ", "start": -1, "end": 2.5},
            {"text": "thanks for watching", "start": 2.5, "end": 3, "no_speech_prob": 0.9, "avg_logprob": -1.4},
            {"text": "la la la la", "start": 3, "end": 4, "compression_ratio": 3.1},
            {"text": "  ", "start": 3, "end": 4},
            {"text": "the end", "start": 4, "end": 99},
        )
    )
    start, end = await window()
    assert said == [("so it is", 100 + start, 100 + start + 2.5), ("the end", 100 + start + 4, 100 + end)]


async def test_a_server_without_times_gives_an_utterance_for_each_window_and_silence_is_not_sent() -> None:
    start, end = await window()
    assert (await heard(JSONResponse({"text": "all of it"})))[0] == [("all of it", 100 + start, 100 + end)]
    silence = np.zeros(40 * RATE, np.int16)
    said, requests = await heard(None, np.concatenate([spoken(5.0), silence, spoken(5.0), silence]))
    assert requests == 2 and [100 <= said[0][1] < 105, 145 <= said[1][1] < said[1][2] <= 150] == [True, True]
    assert await heard(None, silence) == ([], 0)


@pytest.mark.parametrize("answer", [JSONResponse({}), transcript({"start": 1}), JSONResponse({"segments": [4]})])
async def test_a_transcript_that_is_none_is_refused(answer) -> None:
    with pytest.raises(ArcusError) as caught:
        await heard(answer)
    assert caught.value.reason is Reason.INTERNAL
