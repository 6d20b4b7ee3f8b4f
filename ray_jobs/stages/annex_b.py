"""Groups of pictures as a parser of bare streams takes them: H.264 and HEVC in Annex B."""

from __future__ import annotations

from typing import Any

from ray_jobs.stages.group_clips import decodable, is_disposable
from ray_jobs.stages.picture_groups import PictureGroup
from services.core.errors import MediaError


class AnnexB:
    """Of one stream. VP8 and VP9 packets are left as they are."""

    def __init__(self, stream: Any) -> None:
        from av.bitstream import BitStreamFilterContext

        self._codec = stream.codec_context
        self._name = self._codec.codec.canonical_name
        extradata = self._codec.extradata or b""
        self._filter: Any = None
        if self._name in ("h264", "hevc") and extradata:
            # Lengths (ISO/IEC 14496-15) become start codes; where there are those, parameter sets go before keyframes.
            has_lengths = extradata[0] == 1
            self._filter = BitStreamFilterContext(f"{self._name}_mp4toannexb" if has_lengths else "dump_extra", stream)

    def group(self, group: PictureGroup) -> list[Any]:
        """The packets that the wanted pictures of `group` need. Those before its second keyframe are used up.

        Raises MediaError where they can't be decoded by themselves.
        """
        packets = decodable(self._codec, group.packets)
        if not group.wanted.keys() <= {packet.pts for packet in packets}:
            raise MediaError("A frame needs pictures that come before its group.")
        if self._name == "h264":
            packets = [p for p in packets if p.pts in group.wanted or not is_disposable(self._codec, p)]
        if self._filter is None:
            return packets
        made: list[Any] = []
        is_shared = False  # from a second keyframe on, packets are those of the next group too
        for index, packet in enumerate(packets):
            is_shared = is_shared or (index > 0 and packet.is_keyframe)
            made += self._filter.filter(_copy(packet) if is_shared else packet)
        return made


def _copy(packet: Any) -> Any:
    import av

    copied = av.Packet(bytes(packet))
    copied.pts, copied.dts, copied.time_base = packet.pts, packet.dts, packet.time_base
    copied.is_keyframe = packet.is_keyframe
    return copied
