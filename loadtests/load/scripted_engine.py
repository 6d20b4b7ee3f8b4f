"""The scripted engine in a process of its own, which tells what it writes.

    python -m loadtests.load.scripted_engine DATABASE_URL OPTIONS

OPTIONS is JSON, of `ScriptedOptions`. Prints one JSON line, {"address": of its gRPC port, "told": URL}.
`GET {told}/until-free/WORD` is answered once no answer of that word is written any longer; 404 where none ever was.
`GET {told}/tokens` is {"output_tokens": of all answers so far}.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator

from aiohttp import web
from arcus.engine.v1.engine_pb2 import GenerateChunk, GenerateRequest

from ray_jobs.engines.left_answers import LeftAnswers
from ray_jobs.engines.scripted import UNBOUNDED, Script, ScriptedEngine
from services.core.engines.config import ScriptedOptions
from services.core.store.database import Database
from tests.acceptance.scripted_server import ScriptedServer


class TellingEngine(ScriptedEngine):
    """`writing` counts the answers in hand by their word."""

    def __init__(self, options: ScriptedOptions = UNBOUNDED) -> None:
        super().__init__(options)
        self.writing = Counter[str]()
        self.output_tokens = 0
        self._ended: dict[str, asyncio.Event] = {}

    async def generate(self, request: GenerateRequest) -> AsyncIterator[GenerateChunk]:
        word = Script.parse(request.instructions).word
        self.writing[word] += 1
        self._ended.setdefault(word, asyncio.Event()).clear()
        try:
            async for chunk in super().generate(request):
                self.output_tokens += chunk.output_tokens
                yield chunk
        finally:
            self.writing[word] -= 1
            if not self.writing[word]:
                self._ended[word].set()

    async def until_free(self, word: str) -> None:
        """Raises KeyError where no answer of that word was ever asked for."""
        await self._ended[word].wait()


def told_by(engine: TellingEngine) -> web.Application:
    async def until_free(request: web.Request) -> web.Response:
        try:
            await engine.until_free(request.match_info["word"])
        except KeyError as error:
            raise web.HTTPNotFound from error
        return web.Response()

    async def tokens(request: web.Request) -> web.Response:
        return web.json_response({"output_tokens": engine.output_tokens})

    app = web.Application()
    app.add_routes([web.get("/until-free/{word}", until_free), web.get("/tokens", tokens)])
    return app


async def serve(database_url: str, options: ScriptedOptions) -> None:
    """Until the process is killed."""
    engine = TellingEngine(options)
    server, runner = ScriptedServer(engine), web.AppRunner(told_by(engine), access_log=None)
    server.left = LeftAnswers(Database(database_url))
    address = await server.start()
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"address": address, "told": f"http://127.0.0.1:{runner.addresses[0][1]}"}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], ScriptedOptions.model_validate_json(sys.argv[2])))
