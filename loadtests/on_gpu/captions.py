"""Seconds of video described per second through Arcus's vLLM model, beside vLLM's AsyncLLM alone with the same requests.

Weights are random and every answer has the same length: what is measured is the work, not what is said. A segment is
10 s of video, shown as 5 frames (one every 2 s, the default) with a prompt of a description's length.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadtests.on_gpu.rows import BESIDE, ENOUGH_SECONDS, Case, Options, Row, engine_arguments, lacking

if TYPE_CHECKING:
    from ray_jobs.engines.vllm.model import VllmModel

SEGMENT_SECONDS, FRAMES = 10, 5
# Seconds of video per second: NVIDIA VSS, captions of 10 s chunks by an 8B model, gives 27.5 on an H100.
PUBLISHED, PUBLISHED_RATE = "what is published for one H100", 27.5
CONTEXT_TOKENS = 4096
AT_ONCE, WARM_SEGMENTS = 256, 32
INSTRUCTIONS = (
    "You describe one segment of a video from frames in order of time, what is said and the text on the screen. "
    "Say what is seen: people, things, places and what happens, without guessing. "
)
# Engine arguments that both sides share.
ENGINE = {"enable_prefix_caching": True, "mm_processor_cache_gb": 0}


def cases(options: Options) -> Iterator[Case]:
    segments, tokens = (4, 8) if options.small else (256, 100)
    model = "a toy" if options.small else "Idefics3-8B's shape"
    row = Row(
        "captions",
        f"{model}, {segments} segments of {SEGMENT_SECONDS} s, {FRAMES} frames, {tokens} tokens",
        "video-seconds/s",
        "AsyncLLM alone",
        {BESIDE: 0.95} | ({PUBLISHED: 1.1} if options.on_gpu and not options.small else {}),
        ceilings={PUBLISHED: PUBLISHED_RATE} if options.on_gpu and not options.small else {},
    )

    def measure(row: Row) -> None:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_measure(row, Path(folder), segments, tokens, options))

    yield Case(row, measure, lambda: lacking("vllm", "ray_jobs.engines.vllm.model"), limit_seconds=300.0)
    on_device = Row(
        "captions",
        f"{model}, frames shown where a GPU decoded them, {segments} segments, {tokens} tokens",
        "video-seconds/s",
        "the same frames from the host",
        {BESIDE: 1.0},
    )

    def measure_on_device(row: Row) -> None:
        with tempfile.TemporaryDirectory() as folder:
            sides = {"ours": partial(_ours, on_device=True), "the host": _ours}
            asyncio.run(_measure(row, Path(folder), segments, tokens, options, sides))

    yield Case(on_device, measure_on_device, partial(_cannot_share, options), rank=2, limit_seconds=300.0)


def _cannot_share(options: Options) -> str:
    """Processors of pictures work on a GPU with torchvision only."""
    return lacking("vllm", "ray_jobs.engines.vllm.model", *(["torchvision"] if options.on_gpu else []))


async def _measure(
    row: Row,
    folder: Path,
    segments: int,
    tokens: int,
    options: Options,
    sides: dict[str, Callable[..., Awaitable[tuple[float, list[int]]]]] | None = None,
) -> None:
    from loadtests.on_gpu.dummy_models import IDEFICS3_8B, SMALL_VLM, vision_model

    # On a processor the way is the same, but for the processor of pictures, which brings them to NumPy.
    shape = SMALL_VLM if options.small else IDEFICS3_8B
    vision_model(folder, shape, CONTEXT_TOKENS, on_tensors=bool(sides) and options.on_gpu)
    frames = [_frames(number) for number in range(segments)]
    for name, side in (sides or {"ours": _ours, "AsyncLLM alone": _alone}).items():
        seconds, counts = await side(folder, frames, tokens, options)
        row.check(f"segments of {name}", len(counts), len(counts) == segments)
        # A random model may end a text early, once in some thousand.
        share = sum(counts) / (segments * tokens)
        row.check(f"tokens of {name}, of those asked for", round(share, 4), 0.99 <= share <= 1.0)
        rate = segments * SEGMENT_SECONDS / seconds
        row.ours, row.beside = (rate, None) if name == "ours" else (row.ours, rate)
        gc.collect()


def describing_model(folder: Path, waiting: int, options: Options, arguments: dict[str, Any], **more: Any) -> VllmModel:
    """Of the dummy vision model in `folder`, not set up. arguments: of vLLM's engine, beside those of every row."""
    from ray_jobs.engines.vllm.model import VllmModel
    from services.core.engines.config import VllmOptions

    return VllmModel(
        VllmOptions(
            kind="vllm",
            model=str(folder),
            gpus=1 if options.on_gpu else 0,
            context_tokens=CONTEXT_TOKENS,
            max_running=AT_ONCE,
            max_waiting=waiting,
            load_format="dummy",
            dtype="bfloat16",
            extra=engine_arguments(options) | arguments,
            **more,
        )
    )


async def _ours(
    folder: Path, frames: list[Any], tokens: int, options: Options, *, on_device: bool = False
) -> tuple[float, list[int]]:
    """on_device: frames are tensors where the model is, as those by a ticket of `ray_jobs.stages.device_frames`."""
    from ray_jobs.engines.language.model import Prompt, Turn

    shared = {"mm_tensor_ipc": "torch_shm"} if on_device else {}
    model = describing_model(folder, len(frames), options, shared, max_images=FRAMES)
    await model.setup()
    if on_device:
        import torch

        frames = [torch.from_numpy(each).to("cuda" if options.on_gpu else "cpu") for each in frames]

    async def describe(number: int, salt: str) -> int:
        turns = (Turn("system", INSTRUCTIONS), Turn("user", _question(number)))
        prompt = Prompt(f"{salt}{number}", salt, turns, tokens, tuple(frames[number]), temperature=0.0)
        return sum([piece.output_tokens async for piece in model.stream(prompt)])

    try:
        return await _best(describe, len(frames), options.rounds)
    finally:
        await model.close()


async def _alone(folder: Path, frames: list[Any], tokens: int, options: Options) -> tuple[float, list[int]]:
    from PIL import Image
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.sampling_params import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

    llm = AsyncLLM.from_engine_args(
        AsyncEngineArgs(
            model=str(folder),
            max_model_len=CONTEXT_TOKENS,
            max_num_seqs=AT_ONCE,
            load_format="dummy",
            dtype="bfloat16",
            limit_mm_per_prompt={"image": FRAMES, "video": 0, "audio": 0},
            disable_log_stats=True,
            **ENGINE,
            **engine_arguments(options),
        )
    )
    tokenizer = llm.get_tokenizer()
    parameters = SamplingParams(max_tokens=tokens, temperature=0.0, ignore_eos=True)

    async def describe(number: int, salt: str) -> int:
        shown = [{"type": "image"} for _ in range(FRAMES)]
        messages = [
            {"role": "system", "content": INSTRUCTIONS},
            {"role": "user", "content": [*shown, {"type": "text", "text": _question(number)}]},
        ]
        prompt = {
            "prompt": tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True),
            "multi_modal_data": {"image": [Image.fromarray(frame) for frame in frames[number]]},
            "cache_salt": salt,
        }
        count = 0
        async for output in llm.generate(prompt, parameters, f"{salt}{number}"):
            count = len(output.outputs[0].token_ids)
        return count

    try:
        return await _best(describe, len(frames), options.rounds)
    finally:
        llm.shutdown()


async def _best(describe: Callable[[int, str], Awaitable[int]], segments: int, rounds: int) -> tuple[float, list[int]]:
    """(seconds of the quickest round, tokens of each segment in the last). A round of few segments warms up."""

    async def made(number: int, count: int) -> list[int]:
        # A round has a salt of its own: none finds in the cache what another left.
        return list(await asyncio.gather(*(describe(segment, f"round {number} ") for segment in range(count))))

    await made(0, min(segments, WARM_SEGMENTS))
    best, counts, began = float("inf"), [], time.perf_counter()
    for number in range(1, rounds + 1):
        begin = time.perf_counter()
        counts = await made(number, segments)
        best = min(best, time.perf_counter() - begin)
        if time.perf_counter() - began > ENOUGH_SECONDS:
            break
    return best, counts


def _frames(seed: int) -> Any:
    """uint8 [FRAMES, 252, 448, 3], no two segments alike."""
    import numpy as np

    return np.random.default_rng(seed).integers(0, 256, (FRAMES, 252, 448, 3), dtype=np.uint8)


def _question(number: int) -> str:
    return (
        f"Segment {number}. Said: 'The tide in this bay rises higher than anywhere else, and twice a day the boats lie on "
        "the ground.' On the screen: 'Bay of Fundy, 16 m'. Describe the segment."
    )
