"""A language model, seeing or not, on vLLM."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from ray_jobs.engines.language.model import Call, Piece, Prompt
from ray_jobs.engines.vllm.chat import messages, on_device, plainer
from ray_jobs.engines.vllm.engine import VllmEngine
from ray_jobs.engines.vllm.tool_calls import OPEN, CallReader, guidance
from services.core.engines.config import VllmOptions
from services.core.errors import ArcusError, Reason, invalid

ANSWER_TOKENS = 512  # of one that has no limit of its own


class VllmModel:
    """Prompts are made from decoded frames and text alone: nothing that a user writes is ever fetched."""

    def __init__(self, options: VllmOptions) -> None:
        self._engine = VllmEngine(
            options,
            runner="generate",
            enable_prefix_caching=True,
            # guidance knows more of JSON Schema than xgrammar; whitespace would let a weak model idle in it.
            structured_outputs_config={"backend": "guidance", "disable_any_whitespace": True},
            limit_mm_per_prompt={"image": options.max_images, "video": 0, "audio": 0},
            mm_processor_cache_gb=0,  # frames do not come twice, and what one tenant showed is kept for no other
        )
        self._plain: Callable[[str], str] = lambda text: text
        self._added: frozenset[str] = frozenset()  # tokens beside the vocabulary proper
        self._sampling: dict[str, Any] = {}
        self._image_tokens = 0

    async def setup(self) -> None:
        await self._engine.setup()
        llm = self._engine.llm
        added = llm.get_tokenizer().added_tokens_decoder.values()
        self._added = frozenset(token.content for token in added)
        self._plain = plainer(token.content for token in added if token.special or token.content.startswith("<"))
        self._sampling = llm.model_config.get_diff_sampling_param()
        if llm.model_config.is_multimodal_model and self._engine.options.max_images:
            self._image_tokens = await asyncio.to_thread(_image_tokens, llm)

    async def stream(self, prompt: Prompt) -> AsyncIterator[Piece]:
        """See LanguageModel."""
        if len(prompt.images) > self.max_images:
            raise invalid(f"The model sees at most {self.max_images} images in one prompt.", field="images")
        async with self._engine.admitted(prompt.tenant_id, self._cost(prompt)):
            rendered = await self._rendered(prompt)
            outputs = self._engine.generate(rendered, self._parameters(prompt, rendered), prompt.request_id)
            try:
                async for piece in _pieces(prompt, outputs):
                    yield piece
            finally:
                await outputs.aclose()  # type: ignore[attr-defined]

    @property
    def running(self) -> int:
        return self._engine.running

    @property
    def context_tokens(self) -> int:
        return self._engine.context_tokens

    @property
    def max_images(self) -> int:
        return self._engine.options.max_images if self._image_tokens else 0

    @property
    def image_tokens(self) -> int:
        return self._image_tokens

    def count_tokens(self, text: str) -> int:
        return len(self._engine.llm.get_tokenizer().encode(text, add_special_tokens=False))

    def _cost(self, prompt: Prompt) -> int:
        """Tokens, about: a token of English has some four bytes, and an answer may be as long as it was allowed to be."""
        given = sum(len(turn.text) for turn in prompt.turns) // 4 + len(prompt.images) * self._image_tokens
        return given + (prompt.max_output_tokens or ANSWER_TOKENS)

    def check(self) -> None:
        self._engine.check()

    async def close(self) -> None:
        await self._engine.close()

    async def _rendered(self, prompt: Prompt) -> Any:
        """vLLM's input: the tokens of the chat template, the frames in their places, the tenant's salt."""
        from vllm.renderers.params import ChatParams

        renderer = self._engine.llm.renderer
        extras: dict[str, Any] = {"cache_salt": f"tenant {prompt.tenant_id}"}
        if device := on_device(prompt.images):  # where they are made what the model takes, too
            extras["mm_processor_kwargs"] = {"device": device}
        template = ChatParams(
            chat_template_kwargs={"add_generation_prompt": True, "tokenize": False, "enable_thinking": False}
        )
        try:
            _, (rendered,) = await renderer.render_chat_async(
                [messages(prompt, self._plain)],
                template,
                prompt_extras=extras,
            )
        except ArcusError:
            raise
        except Exception as error:
            raise invalid(f"The model can't take this prompt: {error}") from error
        if prompt.written:
            tokens = self._engine.llm.get_tokenizer().encode(prompt.written, add_special_tokens=False)
            rendered["prompt_token_ids"] = [*rendered["prompt_token_ids"], *tokens]
        return rendered

    def _parameters(self, prompt: Prompt, rendered: Any) -> Any:
        from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

        room = self.context_tokens - len(rendered["prompt_token_ids"])
        if room < 1:
            raise invalid(
                f"The prompt has {len(rendered['prompt_token_ids'])} tokens; the model takes {self.context_tokens - 1}."
            )
        structure = None
        if prompt.tools and prompt.tool_choice != "none":
            structure = StructuredOutputsParams(
                **guidance(prompt.tools, prompt.tool_choice, is_token=OPEN in self._added, schema=prompt.schema)
            )
        elif prompt.schema is not None:
            structure = StructuredOutputsParams(json=prompt.schema)
        sampling = dict(self._sampling)
        if prompt.temperature is not None:
            sampling["temperature"] = prompt.temperature
        if prompt.top_p is not None:
            sampling["top_p"] = prompt.top_p
        sampling["max_tokens"] = min(room, prompt.max_output_tokens or room)
        sampling["skip_special_tokens"] = not prompt.tools  # one may open a call
        return SamplingParams(**sampling, output_kind=RequestOutputKind.DELTA, structured_outputs=structure)


async def _pieces(prompt: Prompt, outputs: AsyncIterator[Any]) -> AsyncIterator[Piece]:
    calls = CallReader(prompt.request_id) if prompt.tools and prompt.tool_choice != "none" else None
    async for output in outputs:
        made = output.outputs[0]
        tokens = len(made.token_ids)
        if calls is None:
            if not output.finished:
                yield Piece(made.text, tokens)
                continue
            parts: list[str | Call] = [made.text]
        else:
            parts = list(calls.read(made.text))
            if output.finished:
                parts += calls.rest()
        if not output.finished:
            for piece in _counted(parts, tokens):
                yield piece
            continue
        if made.finish_reason not in ("stop", "length"):
            break
        for piece in _counted(parts, tokens):
            yield piece
        called = calls is not None and calls.count > 0 and made.finish_reason == "stop"
        yield Piece(
            finish_reason="tool_calls" if called else made.finish_reason, input_tokens=len(output.prompt_token_ids)
        )
        return
    raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The model ended before its answer did; try again shortly.")


def _counted(parts: list[str | Call], tokens: int) -> list[Piece]:
    """The pieces of one output; its tokens count with the first."""
    pieces = [Piece(text=part) if isinstance(part, str) else Piece(tool_call=part) for part in parts] or [Piece()]
    first = pieces[0]
    return [Piece(first.text, tokens, tool_call=first.tool_call), *pieces[1:]]


def _image_tokens(llm: Any) -> int:
    """Of the largest image; 0 where the model takes none."""
    processor = llm.renderer.get_mm_processor()
    if "image" not in processor.info.get_supported_mm_limits():
        return 0
    inputs = processor.get_dummy_mm_inputs({"image": 1})
    return sum(place.length for place in inputs["mm_placeholders"]["image"])
