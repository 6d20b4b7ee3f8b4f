"""Sampled decoding with decord, which seeks and scales in C++."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ray_jobs.stages.container import decoded_video, open_media, start_seconds
from ray_jobs.stages.decoder import Frames, check_result_size, picture_size
from services.core.errors import MediaError
from services.core.media import MediaInfo


class DecordDecoder:
    """Decodes on the CPU what decord can index. It mirrors none; on some machines a video that is turned by a quarter
    comes neither turned nor in the size that was asked for (decord2 3.4.0), so it is given none."""

    def frames(self, path: Path, info: MediaInfo, times: Sequence[float], max_side: int | None) -> Frames:
        import decord
        import numpy as np

        if info.mirrored:
            raise MediaError("decord does not mirror.")
        if info.rotation % 180:
            raise MediaError("decord does not turn by a quarter.")
        size = picture_size(info, max_side)
        check_result_size(len(times), size)
        stamps = _stamps(path)
        try:
            reader = decord.VideoReader(str(path), width=size[0], height=size[1])
            if len(reader) != len(stamps):
                raise MediaError(f"decord indexes {len(reader)} frames where the file holds {len(stamps)}.")
            shown = np.searchsorted(stamps, np.asarray(times) + 1e-6, side="right") - 1
            indices = np.maximum(shown, 0)
            images = reader.get_batch(indices.tolist()).asnumpy()
        except (decord.DECORDError, RuntimeError) as error:
            raise MediaError("The video could not be decoded; it is damaged or not supported.") from error
        return Frames(times=np.maximum(stamps[indices], 0.0), images=images)


def _stamps(path: Path):
    """Sorted presentation times of every frame, float64 [n]: decord's own are float32 and start at its stream."""
    import av
    import numpy as np

    with open_media(path) as container:
        stream = decoded_video(container)
        try:
            ticks = [p.pts if p.pts is not None else p.dts for p in container.demux(stream) if p.size]
        except av.FFmpegError as error:
            raise MediaError("The video ends before it should; it is damaged.") from error
        if not ticks or None in ticks:
            raise MediaError("The video has frames without times.")
        base = float(stream.time_base)
        return np.sort(np.array(ticks, dtype=np.float64)) * base - start_seconds(container)
