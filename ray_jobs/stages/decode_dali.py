"""Sampled decoding with NVIDIA DALI: groups of pictures of many clips to one run, resized on the device that decodes."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ray_jobs.stages.colours import FULL_RANGE, LUMA, rgb_matrix
from ray_jobs.stages.container import decoded_video, open_media, start_seconds
from ray_jobs.stages.decoder import FrameRequest, Frames, check_result_size, picture_size, pixel_bound
from ray_jobs.stages.group_clips import group_clip
from ray_jobs.stages.nvdec import missing_driver
from ray_jobs.stages.orientation import turned
from ray_jobs.stages.picture_groups import PictureGroup, PictureGroups, ticks_of
from services.core.errors import MediaError

Device = Literal["cpu", "gpu"]

_CODECS = {"cpu": frozenset({"vp8", "vp9"}), "gpu": frozenset({"h264", "hevc", "vp8", "vp9"})}


@dataclass(frozen=True)
class BatchLimits:
    """What one run of the pipeline may hold: groups of pictures, their bytes, and the bytes of their whole frames."""

    clips: int = 16
    encoded_bytes: int = 64 * 2**20
    decoded_bytes: int = 256 * 2**20


@dataclass(frozen=True)
class _Clip:
    """A group of pictures and the frames wanted of it. indices: increasing; ticks[i]: what frame indices[i] answers."""

    owner: int
    encoded: Any
    indices: list[int]
    stamps: list[int]
    ticks: list[list[int]]
    size: tuple[int, int]  # (width, height) wanted, before the picture is turned upright
    decoded_bytes: int
    to_rgb: Any | None


@dataclass
class _Gathered:
    """What was found for one request: tick -> (seconds, image)."""

    ticks: list[int] = field(default_factory=list)
    found: dict[int, tuple[float, Any]] = field(default_factory=dict)
    base: float = 1.0
    start: float = 0.0
    error: MediaError | None = None


def missing(device: Device) -> str:
    """What keeps DALI from decoding on `device` here; empty where nothing does."""
    if importlib.util.find_spec("nvidia") is None or importlib.util.find_spec("nvidia.dali") is None:
        return "the package nvidia-dali-cuda130 is not installed"
    if device == "cpu":
        return ""
    if lacking := missing_driver():
        return lacking
    from nvidia.dali import backend_impl

    try:
        count = backend_impl.GetCUDADeviceCount()
    except Exception as error:
        return f"CUDA does not start ({error})"
    return "" if count else "there is no GPU"


class DaliDecoder:
    """Decodes VP8 and VP9 on the CPU, and what NVDEC can on a GPU, where the frames then stay until `Frames.host()`.

    Refuses a clip (MediaError) rather than leave out frames of it: others read damaged files better.
    joins: whether groups of one video go together as one clip. On a GPU DALI makes a decoder for each clip, unless the
    coded height is the one that is shown.
    """

    def __init__(
        self,
        device: Device = "cpu",
        limits: BatchLimits | None = None,
        threads: int | None = None,
        *,
        joins: bool | None = None,
    ) -> None:
        self.device: Device = device
        self.joins = device == "gpu" if joins is None else joins
        self.limits = limits or BatchLimits(decoded_bytes=(2**31 if device == "gpu" else 256 * 2**20))
        self.threads = threads or (8 if device == "gpu" else max(1, min(4, os.cpu_count() or 1)))
        self.runs = 0
        self._pipeline: Any = None
        self._turn = threading.Lock()

    def frames(self, path: Any, info: Any, times: Sequence[float], max_side: int | None) -> Frames:
        (result,) = self.batch([FrameRequest(path, info, times, max_side)])
        if isinstance(result, MediaError):
            raise result
        return result

    def batch(self, requests: Sequence[FrameRequest]) -> list[Frames | MediaError]:
        """For each request its frames, or why it was refused. Few runs serve all: a run holds what the limits allow."""
        with self._turn:
            gathered = [_Gathered() for _ in requests]
            waiting: list[_Clip] = []
            for owner, request in enumerate(requests):
                check_result_size(len(request.times), picture_size(request.info, request.max_side))
                try:
                    for clip in self._clips(owner, request, gathered[owner]):
                        if waiting and not self._fits([*waiting, clip]):
                            self._run(waiting, gathered)
                            waiting = []
                        waiting.append(clip)
                except MediaError as error:
                    gathered[owner].error = error
            self._run(waiting, gathered)
            return [self._result(request, got) for request, got in zip(requests, gathered, strict=True)]

    def close(self) -> None:
        with self._turn:
            self._pipeline = None

    def _clips(self, owner: int, request: FrameRequest, gathered: _Gathered) -> Iterator[_Clip]:
        import numpy as np

        width, height = picture_size(request.info, request.max_side)
        size = turned((width, height), request.info.rotation)
        with open_media(request.path, max_pixels=pixel_bound(request.info)) as container:
            stream = decoded_video(container)
            codec = stream.codec_context
            if request.info.video_codec not in _CODECS[self.device]:
                raise MediaError(f"DALI does not decode {request.info.video_codec} on the {self.device}.")
            if self.device == "cpu" and codec.color_range == FULL_RANGE:
                raise MediaError("DALI takes full-range colours for limited ones on the CPU.")
            to_rgb = _from_bt601(codec.colorspace)
            gathered.ticks = ticks_of(container, stream, request.times)
            gathered.base, gathered.start = float(stream.time_base), start_seconds(container)
            frame_bytes = max(1, codec.width * codec.height * 3)
            most = max(1, self.limits.decoded_bytes // frame_bytes)
            for groups in self._joined(PictureGroups(request.path, stream, gathered.ticks), frame_bytes):
                encoded, stamps = group_clip(stream, *(group.packets for group in groups))
                rank = {stamp: index for index, stamp in enumerate(stamps)}
                wanted = {stamp: ticks for group in groups for stamp, ticks in group.wanted.items()}
                if not wanted.keys() <= rank.keys():
                    raise MediaError("A frame needs pictures that come before its group.")
                shown = sorted(wanted)
                for first in range(0, len(shown), most):
                    part = shown[first : first + most]
                    yield _Clip(
                        owner,
                        np.frombuffer(encoded, np.uint8),
                        [rank[stamp] for stamp in part],
                        part,
                        [wanted[stamp] for stamp in part],
                        size,
                        len(part) * frame_bytes,
                        to_rgb,
                    )

    def _joined(self, groups: Iterable[PictureGroup], frame_bytes: int) -> Iterator[list[PictureGroup]]:
        """Groups that make one clip: as many as the limits allow."""
        held: list[PictureGroup] = []
        held_bytes = frames = 0
        for group in groups:
            size_bytes, count = sum(packet.size for packet in group.packets), len(group.wanted)
            if held and not (
                self.joins
                and held_bytes + size_bytes <= self.limits.encoded_bytes
                and (frames + count) * frame_bytes <= self.limits.decoded_bytes
                and group.packets[0].pts > max(packet.pts for packet in held[-1].packets)
            ):
                yield held
                held, held_bytes, frames = [], 0, 0
            held.append(group)
            held_bytes, frames = held_bytes + size_bytes, frames + count
        if held:
            yield held

    def _fits(self, clips: Sequence[_Clip]) -> bool:
        return (
            len(clips) <= self.limits.clips
            and sum(len(clip.encoded) for clip in clips) <= self.limits.encoded_bytes
            and sum(clip.decoded_bytes for clip in clips) <= self.limits.decoded_bytes
        )

    def _run(self, clips: Sequence[_Clip], gathered: Sequence[_Gathered]) -> None:
        """Decodes `clips` in one run. Where that fails, each by itself, so that a bad one spoils no other."""
        clips = [clip for clip in clips if gathered[clip.owner].error is None]
        if not clips:
            return
        try:
            outputs = self._decode(clips)
        except Exception as error:
            self._pipeline = None  # a pipeline that failed is not usable again
            if len(clips) > 1:
                for clip in clips:
                    self._run([clip], gathered)
            else:
                gathered[clips[0].owner].error = MediaError(f"DALI refuses the video: {_reason(error)}")
            return
        for clip, images in zip(clips, outputs, strict=True):
            owner = gathered[clip.owner]
            for image, stamp, ticks in zip(images, clip.stamps, clip.ticks, strict=True):
                seconds = max(0.0, stamp * owner.base - owner.start)
                owner.found.update((tick, (seconds, image)) for tick in ticks)

    def _decode(self, clips: Sequence[_Clip]) -> list[Any]:
        """For each clip uint8 [n, height, width, 3] on the device, not yet upright."""
        import numpy as np

        if self._pipeline is None:
            self._pipeline = _build(self.device, self.limits.clips, self.threads)
        self.runs += 1
        (output,) = self._pipeline.run(
            encoded=[clip.encoded for clip in clips],
            frames=[np.array(clip.indices, np.int32) for clip in clips],
            size=[np.array(clip.size[::-1], np.float32) for clip in clips],
        )
        results = []
        for index, clip in enumerate(clips):
            images = _own(output[index], self.device)
            if tuple(images.shape) != (len(clip.indices), clip.size[1], clip.size[0], 3):
                raise MediaError(f"DALI gave frames of shape {tuple(images.shape)}.")
            results.append(images if clip.to_rgb is None else _recoloured(images, clip.to_rgb))
        return results

    def _result(self, request: FrameRequest, gathered: _Gathered) -> Frames | MediaError:
        import numpy as np

        if gathered.error is not None:
            return gathered.error
        if not gathered.ticks or any(tick not in gathered.found for tick in gathered.ticks):
            return MediaError("Not every frame that was asked for can be decoded; the video is damaged.")
        times = np.array([gathered.found[tick][0] for tick in gathered.ticks], np.float64)
        images = [gathered.found[tick][1] for tick in gathered.ticks]
        turns = -request.info.rotation // 90 % 4
        if self.device == "gpu":
            import torch

            stacked = torch.stack(images)
            stacked = stacked.flip(2) if request.info.mirrored else stacked
            return Frames(times, torch.rot90(stacked, turns, (1, 2)).contiguous())
        mirrored = np.stack(images)[:, :, :: -1 if request.info.mirrored else 1]
        return Frames(times, np.ascontiguousarray(np.rot90(mirrored, turns, (1, 2))))


def _build(device: Device, clips: int, threads: int) -> Any:
    from nvidia.dali import Pipeline, fn, types

    pipeline = Pipeline(
        batch_size=clips, num_threads=threads, device_id=0 if device == "gpu" else None, prefetch_queue_depth=1
    )
    with pipeline:
        encoded = fn.external_source(name="encoded", dtype=types.UINT8, ndim=1)
        frames = fn.external_source(name="frames", dtype=types.INT32, ndim=1)
        size = fn.external_source(name="size", dtype=types.FLOAT, ndim=1)
        # Without padding, a frame that is not there is an error instead of a black picture.
        decoded = fn.decoders.video(
            encoded, device="mixed" if device == "gpu" else "cpu", frames=frames, pad_mode="none", affine=False
        )
        pipeline.set_outputs(fn.resize(decoded, size=size, interp_type=types.INTERP_TRIANGULAR, antialias=True))
    pipeline.build()
    return pipeline


def _own(tensor: Any, device: Device) -> Any:
    """A copy that outlives the pipeline's next run, on the same device."""
    if device == "gpu":
        import torch

        return torch.from_dlpack(tensor).clone()
    import numpy as np

    return np.array(tensor)


def _from_bt601(matrix: int) -> Any | None:
    """float32 [3, 3] from the RGB that BT.601 gives to the RGB of another matrix; None where they are the same.

    DALI turns YCbCr into RGB by BT.601 whatever the stream says.
    """
    if matrix not in LUMA:
        raise MediaError(f"Colour matrix {matrix} is not known to the DALI decoder.")
    if LUMA[matrix] == LUMA[6]:
        return None
    import numpy as np

    return (rgb_matrix(*LUMA[matrix]) @ np.linalg.inv(rgb_matrix(*LUMA[6]))).astype(np.float32)


def _recoloured(images: Any, matrix: Any) -> Any:
    if hasattr(images, "cpu"):
        import torch

        turned = images.float() @ torch.from_numpy(matrix.T.copy()).to(images.device)
        return turned.round_().clamp_(0, 255).to(torch.uint8)
    import cv2
    import numpy as np

    return np.stack([cv2.transform(image, matrix) for image in images])


def _reason(error: Exception) -> str:
    """What DALI says behind its account of where it happened."""
    lines = [line.strip() for line in str(error).rpartition("encountered:")[2].splitlines()]
    return next((line for line in lines if line), type(error).__name__)[:300]
