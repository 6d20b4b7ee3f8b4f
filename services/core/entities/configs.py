"""What to extract: reading and checking an extract_config, and the schema that a prompt alone stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from services.core.entities.schemas import parse_schema
from services.core.errors import invalid
from services.core.media import DescribeConfig
from services.core.words import stem

MAX_PROMPT = 2000
FIELD = "extract_config"
FLAGS = (
    *("enable_video_level_entities", "enable_segment_level_entities"),
    *("enable_transcript_mode", "enable_metadata_mode"),
)
Json = dict[str, Any]


def _list_of(description: str, **items: Any) -> Json:
    return {"type": "array", "description": description, "items": {"type": "string", **items}}


# What a prompt without a schema can ask for: the property, the words that ask for it, and what it holds.
KINDS: tuple[tuple[str, str, Json], ...] = (
    (
        "people",
        "people person name names speaker presenter host guest author who",
        _list_of("Names of people introduced"),
    ),
    ("dates", "date day deadline when calendar", _list_of("Dates", format="date")),
    ("amounts", "amount price cost money budget fee revenue salary", _list_of("Amounts of money")),
    ("numbers", "number figure quantity measurement statistic count unit", _list_of("Numbers with their units")),
    ("emails", "email mail contact", _list_of("E-mail addresses", format="email")),
    ("urls", "url link website site web", _list_of("Web addresses", format="uri")),
    ("phone_numbers", "phone telephone contact", _list_of("Phone numbers", format="phone")),
    ("topics", "topic theme keyword phrase subject tag concept", _list_of("Key phrases")),
)


@dataclass(frozen=True)
class ExtractConfig:
    """What is extracted of each file, and of what: its whole length or each segment, all of it or its speech alone."""

    schema: Json
    prompt: str = ""
    level: Literal["video", "segment"] = "video"
    is_transcript_only: bool = False

    @property
    def describe_config(self) -> DescribeConfig:
        """The description that is read: one that other collections use too, or in transcript mode the speech alone."""
        if not self.is_transcript_only:
            return DescribeConfig()
        return DescribeConfig(
            enable_summary=False,
            enable_scene_text=False,
            enable_visual_scene_description=False,
            enable_audio_description=False,
        )

    def to_json(self) -> Json:
        """As the API shows it, and as from_json reads it."""
        return {
            **({"prompt": self.prompt} if self.prompt else {}),
            "schema": self.schema,
            "enable_video_level_entities": self.level == "video",
            "enable_segment_level_entities": self.level == "segment",
            "enable_transcript_mode": self.is_transcript_only,
            "enable_metadata_mode": False,
        }

    @classmethod
    def from_json(cls, value: Json) -> ExtractConfig:
        return cls(
            value["schema"],
            value.get("prompt", ""),
            "segment" if value["enable_segment_level_entities"] else "video",
            value["enable_transcript_mode"],
        )


def parse_extract_config(value: Any) -> ExtractConfig:
    """Raises INVALID_ARGUMENT naming the field."""
    if value is None:
        raise invalid("extract_config is required for a collection of type entities: give a schema", field=FIELD)
    if not isinstance(value, dict):
        raise invalid("extract_config must be an object", field=FIELD)
    value = {key: item for key, item in value.items() if item is not None}
    for key in value:
        if key not in ("prompt", "schema", *FLAGS):
            raise invalid(f"extract_config has an unknown key: {key}", field=f"{FIELD}.{key}")
    for key in FLAGS:
        if not isinstance(value.get(key, False), bool):
            raise invalid(f"extract_config.{key} must be true or false", field=f"{FIELD}.{key}")
    prompt = value.get("prompt", "")
    if not isinstance(prompt, str) or len(prompt) > MAX_PROMPT:
        raise invalid(
            f"extract_config.prompt must be a text of at most {MAX_PROMPT} characters", field=f"{FIELD}.prompt"
        )
    if "schema" not in value and not prompt.strip():
        raise invalid("extract_config needs a schema, or a prompt that says what to extract", field=f"{FIELD}.schema")
    if value.get("enable_metadata_mode"):
        raise invalid(
            "extract_config.enable_metadata_mode is not offered by this server: entities come from the media",
            field=f"{FIELD}.enable_metadata_mode",
        )
    schema = value["schema"] if "schema" in value else prompted_schema(prompt)
    parse_schema(schema)
    return ExtractConfig(schema, prompt, _level(value), value.get("enable_transcript_mode", False))


def prompted_schema(prompt: str) -> Json:
    """A list of each kind of thing that the prompt names, or of every kind when it names none that is known."""
    asked = _stems(prompt)
    named = {name: schema for name, cues, schema in KINDS if asked & _stems(f"{name} {cues}")}
    return {"type": "object", "properties": named or {name: schema for name, _, schema in KINDS}}


def _stems(text: str) -> set[str]:
    return {stem(word) for word in re.findall(r"[a-z]+", text.lower().replace("e-mail", "email"))}


def _level(value: Json) -> Literal["video", "segment"]:
    video, segment = value.get("enable_video_level_entities"), value.get("enable_segment_level_entities")
    if video and segment:
        raise invalid(
            "extract_config can enable entities of the video or of its segments, not both",
            field=f"{FIELD}.enable_segment_level_entities",
        )
    if video is False and segment is False:
        raise invalid(
            "extract_config must enable entities of the video or of its segments",
            field=f"{FIELD}.enable_video_level_entities",
        )
    return "segment" if segment or video is False else "video"
