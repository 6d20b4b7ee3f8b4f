"""How a file is cut into segments: equal windows, detected shots, or ranges the caller names."""

from __future__ import annotations

import math
from pathlib import Path

from services.core.errors import ArcusError, Reason, invalid
from services.core.media import MediaInfo, SegmentationConfig, Span, UniformConfig

MAX_SEGMENTS = 10_000
MIN_SEGMENT_SECONDS = 0.05


def segment_spans(config: SegmentationConfig, info: MediaInfo, path: Path) -> list[Span]:
    """The segments of `path` in order, inside [0, duration) and the limits of `config`.

    Raises ArcusError INVALID_ARGUMENT when the configuration does not fit the file or gives too many segments.
    """
    if info.media_type == "image":
        return [Span(0.0, 0.0)]
    limits = _limits(config, info)
    match config.strategy:
        case "uniform":
            spans = _uniform(config.uniform_config, limits)
        case "manual":
            spans = _manual(config.manual_segments, limits, info)
        case "shot-detector":
            if info.media_type != "video":
                raise invalid(
                    "The shot-detector strategy needs video, and this file has only sound: use 'uniform' or 'manual'.",
                    field="strategy",
                )
            from ray_jobs.stages.shots import detect_shots

            shots = detect_shots(path, info, config.shot_detector_config)
            spans = [span for shot in shots if (span := _clamped(shot, limits))]
    _check_count(len(spans))
    if not spans:
        raise invalid("No segment is left: the segments and limits given cover none of the file.")
    return spans


def _limits(config: SegmentationConfig, info: MediaInfo) -> Span:
    start = config.start_time_seconds or 0.0
    end = info.duration_seconds if config.end_time_seconds is None else config.end_time_seconds
    if not math.isfinite(start) or start < 0:
        raise invalid(f"start_time_seconds is {start:g}; it must be 0 or more.", field="start_time_seconds")
    if start >= info.duration_seconds:
        raise invalid(
            f"start_time_seconds is {start:g}, but the file lasts {info.duration_seconds:.3f} s.",
            field="start_time_seconds",
        )
    if not end > start:
        raise invalid(
            f"end_time_seconds ({end:g}) must be after start_time_seconds ({start:g}).", field="end_time_seconds"
        )
    return Span(start, min(end, info.duration_seconds))


def _uniform(config: UniformConfig, limits: Span) -> list[Span]:
    window = config.window_seconds
    hop = window if config.hop_seconds is None else config.hop_seconds
    for name, value in (("window_seconds", window), ("hop_seconds", hop)):
        if not (math.isfinite(value) and value > 0):
            raise invalid(f"{name} is {value:g}; it must be more than 0.", field=f"uniform_config.{name}")
    _check_count(math.floor(limits.duration / hop))
    spans: list[Span] = []
    for index in range(math.ceil(limits.duration / hop)):
        start = limits.start_time + index * hop
        span = Span(start, min(start + window, limits.end_time))
        if span.duration >= MIN_SEGMENT_SECONDS or not spans:
            spans.append(span)
        if span.end_time >= limits.end_time:
            break
    return spans


def _manual(segments: tuple[Span, ...], limits: Span, info: MediaInfo) -> list[Span]:
    if not segments:
        raise invalid(
            "The manual strategy needs at least one segment in manual_config.segments.", field="manual_config.segments"
        )
    _check_count(len(segments))
    spans = []
    for index, segment in enumerate(segments):
        name = f"manual_config.segments[{index}] ({segment.start_time:g} to {segment.end_time:g})"
        if not (math.isfinite(segment.start_time) and segment.start_time >= 0):
            raise invalid(f"{name}: the start must be 0 or more.", field=f"manual_config.segments[{index}]")
        if not segment.end_time > segment.start_time:
            raise invalid(f"{name}: the end must be after the start.", field=f"manual_config.segments[{index}]")
        span = _clamped(segment, limits)
        if span is None and segment.start_time >= info.duration_seconds - MIN_SEGMENT_SECONDS:
            raise invalid(
                f"{name}: it starts after the end of the file, which lasts {info.duration_seconds:.3f} s.",
                field=f"manual_config.segments[{index}]",
            )
        if span is not None:
            spans.append(span)
    return sorted(spans, key=lambda span: (span.start_time, span.end_time))


def _clamped(span: Span, limits: Span) -> Span | None:
    start, end = max(span.start_time, limits.start_time), min(span.end_time, limits.end_time)
    whole = (start, end) == (span.start_time, span.end_time)
    return Span(start, end) if whole or end - start >= MIN_SEGMENT_SECONDS else None


def _check_count(count: int) -> None:
    if count > MAX_SEGMENTS:
        raise ArcusError(
            Reason.INVALID_ARGUMENT,
            f"This would make {count} segments; the limit is {MAX_SEGMENTS}. Use a longer window or hop, a higher "
            "threshold or min_seconds, or process a shorter range.",
        )
