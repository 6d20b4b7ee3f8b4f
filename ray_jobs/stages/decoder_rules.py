"""Which decoder takes a clip: the one table. Rows are tried from the top; a clip goes on to the next that fits it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from services.core.media import MediaInfo


@dataclass(frozen=True)
class Rule:
    """A clip may go to `decoder` if it fits every column. An empty set fits everything. Sides in pixels."""

    decoder: str
    why: str
    needs_gpu: bool = False
    codecs: frozenset[str] = frozenset()
    profiles: frozenset[str] = frozenset()
    pixel_formats: frozenset[str] = frozenset()
    min_side: int = 1
    max_side: int = 1_000_000
    needs_regular_rate: bool = False
    open_groups: bool | None = None  # whether groups of pictures may need what comes before them; None: either
    min_seconds: float = 0.0
    max_seconds: float = math.inf
    media_types: frozenset[str] = frozenset({"video"})

    def fits(self, info: MediaInfo, gpu: bool) -> bool:
        width, height = info.width or 0, info.height or 0
        return (
            (gpu or not self.needs_gpu)
            and info.media_type in self.media_types
            and _allows(self.codecs, info.video_codec)
            and _allows(self.profiles, info.video_profile)
            and _allows(self.pixel_formats, info.pixel_format)
            and self.min_side <= min(width, height)
            and max(width, height) <= self.max_side
            and self.open_groups in (None, info.has_open_groups)
            and (info.has_regular_rate or not self.needs_regular_rate)
            and self.min_seconds <= info.duration_seconds <= self.max_seconds
        )


def _allows(names: frozenset[str], name: str | None) -> bool:
    return not names or name in names


_420 = frozenset({"yuv420p", "yuvj420p"})

# Codecs and greatest pictures: NVDEC Application Note of Video Codec SDK 13.0, section 2, column "Turing/ GA100/ Hopper",
# which has neither AV1 nor 10-bit H.264. Least pictures: the NVDEC programming guide of the same SDK, table 1.
# Under a second, starting a session on the GPU takes longer than decoding on the CPU.
_ON_NVDEC: tuple[Rule, ...] = (
    Rule(
        "nvdec",
        "NVDEC: 8-bit 4:2:0 H.264",
        needs_gpu=True,
        open_groups=False,
        codecs=frozenset({"h264"}),
        profiles=frozenset(
            {"Baseline", "Constrained Baseline", "Main", "High", "Progressive High", "Constrained High"}
        ),
        pixel_formats=_420,
        min_side=48,
        max_side=4096,
        min_seconds=1.0,
    ),
    Rule(
        "nvdec",
        "NVDEC: 8-bit and 10-bit 4:2:0 HEVC",
        needs_gpu=True,
        open_groups=False,
        codecs=frozenset({"hevc"}),
        profiles=frozenset({"Main", "Main 10"}),
        pixel_formats=_420 | {"yuv420p10le"},
        min_side=144,
        max_side=8192,
        min_seconds=1.0,
    ),
    Rule(
        "nvdec",
        "NVDEC: 8-bit VP9",
        needs_gpu=True,
        open_groups=False,
        codecs=frozenset({"vp9"}),
        profiles=frozenset({"Profile 0"}),
        pixel_formats=_420,
        min_side=128,
        max_side=8192,
        min_seconds=1.0,
    ),
    Rule(
        "nvdec",
        "NVDEC: VP8",
        needs_gpu=True,
        open_groups=False,
        codecs=frozenset({"vp8"}),
        pixel_formats=_420,
        min_side=48,
        max_side=4096,
        min_seconds=1.0,
    ),
)
RULES: tuple[Rule, ...] = (
    Rule(
        "pyav",
        "keyframes that are no IDR pictures: what can only be decoded from where it begins is no work for a GPU",
        codecs=frozenset({"h264"}),
        open_groups=True,
    ),
    *_ON_NVDEC,
    # DALI makes its decoder anew for each clip of a height that is no multiple of 16.
    *(replace(rule, decoder="dali-gpu") for rule in _ON_NVDEC),
    Rule(
        "pyav",
        "reads everything; on the CPU faster than decord (loadtests.decode) and than DALI, which does not skip pictures",
        media_types=frozenset({"video", "image"}),
    ),
    Rule(
        "decord",
        "a second opinion; it indexes the whole file, by its own count of frames",
        needs_regular_rate=True,
        min_seconds=1.0,
        max_seconds=3600.0,
    ),
    Rule(
        "dali-cpu",
        "a third for what DALI decodes without a GPU",
        codecs=frozenset({"vp8", "vp9"}),
        pixel_formats=frozenset({"yuv420p"}),
        max_side=4096,
    ),
)


def decoders_for(info: MediaInfo, gpu: bool) -> list[str]:
    """Names of the decoders for a clip, the first choice first, each once. Empty for sound."""
    return list(dict.fromkeys(rule.decoder for rule in RULES if rule.fits(info, gpu)))
