"""Frames of videos at given times, each video by the decoder that the table names, and by the next when one refuses."""

from __future__ import annotations

import functools
import importlib.util
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from ray_jobs.stages import nvdec
from ray_jobs.stages.decode_dali import DaliDecoder, missing
from ray_jobs.stages.decode_decord import DecordDecoder
from ray_jobs.stages.decode_nvdec import NvdecDecoder
from ray_jobs.stages.decode_pyav import PyavDecoder
from ray_jobs.stages.decoder import Decoder, FrameRequest, Frames
from ray_jobs.stages.decoder_rules import decoders_for
from services.core.errors import MediaError
from services.core.media import MediaInfo

__all__ = [
    "DaliDecoder",
    "Decoder",
    "DecordDecoder",
    "FrameRequest",
    "Frames",
    "NvdecDecoder",
    "PyavDecoder",
    "TableDecoder",
]

log = structlog.get_logger(__name__)


class TableDecoder:
    """The Decoder that asks, for each clip, those that the table names in turn until one does not refuse.

    taken and refused count clips by the name of the decoder.
    """

    def __init__(
        self,
        decoders: Mapping[str, Decoder],
        choose: Callable[[MediaInfo, bool], list[str]] = decoders_for,
        *,
        gpu: bool = False,
    ) -> None:
        self._decoders = decoders
        self._choose = choose
        self.on_gpu = gpu
        self.names = frozenset(decoders)
        self.taken: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def frames(self, path: Path, info: MediaInfo, times: Sequence[float], max_side: int | None) -> Frames:
        """See `Decoder.frames`. Raises what the last decoder raised when all refuse."""
        (result,) = self.batch([FrameRequest(path, info, times, max_side)])
        if isinstance(result, MediaError):
            raise result
        return result

    def batch(self, requests: Sequence[FrameRequest]) -> list[Frames | MediaError]:
        """For each request its frames or why there are none. Those that go to the same decoder of a GPU go together."""
        results: list[Frames | MediaError] = [
            MediaError("The file has no video stream to take frames from.") for _ in requests
        ]
        names = [[n for n in self._choose(r.info, self.on_gpu) if n in self._decoders] for r in requests]
        open_requests = [index for index, left in enumerate(names) if left]
        while open_requests:
            by_decoder: dict[str, list[int]] = {}
            for index in open_requests:
                by_decoder.setdefault(names[index].pop(0), []).append(index)
            open_requests = []
            for name, indices in by_decoder.items():
                answers = _ask(self._decoders[name], [requests[index] for index in indices])
                for index, answer in zip(indices, answers, strict=True):
                    results[index] = answer
                    if not isinstance(answer, MediaError):
                        self.taken[name] += 1
                        continue
                    self.refused[name] += 1
                    if names[index]:
                        open_requests.append(index)
                        info = requests[index].info
                        log.warning(
                            "decoder.refused",
                            decoder=name,
                            next=names[index][0],
                            why=answer.message,
                            codec=info.video_codec,
                            size=f"{info.width}x{info.height}",
                        )
        return results


def _ask(decoder: Decoder, requests: list[FrameRequest]) -> list[Frames | MediaError]:
    if isinstance(decoder, DaliDecoder | NvdecDecoder):
        return decoder.batch(requests)
    answers: list[Frames | MediaError] = []
    for request in requests:
        try:
            answers.append(decoder.frames(request.path, request.info, request.times, request.max_side))
        except MediaError as error:
            answers.append(error)
    return answers


@functools.cache
def table_decoder() -> TableDecoder:
    """This process's decoder, over what is installed and present here."""
    decoders: dict[str, Decoder] = {"pyav": PyavDecoder()}
    if importlib.util.find_spec("decord") is not None:
        decoders["decord"] = DecordDecoder()
    if not missing("cpu"):
        decoders["dali-cpu"] = DaliDecoder("cpu")
    if not nvdec.missing():
        decoders["nvdec"] = NvdecDecoder()
    if not missing("gpu"):
        decoders["dali-gpu"] = DaliDecoder("gpu")
    return TableDecoder(decoders, gpu=not {"nvdec", "dali-gpu"}.isdisjoint(decoders))


def decode_batch(requests: Sequence[FrameRequest]) -> list[Frames | MediaError]:
    """See `TableDecoder.batch`; frames that a GPU decoded are still there."""
    return table_decoder().batch(requests)


def decode_frames(path: Path, info: MediaInfo, times: Sequence[float], max_side: int | None = None) -> Frames:
    """The frames shown at `times` (seconds), see `Decoder.frames`, in the host's memory."""
    return table_decoder().frames(path, info, times, max_side).host()
