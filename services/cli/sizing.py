"""What a load needs, from measured rates: GPUs, cores, memory and storage. Arithmetic alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from services.cli.rates import RATES, Rate
from services.core.errors import invalid

SECONDS_PER_DAY = 86_400
PROMPT_TOKENS = 6_000  # ARCUS_CONTEXT_TOKENS
PROMPT_TOKEN_COST = 0.1  # of a token that is written: a prompt is read in parallel
FRAMES_PER_SECOND = 30
SEGMENT_SECONDS, PIECES = 20, 8
DIMENSIONS = {"gpu": 1024, "cpu": 384}  # bge-m3, multilingual-e5-small
VECTOR_OVERHEAD = 1.25  # a copy in bytes beside the floats
INDEX_BYTES_PER_SHARD = 32 * 2**30
MEGABITS_PER_SECOND = 5
SMALLEST_GPU_SHARE = 0.1


@dataclass(frozen=True)
class Load:
    """What is asked of the system. peak: the busiest hour against the day's mean. use: how busy machines may be."""

    videos_per_day: float
    questions_per_second: float
    minutes_per_video: float = 10.0
    answer_tokens: int = 300
    days_kept: float = 365.0
    peak: float = 2.0
    use: float = 0.7

    def __post_init__(self) -> None:
        for name in ("videos_per_day", "questions_per_second"):
            _check(name, getattr(self, name), least=0.0)
        for name in ("minutes_per_video", "answer_tokens", "days_kept"):
            _check(name, getattr(self, name), least=0.0, is_open=True)
        _check("peak", self.peak, least=1.0)
        _check("use", self.use, least=0.0, most=1.0, is_open=True)

    @property
    def video_seconds_per_second(self) -> float:
        """At the peak."""
        return self.videos_per_day * self.minutes_per_video * 60 / SECONDS_PER_DAY * self.peak


def _check(name: str, value: float, least: float, most: float = math.inf, *, is_open: bool = False) -> None:
    if not math.isfinite(value) or value > most or (value <= least if is_open else value < least):
        bound = f"more than {least:g}" if is_open else f"{least:g} or more"
        upper = f" and at most {most:g}" if math.isfinite(most) else ""
        raise invalid(f"{name} is {value:g}; it must be {bound}{upper}.", field=name)


@dataclass(frozen=True)
class Need:
    """An amount of something, and how it comes about."""

    what: str
    amount: float
    unit: str
    because: str


@dataclass(frozen=True)
class Plan:
    needs: tuple[Need, ...]
    machines: tuple[Need, ...]
    rates: tuple[Rate, ...]
    assumptions: tuple[str, ...]


def plan(load: Load, *, on_gpu: bool = True, rates: Mapping[str, Rate] = RATES) -> Plan:
    """Fractions in `needs`, whole machines in `machines`."""
    ingest = load.video_seconds_per_second
    needs: list[Need] = []
    names: list[str] = []

    def need(what: str, amount: float, unit: str, rate: str, demand: str) -> float:
        names.append(rate)
        needs.append(Need(what, amount, unit, f"{demand} ÷ {rates[rate].value:,.4g} {rates[rate].unit}"))
        return amount

    dimensions = DIMENSIONS["gpu" if on_gpu else "cpu"]
    video = f"{ingest:,.3g} video seconds/s at the peak"
    machines: list[Need] = []
    if on_gpu:
        equivalent = load.answer_tokens + PROMPT_TOKENS * PROMPT_TOKEN_COST
        tokens = load.questions_per_second * equivalent
        eyes = need("describe", ingest / rates["describe"].value, "GPU", "describe", video)
        words = need(
            "answer", tokens / rates["answer"].value, "GPU", "answer",
            f"{load.questions_per_second:,.3g} questions/s × {equivalent:,.0f} tokens",
        )  # fmt: skip
        ears = need("transcribe", ingest / rates["transcribe"].value, "GPU", "transcribe", video)
        vectors = need("embed", ingest / rates["embed"].value, "GPU", "embed", video)
        frames = ingest * FRAMES_PER_SECOND
        decode = need("decode", frames / rates["decode"].value, "GPU", "decode", f"{frames:,.4g} frames/s")
        # Decoders sit beside the cores that compute: decoding asks for GPUs only where it needs more than all the rest.
        busy = max(eyes + words + ears + vectors, decode) / load.use
        shared = SMALLEST_GPU_SHARE * sum(1 for share in (eyes, words, ears, vectors) if share)
        machines.append(Need("GPUs of 80 GB", math.ceil(max(busy, min(shared, 1.0))), "", f"at {load.use:.0%} use"))
        cores = need(
            "screen text", ingest / rates["screen text and decoding on a core"].value, "core",
            "screen text and decoding on a core", video,
        )  # fmt: skip
    else:
        cores = need("everything", ingest / rates["everything on a core"].value, "core", "everything on a core", video)
    cores += need(
        "front", load.questions_per_second / rates["questions of a front"].value, "core", "questions of a front",
        f"{load.questions_per_second:,.3g} questions/s",
    )  # fmt: skip
    shards = max(1, math.ceil(_index_bytes(load, dimensions) / INDEX_BYTES_PER_SHARD))
    cores += need(
        "index", load.questions_per_second * shards / rates["searches of a shard"].value, "core", "searches of a shard",
        f"{load.questions_per_second:,.3g} questions/s in each of {shards} shards",
    )  # fmt: skip
    machines.append(Need("CPU cores", max(2, math.ceil(cores / load.use)), "", f"at {load.use:.0%} use, 2 at least"))
    machines += _kept(load, dimensions, shards)
    return Plan(tuple(needs), tuple(machines), tuple(rates[name] for name in names), _assumptions(load, on_gpu))


def gpus_of(load: Load) -> int:
    """Whole ones, one at least."""
    return max(1, next(int(need.amount) for need in plan(load).machines if need.what == "GPUs of 80 GB"))


def _stored_seconds(load: Load) -> float:
    return load.videos_per_day * load.minutes_per_video * 60 * load.days_kept


def _vectors(load: Load) -> float:
    return _stored_seconds(load) / SEGMENT_SECONDS * PIECES


def _index_bytes(load: Load, dimensions: int) -> float:
    return _vectors(load) * dimensions * 4 * VECTOR_OVERHEAD


def _kept(load: Load, dimensions: int, shards: int) -> list[Need]:
    seconds, vectors = _stored_seconds(load), _vectors(load)
    stored = seconds * MEGABITS_PER_SECOND * 1e6 / 8
    count = f"{vectors:,.4g} vectors × {dimensions}"
    return [
        Need("index memory", _index_bytes(load, dimensions) / 2**30, "GiB", count),
        Need("index shards", shards, "", "of 32 GiB at most"),
        Need("object storage", stored / 1e12, "TB", f"{seconds:,.4g} s of video"),
    ]


def _assumptions(load: Load, on_gpu: bool) -> tuple[str, ...]:
    common = (
        f"videos of {load.minutes_per_video:g} minutes at {MEGABITS_PER_SECOND} Mbit/s, kept {load.days_kept:g} days",
        f"the busiest hour brings {load.peak:g} × the mean; machines are busy {load.use:.0%} of it",
        f"segments of {SEGMENT_SECONDS} s with {PIECES} vectors each",
        "a question searches each shard once, as the shard that was measured is searched; larger ones search by lists",
    )
    if not on_gpu:
        return (*common, "the embedded engines, which quote instead of writing: an answer costs the front alone")
    return (
        *common,
        f"answers of {load.answer_tokens} tokens to prompts of {PROMPT_TOKENS}; reading costs {PROMPT_TOKEN_COST:g} of writing",
        f"every frame is decoded, {FRAMES_PER_SECOND} a second at 1080p: the most that sampling can cost",
        "one model of about 8B parameters describes and answers, Whisper turbo hears, bge-m3 embeds (configs/one-gpu.yaml)",
        "GPUs add up: twice as many do twice as much, each with whole models",
        "of GPUs, the rates of models are others' figures and that of decoding is the card's own; put yours in their place: "
        "python loadtests/gpu.py",
    )
