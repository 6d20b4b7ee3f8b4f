"""Where a model of one or several GPUs is placed: what Serve reserves, and what vLLM is told of it."""

from __future__ import annotations

from typing import Any

from services.core.engines.config import VllmOptions

HEALTH_SECONDS = 2.0  # between looks at the model; Serve replaces its replica after three bad ones
DRAIN_SECONDS = 60.0  # that requests under way are given when a replica is replaced
CPUS = 0.1  # a share of the logical CPUs given to Ray: it places replicas, it does not limit what they use


def placed(options: VllmOptions) -> dict[str, Any]:
    """Options of the Serve deployment of a vLLM engine.

    A model that is split takes a placement group with a bundle for each part, all of them on one node, where the parts
    speak over NVLink; vLLM's own Ray workers take the GPUs, so the replica asks for none.
    """
    watched = {"health_check_period_s": HEALTH_SECONDS, "graceful_shutdown_timeout_s": DRAIN_SECONDS}
    if options.tensor_parallel_size == 1:
        gpus = {"num_gpus": options.gpus} if options.gpus else {}
        return {"ray_actor_options": {"num_cpus": CPUS, **gpus}, **watched}
    bundles = [{"CPU": CPUS, "GPU": 1.0} for _ in range(options.tensor_parallel_size)]
    return {
        "ray_actor_options": {"num_cpus": CPUS},
        "placement_group_bundles": bundles,
        "placement_group_strategy": "STRICT_PACK",
        **watched,
    }


def parallel_arguments(options: VllmOptions) -> dict[str, Any]:
    """Arguments of vLLM's engine that fit `placed`: inside a Ray actor it takes the actor's placement group."""
    if options.tensor_parallel_size == 1:
        return {}
    return {"tensor_parallel_size": options.tensor_parallel_size, "distributed_executor_backend": "ray"}
