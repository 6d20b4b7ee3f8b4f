"""The images' Dockerfiles, step by step."""

from __future__ import annotations

import re

from tests.chart.rendering import ROOT

DOCKERFILES = {path.name.partition(".")[0]: path for path in (ROOT / "docker").glob("*.Dockerfile")}
Step = tuple[str, str]  # an instruction, and all that follows it


def steps(name: str) -> list[Step]:
    """Of all stages of an image, comments left out and continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILES[name].read_text(), flags=re.M))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in text.splitlines() if line.strip()]


def stages(name: str) -> list[list[Step]]:
    """Of an image, each with its FROM."""
    found: list[list[Step]] = []
    for step in steps(name):
        if step[0] == "FROM":
            found.append([])
        found[-1].append(step)
    return found
