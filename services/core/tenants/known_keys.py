"""Keys that were looked up lately: whose each is, or why it is refused."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.core.clock import now_ms
from services.core.coalescing import Coalescer
from services.core.errors import ArcusError, Reason, invalid

Answer = TypeVar("Answer")
Who = TypeVar("Who")
MIN_CHARACTERS = 16
MIN_BITS = 50.0  # that its characters tell, taken one by one: 16 random hexadecimal digits have a little more
CACHE_MS = 2_000
CACHE_KEYS = 10_000  # of each of the two memories: those that are valid, and those that are not
LOOKUP_KEYS = 256  # in one query


@dataclass(frozen=True)
class Refusal:
    reason: Reason
    message: str

    def error(self) -> ArcusError:
        return ArcusError(self.reason, self.message)


class RecentAnswers(Generic[Answer]):
    """What was found of the last keys, by their hashes, for CACHE_MS; where there are too many, the least recent goes."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, tuple[Answer, int]] = OrderedDict()

    def get(self, digest: str, now: int) -> Answer | None:
        found = self._found.get(digest)
        if found is None or found[1] <= now:
            return None
        self._found.move_to_end(digest)
        return found[0]

    def put(self, digest: str, answer: Answer, now: int) -> None:
        self._found[digest] = (answer, now + CACHE_MS)
        self._found.move_to_end(digest)
        if len(self._found) > CACHE_KEYS:
            self._found.popitem(last=False)

    def forget(self, digest: str) -> None:
        self._found.pop(digest, None)

    def clear(self) -> None:
        self._found.clear()


class KnownKeys(Generic[Who]):
    """A key is looked up once in CACHE_MS. Those that come while others are looked up share the next query: however many
    wrong ones come, there are two queries at a time.
    """

    def __init__(
        self, find: Callable[[Sequence[str]], Awaitable[Mapping[str, Who | Refusal]]], unknown: Refusal, *, name: str
    ) -> None:
        """`find`: what is known of keys, by their hashes."""
        self._find = find
        self._unknown = unknown
        self._valid, self._refused = RecentAnswers[Who](), RecentAnswers[Refusal]()
        self._lookup: Coalescer[str, Who | Refusal] = Coalescer(name, self._look_up, max_items=LOOKUP_KEYS)

    async def owner(self, key: str) -> Who:
        """Raises the refusal of a key that is not to be used."""
        digest, now = hash_of(key), now_ms()
        known = self._valid.get(digest, now)
        if known is not None:
            return known
        refusal = self._refused.get(digest, now)
        if refusal is None:
            found = await self._lookup.put(digest)
            if not isinstance(found, Refusal):
                self._valid.put(digest, found, now)
                return found
            refusal = found
            self._refused.put(digest, refusal, now)
        raise refusal.error()

    def forget(self, digest: str | None = None) -> None:
        """What is known of one key, or of all."""
        for answers in (self._valid, self._refused):
            if digest is None:
                answers.clear()
            else:
                answers.forget(digest)

    async def _look_up(self, digests: list[str]) -> Sequence[Who | Refusal]:
        found = await self._find(digests)
        return [found.get(digest, self._unknown) for digest in digests]


def check_strength(key: str) -> None:
    """Raises INVALID_ARGUMENT for a key that somebody chose and others may guess."""
    if len(key) < MIN_CHARACTERS:
        raise invalid(
            f"An API key has at least {MIN_CHARACTERS} characters; leave it out to have one made.", field="api_key"
        )
    counts = Counter(key)
    bits = sum(count * math.log2(len(key) / count) for count in counts.values())
    if bits < MIN_BITS:
        raise invalid(
            "The API key repeats too few characters to be safe; leave it out to have one made.", field="api_key"
        )


def hash_of(key: str) -> str:
    # A key is 256 random bits: a plain hash can't be searched, and costs nothing on each request.
    return hashlib.sha256(key.encode()).hexdigest()
