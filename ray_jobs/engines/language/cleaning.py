"""Makes text of what a model wrote: no control characters, no halves of characters, no runs of whitespace."""

from __future__ import annotations

import re
from typing import Any

# Cc without tab and line feed, lone surrogates, noncharacters, the replacement character and byte order marks.
_BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\ufffd\ufeff]")
_SPACE = re.compile(r"\s+")
# Openings of control tokens as families of models write them, with DeepSeek's full-width bar: a server elsewhere makes its
# own prompt of a text, and may take them for its own.
_TOKEN = re.compile(
    r"(?:<(?=[|\uff5c])|<(?=<SYS>>|<?/SYS>>|</SYS>>)|<(?=/?(?:s|image|video|audio|pad|unk|bos|eos|mask|think|tool_call|tool_response"
    r"|start_of_turn|end_of_turn|start_of_image|end_of_image|image_soft_token)>)|\[(?=/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS"
    r"|TOOL_RESULTS|SYSTEM_PROMPT|IMG|IMG_BREAK|IMG_END)\]))"
)


def without_controls(text: str) -> str:
    """Text as it streams: every space and line stays."""
    return _BAD.sub("", text) if _BAD.search(text) else text


def without_tokens(text: str) -> str:
    """A text whose control tokens are broken: "<|im_start|>" reads "< |im_start|>"."""
    return _TOKEN.sub(lambda match: f"{match[0]} ", text)


def cleaned(text: str) -> str:
    """One paragraph."""
    return _SPACE.sub(" ", _BAD.sub(" ", text)).strip()


def cleaned_values(value: Any) -> Any:
    """The JSON value with every string in it cleaned; names of properties stay."""
    if isinstance(value, str):
        return cleaned(value)
    if isinstance(value, list):
        return [cleaned_values(item) for item in value]
    if isinstance(value, dict):
        return {name: cleaned_values(item) for name, item in value.items()}
    return value
