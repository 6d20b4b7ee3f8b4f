"""What a request asks of an answer beside its question, as OpenAI's clients and the Open Responses specification have it.

What changes the answer is honoured, what only labels the request is told again in the response, and what this server
can't do is refused by its name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from services.core.errors import invalid
from services.nimbus.requests.answer_format import AnswerFormat, read_format

LABELS = {"user": 512, "safety_identifier": 64, "prompt_cache_key": 64}  # the most characters of each
VERBOSITIES = {"low": "Be brief.", "medium": "", "high": "Answer in detail."}
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
SUMMARIES = ("auto", "concise", "detailed")
TIERS = ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")
PENALTIES = ("presence_penalty", "frequency_penalty")
UNSUPPORTED = {
    "conversation": "continue a response with previous_response_id",
    "context_management": "long conversations are cut, see truncation",
    "moderation": "leave it out",
    "prompt": "send instructions and input",
}
MAX_TOOL_CALLS = 128


@dataclass(frozen=True)
class Options:
    top_p: float | None = None
    truncation: str = "auto"  # a conversation that is too long is cut; disabled: it is refused
    verbosity: str | None = None
    format: AnswerFormat = field(default_factory=AnswerFormat)
    parallel_tool_calls: bool = True
    max_tool_calls: int | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Options:
        """Reads the fields of a request. Raises INVALID_ARGUMENT naming the field."""
        for name, instead in UNSUPPORTED.items():
            if body.get(name) is not None:
                raise invalid(f"{name} is not supported by this server: {instead}", field=name)
        for name in PENALTIES:
            if _number(body, name, -2, 2):
                raise invalid(f"{name} is not supported by this server: leave it at 0", field=name)
        if _integer(body, "top_logprobs", 0, 20):
            raise invalid("top_logprobs is not supported by this server: leave it at 0", field="top_logprobs")
        reasoning, text = _object(body, "reasoning"), _object(body, "text")
        _one_of(reasoning, "effort", EFFORTS, within="reasoning.")
        _one_of(reasoning, "summary", SUMMARIES, within="reasoning.")
        _one_of(body, "service_tier", TIERS)
        parallel = body.get("parallel_tool_calls")
        if not isinstance(parallel, bool | None):
            raise invalid("parallel_tool_calls must be true or false", field="parallel_tool_calls")
        return cls(
            top_p=_number(body, "top_p", 0, 1),
            truncation=_one_of(body, "truncation", ("auto", "disabled")) or "auto",
            verbosity=_one_of(text, "verbosity", tuple(VERBOSITIES), within="text."),
            format=read_format(text.get("format")),
            parallel_tool_calls=parallel is not False,
            max_tool_calls=_integer(body, "max_tool_calls", 1, MAX_TOOL_CALLS),
            **{name: _label(body, name, limit) for name, limit in LABELS.items()},
        )

    @property
    def guidance(self) -> str:
        return VERBOSITIES[self.verbosity or "medium"]

    @property
    def most_tool_calls(self) -> int:
        """That one answer may make; 0: any number."""
        return (self.max_tool_calls or 0) if self.parallel_tool_calls else 1

    def told(self) -> dict[str, Any]:
        """Their part of a response: what was used, also where nothing was asked for. These models have no effort to set."""
        return {
            "top_p": 1.0 if self.top_p is None else self.top_p,
            "truncation": self.truncation,
            "text": {"format": self.format.told(), "verbosity": self.verbosity or "medium"},
            "parallel_tool_calls": self.parallel_tool_calls,
            "max_tool_calls": self.max_tool_calls,
            "reasoning": {"effort": None, "summary": None},
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "top_logprobs": 0,
            "service_tier": "default",
            "user": self.user,
            "safety_identifier": self.safety_identifier,
            "prompt_cache_key": self.prompt_cache_key,
        }


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if not isinstance(value, dict | None):
        raise invalid(f"{name} must be an object", field=name)
    return value or {}


def _one_of(body: dict[str, Any], name: str, values: tuple[str, ...], *, within: str = "") -> str | None:
    """A field of a few values, or None where it is absent. Raises INVALID_ARGUMENT naming it."""
    value = body.get(name)
    if value is not None and value not in values:
        raise invalid(f"{within}{name} must be one of: {', '.join(values)}", field=within + name)
    return value


def _number(body: dict[str, Any], name: str, least: float, most: float) -> float | None:
    value = body.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and least <= value <= most):
        raise invalid(f"{name} must be a number from {least} to {most}", field=name)
    return value


def _integer(body: dict[str, Any], name: str, least: int, most: int) -> int | None:
    value = body.get(name)
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (is_integer and least <= value <= most):
        raise invalid(f"{name} must be an integer from {least} to {most}", field=name)
    return value


def _label(body: dict[str, Any], name: str, limit: int) -> str | None:
    value = body.get(name)
    if value is not None and not (isinstance(value, str) and len(value) <= limit):
        raise invalid(f"{name} must be a string of at most {limit} characters", field=name)
    return value
