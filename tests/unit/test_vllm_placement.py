"""Where models of vLLM are placed: on the CPU, on a part of a GPU, on one, on several of one node."""

from __future__ import annotations

import pytest

from ray_jobs.engines.vllm.placement import parallel_arguments, placed
from services.core.engines.config import VllmOptions


@pytest.mark.parametrize(("gpus", "taken"), [(0, None), (0.5, 0.5), (1, 1)])
def test_a_model_of_at_most_one_gpu_takes_it_itself(gpus: float, taken: float | None) -> None:
    options = VllmOptions(kind="vllm", model="m", gpus=gpus)
    assert placed(options)["ray_actor_options"].get("num_gpus") == taken
    assert "placement_group_bundles" not in placed(options) and parallel_arguments(options) == {}


def test_a_model_of_several_gpus_takes_a_group_of_one_node_and_one_of_its_gpus_for_each_part() -> None:
    options = VllmOptions(kind="vllm", model="m", gpus=4)
    group = placed(options)
    assert [bundle["GPU"] for bundle in group["placement_group_bundles"]] == [1.0] * 4
    assert group["placement_group_strategy"] == "STRICT_PACK" and "num_gpus" not in group["ray_actor_options"]
    assert parallel_arguments(options) == {"tensor_parallel_size": 4, "distributed_executor_backend": "ray"}
