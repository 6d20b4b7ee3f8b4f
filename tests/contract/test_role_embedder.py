"""What every engine that embeds must do: unit vectors of one length, in order, however many are asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from ray_jobs.engines.roles import Embedder
from tests.contract.engines import engines

ALL = engines("embedded", "openai")
TEXTS = ["the tide rises", "the tide falls", "a recipe for bread", ""]


def embedder(tried: Any) -> Embedder:
    assert tried.engine.embedder is not None
    return tried.engine.embedder


@ALL
async def test_vectors_are_of_unit_length_and_like_texts_are_near(opened):
    async with opened("embed") as tried:
        made = await embedder(tried).embed(TEXTS)
        assert made.vectors.dtype == np.float32 and made.vectors.shape == (4, embedder(tried).dimensions)
    assert np.allclose(np.linalg.norm(made.vectors, axis=1), 1, atol=1e-5) and made.tokens >= 10
    assert made.vectors[0] @ made.vectors[1] > made.vectors[0] @ made.vectors[2]


@ALL
async def test_each_text_gets_its_own_vector_in_order_however_many_there_are(opened):
    texts = [f"word{n % 7} and word{n % 5}" for n in range(70)]  # three batches
    async with opened("embed") as tried:
        together = (await embedder(tried).embed(texts)).vectors
        apart = await asyncio.gather(*(embedder(tried).embed([text]) for text in texts[:20]))
    assert together.shape[0] == 70
    for row, made in zip(together, apart, strict=False):
        assert np.allclose(row, made.vectors[0], atol=1e-4)


@ALL
async def test_no_texts_and_endless_texts_are_embedded(opened):
    async with opened("embed") as tried:
        nothing = await embedder(tried).embed([])
        assert nothing.vectors.shape == (0, embedder(tried).dimensions) and nothing.tokens == 0
        long = await embedder(tried).embed(["tide " * 100_000, "\ud800 half a character"])
    assert np.isfinite(long.vectors).all()
