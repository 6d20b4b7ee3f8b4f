"""A stream with a pulse: what comes when, and that nothing of the stream behind it is changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from ray_jobs.engines.pulse import AHEAD, with_pulse

PULSE = "-"
OFTEN_SECONDS = 0.01
NEVER_SECONDS = 60.0


class Source:
    """Says each word as soon as it may; fails at its end where it is told to."""

    def __init__(self, words: str, error: Exception | None = None) -> None:
        self._words, self._error = words, error
        self.may = asyncio.Semaphore(0)
        self.said = 0
        self.is_closed = False

    async def words(self) -> AsyncIterator[str]:
        try:
            for word in self._words:
                await self.may.acquire()
                self.said += 1
                yield word
            if self._error is not None:
                raise self._error
        finally:
            self.is_closed = True

    def let(self, words: int) -> None:
        for _ in range(words):
            self.may.release()


async def test_a_pulse_comes_at_once_and_whenever_nothing_is_said() -> None:
    source = Source("ab")
    async with aclosing(with_pulse(source.words(), PULSE, OFTEN_SECONDS)) as stream:
        assert [await anext(stream) for _ in range(3)] == [PULSE] * 3
        source.let(2)
        assert [word async for word in stream if word != PULSE] == ["a", "b"]
    assert source.is_closed


async def test_what_is_said_without_a_break_has_one_pulse_only() -> None:
    source = Source("abc" * AHEAD)
    source.let(3 * AHEAD)
    assert "".join([word async for word in with_pulse(source.words(), PULSE, NEVER_SECONDS)]) == PULSE + "abc" * AHEAD


async def test_what_is_ready_together_is_joined_and_the_end_is_not_among_it() -> None:
    source = Source("abc" * AHEAD, ValueError("no more"))
    source.let(3 * AHEAD)
    joined: list[list[str]] = []

    def join(words: list[str]) -> str:
        joined.append(words)
        return "".join(words)

    heard: list[str] = []
    with pytest.raises(ValueError, match="no more"):
        async for words in with_pulse(source.words(), PULSE, NEVER_SECONDS, join=join):
            heard.append(words)
            await asyncio.sleep(0)  # a reader that is slower than the source
    assert "".join(heard) == PULSE + "abc" * AHEAD
    assert joined and all(1 < len(words) <= AHEAD + 1 for words in joined)


async def test_what_comes_alone_is_not_joined() -> None:
    source = Source("abc")

    def join(words: list[str]) -> str:
        raise AssertionError(words)

    async with aclosing(with_pulse(source.words(), PULSE, NEVER_SECONDS, join=join)) as stream:
        assert await anext(stream) == PULSE
        for word in "abc":
            source.let(1)
            assert await anext(stream) == word


async def test_what_fails_does_so_after_what_it_said() -> None:
    source = Source("ab", ValueError("no more"))
    source.let(2)
    heard = []
    with pytest.raises(ValueError, match="no more"):
        async for word in with_pulse(source.words(), PULSE, NEVER_SECONDS):
            heard.append(word)
    assert heard == [PULSE, "a", "b"]


async def test_who_goes_away_closes_the_stream_also_while_it_says_nothing() -> None:
    source = Source("ab")
    async with aclosing(with_pulse(source.words(), PULSE, OFTEN_SECONDS)) as stream:
        await anext(stream)
        await anext(stream)
    assert source.is_closed


async def test_a_slow_reader_lets_the_stream_run_a_few_messages_ahead() -> None:
    source = Source("a" * 10 * AHEAD)
    source.let(10 * AHEAD)
    async with aclosing(with_pulse(source.words(), PULSE, NEVER_SECONDS)) as stream:
        await anext(stream)
        await anext(stream)
        for _ in range(10 * AHEAD):
            await asyncio.sleep(0)
        assert AHEAD <= source.said <= AHEAD + 2
