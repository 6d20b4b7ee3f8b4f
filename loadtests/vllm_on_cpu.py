"""What vLLM is told where it runs on a CPU and the cores are for what is measured or tested: a thread and a process a model."""

from __future__ import annotations

from typing import Any

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # Else a second process sets the threads of the first: each import of vLLM takes ten seconds.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}
EAGER: dict[str, Any] = {"enforce_eager": True, "distributed_executor_backend": "uni"}
KV_CACHE_BYTES = 256 * 1024**2  # else vLLM takes most of the memory
