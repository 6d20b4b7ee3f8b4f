"""Segmentations: reading and checking a segmentation_config, and its one canonical form."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from services.core.errors import invalid
from services.core.media import SegmentationConfig, ShotDetectorConfig, Span, UniformConfig

STRATEGIES = ("uniform", "shot-detector", "manual")
DEFAULT_SEGMENTATION: dict[str, Any] = {
    "strategy": "uniform",
    "uniform_config": {"window_seconds": 20, "hop_seconds": 20},
}
MAX_MANUAL_SEGMENTS = 10_000


def parse_segmentation(value: Any, *, field: str = "segmentation_config") -> SegmentationConfig:
    """Raises INVALID_ARGUMENT naming the field. Limits are those of the API: window 1–120 s, shots 0.6–600 s."""
    if not isinstance(value, dict):
        raise invalid(f"{field} must be an object", field=field)
    strategy = value.get("strategy")
    if strategy == "narrative":
        raise invalid(
            f"{field}.strategy narrative is not offered by this server; use uniform, shot-detector or manual",
            field=f"{field}.strategy",
        )
    if strategy not in STRATEGIES:
        raise invalid(f"{field}.strategy must be one of: {', '.join(STRATEGIES)}", field=f"{field}.strategy")
    start = _number(value, "start_time_seconds", field, 0, 1e9)
    end = _number(value, "end_time_seconds", field, 0, 1e9)
    if start is not None and end is not None and end <= start:
        raise invalid(f"{field}.end_time_seconds must be after start_time_seconds", field=f"{field}.end_time_seconds")
    limits: dict[str, Any] = {"start_time_seconds": start, "end_time_seconds": end}
    # What is said of another strategy is not used, and yet told again: it must be sound too.
    uniform = _uniform(value.get("uniform_config", {"window_seconds": 20}), f"{field}.uniform_config")
    shots = _shots(value.get("shot_detector_config", {"detector": "adaptive"}), f"{field}.shot_detector_config")
    is_manual = strategy == "manual" or "manual_config" in value
    spans = _spans(value.get("manual_config"), f"{field}.manual_config") if is_manual else ()
    match strategy:
        case "uniform":
            return SegmentationConfig("uniform", uniform_config=uniform, **limits)
        case "shot-detector":
            return SegmentationConfig("shot-detector", shot_detector_config=shots, **limits)
    return SegmentationConfig("manual", manual_segments=spans, **limits)


def _uniform(value: Any, name: str) -> UniformConfig:
    uniform = _object(value, name)
    window = _number(uniform, "window_seconds", name, 1, 120)
    if window is None:
        raise invalid(f"{name}.window_seconds is required", field=f"{name}.window_seconds")
    return UniformConfig(window, _number(uniform, "hop_seconds", name, 1, 120))


def _shots(value: Any, name: str) -> ShotDetectorConfig:
    shot = _object(value, name)
    detector = shot.get("detector", "adaptive")
    if detector not in ("adaptive", "content"):
        raise invalid(f"{name}.detector must be adaptive or content", field=f"{name}.detector")
    shortest = _number(shot, "min_seconds", name, 0.6, 600)
    longest = _number(shot, "max_seconds", name, 1, 600)
    if shortest is not None and longest is not None and longest < shortest:
        raise invalid(f"{name}.max_seconds must not be below min_seconds", field=f"{name}.max_seconds")
    return ShotDetectorConfig(
        detector=detector,
        threshold=_number(shot, "threshold", name, 0, 1000),
        min_seconds=shortest,
        max_seconds=longest,
        fill_gaps=_boolean(shot, "fill_gaps", name, default=True),
    )


def _spans(value: Any, name: str) -> tuple[Span, ...]:
    spans, name = _object(value, name).get("segments"), f"{name}.segments"
    if not isinstance(spans, list) or not 1 <= len(spans) <= MAX_MANUAL_SEGMENTS:
        raise invalid(f"{name} must hold 1 to {MAX_MANUAL_SEGMENTS} segments", field=name)
    return tuple(_span(span, f"{name}[{index}]") for index, span in enumerate(spans))


def canonical(config: SegmentationConfig) -> dict[str, Any]:
    """The one JSON form of a configuration, as replies show it."""
    value: dict[str, Any] = {"strategy": config.strategy}
    if config.strategy == "uniform":
        uniform = config.uniform_config
        value["uniform_config"] = {
            "window_seconds": uniform.window_seconds,
            "hop_seconds": uniform.hop_seconds or uniform.window_seconds,
        }
    elif config.strategy == "shot-detector":
        shot = config.shot_detector_config
        value["shot_detector_config"] = {
            "detector": shot.detector,
            "threshold": shot.threshold,
            "min_seconds": shot.min_seconds,
            "max_seconds": shot.max_seconds,
            "fill_gaps": shot.fill_gaps,
        }
    else:
        value["manual_config"] = {
            "segments": [{"start_time": span.start_time, "end_time": span.end_time} for span in config.manual_segments]
        }
    for name in ("start_time_seconds", "end_time_seconds"):
        if getattr(config, name) is not None:
            value[name] = getattr(config, name)
    return value


def config_hash(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _span(value: Any, field: str) -> Span:
    span = _object(value, field)
    start = _number(span, "start_time", field, 0, 1e9)
    end = _number(span, "end_time", field, 0, 1e9)
    if start is None or end is None or end <= start:
        raise invalid(f"{field} needs start_time and end_time, in seconds, the end after the start", field=field)
    return Span(start, end)


def _object(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(f"{field} must be an object", field=field)
    return value


def _number(value: dict[str, Any], key: str, field: str, low: float, high: float) -> float | None:
    number = value.get(key)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float) or not low <= number <= high:
        raise invalid(f"{field}.{key} must be a number from {low:g} to {high:g}", field=f"{field}.{key}")
    # 20 and 20.0 are one segmentation, so one hash.
    return float(number)


def _boolean(value: dict[str, Any], key: str, field: str, *, default: bool) -> bool:
    flag = value.get(key)
    if flag is None:
        return default
    if not isinstance(flag, bool):
        raise invalid(f"{field}.{key} must be true or false", field=f"{field}.{key}")
    return flag
