"""Tells what a question asks of the files themselves, in any of seven languages, as a call of a few choices.

A small network pools the states of the question's tokens (`token_states.py`) and tells each choice. `training/catalog.py` makes
its weights and says how many unseen questions it tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ray_jobs.engines.embedded.extractive.reading import softmax
from ray_jobs.engines.embedded.token_states import States, question_states

WEIGHTS = Path(__file__).with_name("calls.npz")
MAX_CHARACTERS = 400  # of a question about files
MAX_TOKENS = 48  # that are read of a question
SCALE = 4.0  # of the tokens' states, whose length is 1
FLAGS = ("speech", "text", "subtitles", "sound")
# What is told, each by itself. `whole`: whether it is a whole video that is asked for, "yes" or "no".
CHOICES = ("tool", "by", "end", "bound", *FLAGS, "join", "status")
WHOLE = "whole"


@dataclass(frozen=True)
class Call:
    """`tool`: count, list, first, sum, average, order or tell; "none" where it is not the files that are asked of, "refine"
    where they are, but by what their uploader noted of them.
    `by`: length, date or name. `end`: most or least, of first and order. `bound`: over or under a length of time; within, after
    or before a time of upload. `flags`: what a video must have, or lack; `either`: one of them will do. `status`: completed,
    unfinished or failed. "" where the question says nothing of it. `probability`: of the least likely of these, in [0, 1]."""

    tool: str
    by: str = ""
    end: str = ""
    bound: str = ""
    flags: tuple[tuple[str, bool], ...] = ()
    either: bool = False
    status: str = ""
    probability: float = 1.0


def read_call(question: str) -> Call:
    """Raises ENGINE_UNAVAILABLE where there is no model to tell it by."""
    asked = question.strip()
    if not asked or len(asked) > MAX_CHARACTERS:
        return Call("none")
    return call_of(chosen(question_states(asked), _weights()))


def asks_for_whole(question: str) -> float:
    """The probability that whole videos are asked for, as a summary does. Raises ENGINE_UNAVAILABLE as `read_call`."""
    return chosen(question_states(question), _weights())[WHOLE]["yes"]


def call_of(likely: Mapping[str, Mapping[str, float]]) -> Call:
    """The likeliest of each choice."""
    best = {name: max(likely[name], key=likely[name].__getitem__) for name in CHOICES}
    tool = best["tool"]
    if tool in ("none", "refine"):
        return Call(tool, probability=likely["tool"][tool])
    is_sorted = tool in ("first", "order")
    left_out = {"end", "by"} - ({"by"} if is_sorted or tool == "tell" else set()) - ({"end"} if is_sorted else set())
    best |= dict.fromkeys(left_out, "")
    return Call(
        tool,
        best["by"],
        best["end"],
        best["bound"],
        tuple((name, best[name] == "yes") for name in FLAGS if best[name]),
        best["join"] == "or",
        best["status"],
        min(likely[name][best[name]] for name in CHOICES if name not in left_out),
    )


def chosen(question: States, weights: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """The probability of each class of each choice."""
    tokens = question.values[:MAX_TOKENS] - weights["mean"]
    tokens *= SCALE / np.maximum(np.linalg.norm(tokens, axis=1, keepdims=True), 1e-6)
    told = np.maximum(tokens @ weights["told"] + weights["told_bias"], 0)
    attention = softmax((tokens @ weights["pooling"]).T)
    pooled = np.concatenate([(attention @ told).ravel(), told.max(axis=0)])
    hidden = np.maximum(pooled @ weights["inner"] + weights["inner_bias"], 0)
    made = {}
    for name in (*CHOICES, WHOLE):
        likely = softmax(hidden @ weights[name] + weights[f"{name}_bias"])
        made[name] = dict(zip(map(str, weights[f"{name}_classes"]), map(float, likely), strict=True))
    return made


@cache
def _weights() -> dict[str, np.ndarray]:
    """As they were learned; kept in half precision."""
    with np.load(WEIGHTS, allow_pickle=False) as kept:
        return {
            name: kept[name].astype(np.float32) if kept[name].dtype == np.float16 else kept[name] for name in kept.files
        }
