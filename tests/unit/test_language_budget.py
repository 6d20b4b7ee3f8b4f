"""Whatever is asked, what is put before a model fits in its context together with the answer, the question among it."""

from __future__ import annotations

from typing import Any

import numpy as np
from arcus.engine.v1 import engine_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_jobs.engines.language.budget import Budget
from ray_jobs.engines.language.describer import LanguageDescriber
from ray_jobs.engines.language.generator import LanguageGenerator
from ray_jobs.engines.language.model import Prompt
from ray_jobs.engines.language.scripted import ScriptedModel
from ray_jobs.engines.roles import DescribeRequest
from services.core.media import DescribeConfig, SegmentDescription, Span, Speech, TimedText

WORDS = st.integers(0, 120).map(lambda count: "word " * count)
CONTEXT = st.integers(600, 4_000)


def size(model: ScriptedModel, prompt: Prompt) -> int:
    texts = [turn.text for turn in prompt.turns]
    return sum(map(model.count_tokens, texts)) + len(prompt.images) * model.image_tokens + prompt.max_output_tokens


@given(
    context=CONTEXT,
    turns=st.lists(WORDS, max_size=12),
    sources=st.lists(WORDS, max_size=20),
    rows=st.integers(0, 200),
    limit=st.integers(0, 5_000),
)
@settings(max_examples=150, deadline=None)
def test_a_question_s_prompt_fits(context: int, turns: list[str], sources: list[str], rows: int, limit: int) -> None:
    roles = ("user", "assistant")
    messages = [pb.Message(role=roles[n % 2], text=text) for n, text in enumerate(turns)]
    found = [
        pb.Source(number=n, filename="a.mp4", passages=[pb.Passage(kind="speech", text=text)])
        for n, text in enumerate(sources, 1)
    ]
    result = pb.QueryResult(purpose="rows", columns=["n"], rows=str([[n] for n in range(rows)]), row_count=rows)
    request = pb.GenerateRequest(
        messages=[*messages, pb.Message(role="user", text="How high is the tide?")],
        sources=found,
        results=[result],
        max_output_tokens=limit,
    )
    model = ScriptedModel(context_tokens=context)
    prompt = LanguageGenerator(model).prompt(request)
    assert size(model, prompt) <= context and prompt.max_output_tokens >= 1
    assert "How high is the tide?" in prompt.turns[-1].text


@given(
    context=CONTEXT,
    frames=st.integers(0, 40),
    speech=st.lists(WORDS, max_size=30),
    screen=st.lists(WORDS, max_size=30),
    asked=WORDS,
)
@settings(max_examples=100, deadline=None)
async def test_a_segment_s_prompt_fits(context: int, frames: int, speech: Any, screen: Any, asked: str) -> None:
    model = ScriptedModel(context_tokens=context)
    span = Span(0.0, 20.0)
    request = DescribeRequest(
        "t",
        np.zeros((frames, 2, 2, 3), np.uint8),
        np.linspace(0, 19, frames),
        span,
        np.zeros(0, np.int16),
        speech=tuple(Speech(text, 1.0, 2.0) for text in speech),
        scene_text=tuple(TimedText(text, 1.0, 2.0) for text in screen),
        config=DescribeConfig(prompt=asked),
    )
    described = await LanguageDescriber(model).describe(request)
    assert all(size(model, prompt) <= context for prompt in model.prompts)
    for scene in described.visual_scene_description:
        assert span.start_time <= scene.start_time <= scene.end_time <= span.end_time
    await LanguageDescriber(model).summarise("t", [SegmentDescription(summary=text) for text in speech], "a.mp4", 9.0)
    assert all(size(model, prompt) <= context for prompt in model.prompts)


@given(context=CONTEXT, lines=st.lists(WORDS, max_size=60), share=st.floats(0.1, 1.0))
@settings(max_examples=150, deadline=None)
def test_no_more_is_taken_than_there_is_room_for(context: int, lines: list[str], share: float) -> None:
    model = ScriptedModel(context_tokens=context)
    for take in (lambda budget: budget.first(lines, share), lambda budget: budget.spread(lines, share)):
        budget = Budget(model, 100)
        room = budget.left
        kept = take(budget)
        assert sum(map(model.count_tokens, kept)) <= room * share and 0 <= budget.left <= room
    budget = Budget(model, 100)
    room = budget.left
    part = budget.leading(lines)
    assert sum(map(model.count_tokens, part)) <= room
    assert not lines or part
