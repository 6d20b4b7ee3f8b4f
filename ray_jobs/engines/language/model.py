"""The port of a language model: a prompt in, pieces of text out. Who implements it knows nothing of roles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Call:
    """A function call. In a piece: it begins where the id is new, and `arguments` appends to what came before."""

    id: str
    name: str
    arguments: str  # JSON


def are_bytes(images: Any) -> bool:
    """Whether an array, or a tensor of any device, is of uint8."""
    return str(images.dtype).removeprefix("torch.") == "uint8"


@dataclass(frozen=True)
class Turn:
    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    tool_calls: tuple[Call, ...] = ()  # of an assistant
    tool_call_id: str = ""  # of a tool: the call that it answers


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    parameters: dict[str, Any]  # JSON schema of the arguments


@dataclass(frozen=True)
class Prompt:
    """`images`: each uint8 [height, width, 3] RGB, shown in order before the text of the last user's turn; tensors of a GPU
    where the model's own options ask for such.

    `schema`: the answer is JSON that fits it, with no whitespace between its parts, or a call where tools are offered.
    `tool_choice`: auto, none, required, or the name of a tool. `written`: the beginning of the answer, as the model made it
    before: it goes on right behind.
    `tenant_id` salts caches, so that no tenant can tell what another asked.
    """

    request_id: str
    tenant_id: str
    turns: tuple[Turn, ...]
    max_output_tokens: int
    images: tuple[np.ndarray, ...] = ()
    schema: dict[str, Any] | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    temperature: float | None = None  # None: the model's own
    written: str = ""
    top_p: float | None = None  # nucleus sampling; None: the model's own


@dataclass(frozen=True)
class Piece:
    """What to append. The last piece has a finish_reason (stop, length, tool_calls) and the count of input tokens."""

    text: str = ""
    output_tokens: int = 0  # of this piece
    finish_reason: str = ""
    input_tokens: int = 0
    tool_call: Call | None = None


class LanguageModel(Protocol):
    async def setup(self) -> None:
        """Loads the model or reaches it. Raises ArcusError that says what to change."""
        ...

    def stream(self, prompt: Prompt) -> AsyncIterator[Piece]:
        """Closing the iterator, or cancelling who reads it, aborts the request.

        Raises LIMIT_EXCEEDED where too many requests run or wait, INVALID_ARGUMENT where the prompt can't be used,
        ENGINE_UNAVAILABLE where the model is gone or ends without a finish_reason.
        """
        ...

    @property
    def running(self) -> int:
        """Requests under way: an aborted one leaves it."""
        ...

    @property
    def context_tokens(self) -> int:
        """Of prompt and answer together; known after `setup`."""
        ...

    @property
    def max_images(self) -> int:
        """Of one prompt; 0 where the model sees none."""
        ...

    @property
    def image_tokens(self) -> int:
        """That one image takes at most."""
        ...

    def count_tokens(self, text: str) -> int:
        """Of a text in a prompt; where the tokenizer is out of reach, an estimate that errs upwards."""
        ...

    def check(self) -> None:
        """Raises where the model is dead and its replica must be replaced."""
        ...

    async def close(self) -> None: ...
