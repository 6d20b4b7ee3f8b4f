"""A prompt as the messages that a chat template takes: system, user and assistant only, in turn."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from uuid import uuid4

from ray_jobs.engines.language.model import Prompt, Tool, Turn, are_bytes
from ray_jobs.engines.vllm.tool_calls import explanation, written
from services.core.errors import invalid


def messages(prompt: Prompt, plain: Callable[[str], str]) -> list[dict[str, Any]]:
    """What every request shares comes first, so that its prefix is cached: instructions, tools, then what is asked.

    Calls and their results become text: few templates know roles for them, and they differ. `plain` takes the model's
    control tokens out of what users wrote.
    """
    merged: list[tuple[str, list[str]]] = []
    for role, text in _texts(prompt, plain):
        if merged and merged[-1][0] == role:
            merged[-1][1].append(text)
        else:
            merged.append((role, [text]))
    if not merged or all(role != "user" for role, _ in merged):
        merged.append(("user", [""]))
    found: list[dict[str, Any]] = [
        {"role": role, "content": "\n\n".join(filter(None, texts))} for role, texts in merged
    ]
    if prompt.images:
        last = next(message for message in reversed(found) if message["role"] == "user")
        shown = [_shown(image) for image in prompt.images]
        last["content"] = [*shown, {"type": "text", "text": last["content"]}]
    return found


def _texts(prompt: Prompt, plain: Callable[[str], str]) -> Iterable[tuple[str, str]]:
    instructions = [plain(turn.text) for turn in prompt.turns if turn.role == "system"]
    if prompt.tools and prompt.tool_choice != "none":
        instructions.append(explanation([_plain_tool(tool, plain) for tool in prompt.tools]))
    if instructions:
        yield "system", "\n\n".join(instructions)
    for turn in prompt.turns:
        if turn.role != "system":
            yield ("user" if turn.role == "tool" else turn.role), _text(turn, plain)


def _text(turn: Turn, plain: Callable[[str], str]) -> str:
    text = plain(turn.text)
    if turn.role == "tool":
        return f"<tool_response>\n{text}\n</tool_response>"
    return "\n".join(
        filter(None, [text, *(written(replace(call, arguments=plain(call.arguments))) for call in turn.tool_calls)])
    )


def _plain_tool(tool: Tool, plain: Callable[[str], str]) -> Tool:
    return Tool(tool.name, plain(tool.description), json.loads(plain(json.dumps(tool.parameters, ensure_ascii=False))))


def plainer(control_tokens: Iterable[str]) -> Callable[[str], str]:
    """Breaks the model's control tokens in a text, so that it can't end its turn, speak as another or show an image."""
    tokens = sorted(filter(None, control_tokens), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, tokens)) or "(?!)")

    def plain(text: str) -> str:
        whole = text.encode(errors="replace").decode()  # without halves of characters, which no tokenizer takes
        return pattern.sub(lambda match: f"{match[0][:1]} {match[0][1:]}", whole)

    return plain


def on_device(images: Iterable[Any]) -> str:
    """The GPU on which images lie; empty where they are in the host's memory."""
    return next((str(image.device) for image in images if getattr(image, "is_cuda", False)), "")


def _shown(image: Any) -> dict[str, Any]:
    """A tensor stays where it is. It has a name of its own, as vLLM would bring it to the host to make one of its bytes."""
    if not are_bytes(image) or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise invalid("An image must be uint8 [height, width, 3].", field="images")
    if hasattr(image, "is_cuda"):
        return {"type": "image_pil", "image_pil": image, "uuid": uuid4().hex}
    from PIL import Image

    return {"type": "image_pil", "image_pil": Image.fromarray(image)}
