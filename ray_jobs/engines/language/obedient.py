"""A language model that does whatever it is told outside of fenced material, for tests of what steers a model."""

from __future__ import annotations

import re

from ray_jobs.engines.language.fences import outside
from ray_jobs.engines.language.model import Prompt
from ray_jobs.engines.language.scripted import Answer, ScriptedModel, pieces, plain_answer

ORDER = re.compile(r"ignore (?:all )?previous instructions and (?:say|answer):? ?([^\n]{1,200})", re.I)


class ObedientModel(ScriptedModel):
    def __init__(self) -> None:
        super().__init__(obeying)


def obeying(prompt: Prompt) -> Answer:
    """What the last order outside of the blocks says, else a plain answer."""
    orders = ORDER.findall("\n".join(outside(turn.text) for turn in prompt.turns))
    return pieces(orders[-1]) if orders else plain_answer(prompt)
