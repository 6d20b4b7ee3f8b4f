"""A server that speaks OpenAI's chat completions and says as many words as the question asks for.

    python -m loadtests.peers.upstream

Prints its port, then serves until its standard input ends. Each word is an event of its own, and all of them are numbered.
`GET /asked` tells how many questions it was asked.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

ASKED = re.compile(rb"Say (\d+) words, one each ([\d.]+) seconds")
MODEL = "scripted"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
MODELS = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode()


def question(words: int, interval_seconds: float = 0.0) -> str:
    """It asks for something that is said: for one about files, Arcus would have the model plan a query first."""
    return f"What does the speaker tell of the tide? Say {words} words, one each {interval_seconds} seconds"


def word(number: int) -> str:
    """With the space before it: whoever holds back the end of what was said, for what may follow, keeps events as they are."""
    return f" w{number}" if number else "w0"


def _event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class WordServer:
    def __init__(self) -> None:
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]
                body = await reader.readexactly(int(length or 0))
                if asked := ASKED.search(body):
                    self.asked += 1
                    await _say(writer, int(asked[1]), float(asked[2]))
                else:
                    told = b"%d" % self.asked if head.startswith(b"get /asked ") else MODELS
                    writer.write(HEAD % b"application/json" + _framed(told) + b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _say(writer: asyncio.StreamWriter, words: int, interval_seconds: float) -> None:
    writer.write(HEAD % b"text/event-stream")
    for number in range(words):
        if number:
            await asyncio.sleep(interval_seconds)
        writer.write(_framed(_event({"content": word(number)})))
        await writer.drain()
    writer.write(_framed(_event({}, "stop") + b"data: [DONE]\n\n") + b"0\r\n\r\n")
    await writer.drain()


async def main() -> None:
    server = await asyncio.start_server(WordServer().serve, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
