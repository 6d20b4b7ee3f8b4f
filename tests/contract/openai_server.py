"""A server that speaks OpenAI's API on a real port, answering as a ScriptedModel does; its requests are kept."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import socket
import wave
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from PIL import Image

from ray_jobs.engines.language.model import Call, Piece, Prompt, Tool, Turn
from ray_jobs.engines.language.scripted import ScriptedModel
from services.core.errors import ArcusError

DIMENSIONS = 48
KEY = "sk-of-the-tests"
LOUD = 500  # of 32767


class OpenaiServer:
    """Set `answers` to responses that come first, one for each request."""

    def __init__(self, model: ScriptedModel | None = None) -> None:
        self.model = model or ScriptedModel()
        self.requests: list[dict[str, Any]] = []
        self.answers: list[Response] = []
        self.app = FastAPI()
        self.app.get("/v1/models")(self.models)
        self.app.post("/v1/chat/completions")(self.chat)
        self.app.post("/v1/embeddings")(self.embeddings)
        self.app.post("/v1/audio/transcriptions")(self.transcriptions)

    async def models(self, request: Request) -> Any:
        if request.headers.get("authorization") not in (None, f"Bearer {KEY}"):
            return JSONResponse({"error": {"message": "bad key"}}, 401)
        return {"object": "list", "data": [{"id": name, "object": "model"} for name in ("scripted", "vectors", "ears")]}

    async def chat(self, request: Request) -> Any:
        body = await request.json()
        self.requests.append(body)
        if self.answers:
            return self.answers.pop(0)
        pieces = self.model.stream(prompt_of(body))
        try:
            first = await anext(pieces)
        except ArcusError as error:
            return JSONResponse({"error": {"message": error.message}}, error.wire.http)
        return StreamingResponse(self._events(first, pieces), media_type="text/event-stream")

    async def _events(self, first: Piece, pieces: AsyncIterator[Piece]) -> AsyncIterator[str]:
        written = 0
        async with aclosing(cast(Any, pieces)):
            piece: Piece | None = first
            while piece is not None:
                written += piece.output_tokens
                yield _event(
                    {"choices": [{"index": 0, "delta": _delta(piece), "finish_reason": piece.finish_reason or None}]}
                )
                if piece.finish_reason:
                    yield _event(
                        {"choices": [], "usage": {"prompt_tokens": piece.input_tokens, "completion_tokens": written}}
                    )
                try:
                    piece = await anext(pieces, None)
                except ArcusError as error:
                    yield _event({"error": {"message": error.message, "code": error.wire.http}})
                    return
        yield "data: [DONE]\n\n"

    async def embeddings(self, request: Request) -> Any:
        body = await request.json()
        self.requests.append(body)
        if self.answers:
            return self.answers.pop(0)
        if any(not text for text in body["input"]):
            return JSONResponse({"error": {"message": "input is empty"}}, 400)
        rows = [{"index": index, "embedding": _vector(text)} for index, text in enumerate(body["input"])]
        tokens = sum(len(text.split()) for text in body["input"])
        return {"data": rows[::-1], "usage": {"prompt_tokens": tokens}}

    async def transcriptions(self, request: Request) -> Any:
        form = await request.form()
        self.requests.append({name: value for name, value in form.items() if isinstance(value, str)})
        if self.answers:
            return self.answers.pop(0)
        file: Any = form["file"]
        with wave.open(io.BytesIO(await file.read())) as audio:
            samples = np.frombuffer(audio.readframes(audio.getnframes()), "<i2")
            rate = audio.getframerate()
        loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > LOUD)
        segments = []
        if len(loud):
            segments = [{"text": " something loud", "start": loud[0] / rate, "end": (loud[-1] + 1) / rate}]
        return {"text": "something loud" if segments else "", "segments": segments}


@asynccontextmanager
async def serving(server: OpenaiServer) -> AsyncIterator[str]:
    """The base URL, with /v1."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    http = uvicorn.Server(uvicorn.Config(server.app, log_level="error", timeout_graceful_shutdown=1))
    http.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(http._serve([listener]))
    while not http.started:  # noqa: ASYNC110  uvicorn offers no event
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        http.should_exit = True
        await running


def prompt_of(body: dict[str, Any]) -> Prompt:
    """What the client asked, as it asked it."""
    turns: list[Turn] = []
    images: list[np.ndarray] = []
    for message in body["messages"]:
        content = message["content"]
        if isinstance(content, list):
            for part in content[:-1]:
                data = base64.b64decode(part["image_url"]["url"].removeprefix("data:image/jpeg;base64,"))
                images.append(np.asarray(Image.open(io.BytesIO(data))))
            content = content[-1]["text"]
        calls = tuple(
            Call(call["id"], call["function"]["name"], call["function"]["arguments"])
            for call in message.get("tool_calls") or ()
        )
        turns.append(Turn(message["role"], content, calls, message.get("tool_call_id", "")))
    choice = body.get("tool_choice", "auto")
    written = turns.pop().text if body.get("continue_final_message") else ""
    return Prompt(
        "served",
        body.get("cache_salt", ""),
        tuple(turns),
        body["max_tokens"],
        tuple(images),
        (body.get("response_format") or {}).get("json_schema", {}).get("schema"),
        tuple(Tool(**tool["function"]) for tool in body.get("tools") or ()),
        choice if isinstance(choice, str) else choice["function"]["name"],
        body.get("temperature"),
        written,
        body.get("top_p"),
    )


def _delta(piece: Piece) -> dict[str, Any]:
    if piece.tool_call is None:
        return {"content": piece.text}
    call = piece.tool_call
    return {"tool_calls": [{"index": 0, "id": call.id, "function": {"name": call.name, "arguments": call.arguments}}]}


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


def _vector(text: str) -> list[float]:
    vector = np.full(DIMENSIONS, 0.01)
    for word in text.lower().split():
        vector[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1
    return (3 * vector).tolist()
