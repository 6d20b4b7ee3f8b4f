"""A description as the API shows it: as parallel arrays over the whole file, as one readable text, or as subtitles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.core.errors import invalid
from services.core.library.descriptions import DescribedSegment, Description
from services.core.library.entities import FileEntities
from services.core.media import Speech, TimedText, timecode
from services.core.quoting import unlinked
from services.nimbus.views.captions import cues, srt, vtt

Json = dict[str, Any]
PARTS = ("visual_scene_description", "scene_text", "speech", "audio_description")
MODALITIES = (*PARTS, "summary", "segment_summary", "title")
FORMATS = {
    "media-descriptions": ("json", "markdown"),
    "rich-transcripts": ("json", "markdown", "srt", "vtt"),
}
HEADINGS = {
    "visual_scene_description": "Seen",
    "scene_text": "Text on screen",
    "speech": "Said",
    "audio_description": "Heard",
}


@dataclass(frozen=True)
class View:
    """What the caller wants of a description. Times are seconds; a part counts when it overlaps the range."""

    modalities: frozenset[str] = frozenset(MODALITIES)
    start_time: float = 0.0
    end_time: float = float("inf")
    response_format: str = "json"
    include_words: bool = False

    @classmethod
    def of(
        cls,
        collection_type: str,
        modalities: Sequence[str],
        *,
        response_format: str,
        start_time: float | None = None,
        end_time: float | None = None,
        include_words: bool = False,
    ) -> View:
        """Raises INVALID_ARGUMENT naming the parameter."""
        for name in modalities:
            if name not in MODALITIES:
                raise invalid(f"modalities must be of: {', '.join(MODALITIES)}", field="modalities")
        if response_format not in (formats := FORMATS[collection_type]):
            raise invalid(f"response_format must be one of: {', '.join(formats)}", field="response_format")
        start, end = start_time or 0.0, float("inf") if end_time is None else end_time
        if end <= start:
            raise invalid("end_time_seconds must be after start_time_seconds", field="end_time_seconds")
        return cls(frozenset(modalities or MODALITIES), start, end, response_format, include_words)

    @property
    def reads_words(self) -> bool:
        """Whether the times of words are needed: they are shown, or subtitles are cut by them."""
        return self.include_words or self.response_format in ("srt", "vtt")

    def shows(self, start_time: float, end_time: float) -> bool:
        return start_time < self.end_time and max(end_time, start_time + 1e-9) > self.start_time


def description_data(
    description: Description | None,
    segments: Sequence[DescribedSegment],
    view: View,
    pictures: Mapping[str, str],
) -> Json:
    """`pictures`: links to thumbnails by segment id, empty when they were not asked for."""
    shown = [item for item in segments if view.shows(item.segment.start_time, item.segment.end_time)]
    data: Json = {}
    for name in ("title", "summary"):
        if description is not None and name in view.modalities and getattr(description, name):
            data[name] = getattr(description, name)
    match view.response_format:
        case "markdown":
            return data | {"content": _markdown(data, shown, view)}
        case "srt":
            return data | {"content": srt(cues(_speech(shown, view)))}
        case "vtt":
            return data | {"content": vtt(cues(_speech(shown, view)), include_words=view.include_words)}
    for name in PARTS:
        if name in view.modalities:
            data[name] = [
                _part(part, view)
                for item in shown
                for part in getattr(item.content, name)
                if view.shows(part.start_time, part.end_time)
            ]
    if "segment_summary" in view.modalities:
        data["segment_summary"] = [_summary(item, pictures) for item in shown]
    return data


def numbered(noun: str, spans: Sequence[Json], view: View) -> Json:
    """The chapters or shots that are shown, numbered over the whole file, and how many they are."""
    found = [
        {"index": index, **span} for index, span in enumerate(spans) if view.shows(span["start_time"], span["end_time"])
    ]
    return {noun: found, f"total_{noun}": len(found)}


def shots(segments: Sequence[DescribedSegment], view: View) -> Json:
    """The segments of a cut by shot detector, as shots."""
    spans = [{"start_time": item.segment.start_time, "end_time": item.segment.end_time} for item in segments]
    return numbered("shots", spans, view)


def _speech(segments: Sequence[DescribedSegment], view: View) -> list[Speech]:
    wanted = segments if "speech" in view.modalities else ()
    return [item for segment in wanted for item in segment.content.speech if view.shows(item.start_time, item.end_time)]


def _part(part: TimedText | Speech, view: View) -> Json:
    value: Json = {"text": part.text, "start_time": part.start_time, "end_time": part.end_time}
    if isinstance(part, Speech):
        value = {"speaker": part.speaker, **value}
        if view.include_words:
            value["words"] = [
                {"word": word.word, "start_time": word.start_time, "end_time": word.end_time} for word in part.words
            ]
    return value


def _summary(item: DescribedSegment, pictures: Mapping[str, str]) -> Json:
    value: Json = {
        "title": item.content.title,
        "summary": item.content.summary,
        "start_time": item.segment.start_time,
        "end_time": item.segment.end_time,
    }
    if item.segment.id in pictures:
        value["thumbnail_url"] = pictures[item.segment.id]
    return value


def _markdown(head: Json, segments: Sequence[DescribedSegment], view: View) -> str:
    blocks = [f"# {unlinked(head['title'])}"] if "title" in head else []
    blocks += [unlinked(head["summary"])] if "summary" in head else []
    for item in segments:
        span = f"{timecode(item.segment.start_time)}–{timecode(item.segment.end_time)}"
        with_summary = "segment_summary" in view.modalities
        title = item.content.title if with_summary else ""
        blocks.append(f"## {span} {unlinked(title)}".rstrip())
        if with_summary and item.content.summary:
            blocks.append(unlinked(item.content.summary))
        for name, heading in HEADINGS.items():
            parts = [
                part
                for part in (getattr(item.content, name) if name in view.modalities else ())
                if view.shows(part.start_time, part.end_time)
            ]
            if parts:
                blocks.append(f"### {heading}\n\n" + "\n".join(_line(part) for part in parts))
    return "\n\n".join(blocks)


def _line(part: TimedText | Speech) -> str:
    speaker = f"**{unlinked(part.speaker)}:** " if isinstance(part, Speech) and part.speaker else ""
    return f"- [{timecode(part.start_time)}] {speaker}{unlinked(part.text)}"


def entities_data(found: FileEntities, pictures: Mapping[str, str]) -> dict[str, Any]:
    """`pictures`: links to thumbnails by segment id, empty when they were not asked for."""
    return {
        "entities": found.entities or {},
        "segment_entities": [
            {
                "start_time": part.start_time,
                "end_time": part.end_time,
                "entities": part.entities,
                **({"thumbnail_url": pictures[part.segment_id]} if part.segment_id in pictures else {}),
            }
            for part in found.segments
        ],
    }
