"""Trains the network that reads passages token by token, for `training/evidence.py`, which says what it is worth.

All questions of a collection are judged of all its passages at once. What is learned is what to add to the odds that measures
and likeness give: each question is answered by one of its likeliest passages, or by none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ray_jobs.engines.embedded.extractive.reading import MAX_TOKENS, RARITY, SCALE, Reading
from ray_jobs.engines.embedded.token_states import DIMENSIONS, States

PROJECTED = 48  # dimensions that tokens are compared in
HIDDEN = 32
BATCH = 24  # questions
EPOCHS = 6
RATE = 2e-3
DECAY = 0.02
DROPPED = 0.2  # of what is hidden; of the tokens half as much
MADE_WEIGHT = 0.5  # of a question whose answer is not among what was retrieved
JOINED_WEIGHT = 0.5  # of two questions that were written apart
MASKED = -1e4


@dataclass(frozen=True)
class Lesson:
    """The likeliest passages of one question: `question` and `passages` number those of a collection. near: what
    `reading.within` gave of these, float32 [passages, tokens of the question]."""

    question: int
    passages: np.ndarray
    odds: np.ndarray
    answers: np.ndarray
    near: np.ndarray
    weight: float


@dataclass(frozen=True)
class Course:
    """All that is learned of one collection."""

    questions: Sequence[States]
    passages: Sequence[States]
    lessons: Sequence[Lesson]


class Judge(nn.Module):
    """As `Reading.judged`."""

    def __init__(self) -> None:
        super().__init__()
        keys, values = (torch.randn(DIMENSIONS, PROJECTED) / DIMENSIONS**0.5 for _ in range(2))
        self.asked_keys, self.told_keys = nn.Parameter(keys.clone()), nn.Parameter(keys.clone())
        self.asked_values, self.told_values = nn.Parameter(values.clone()), nn.Parameter(values.clone())
        self.key_scale = nn.Parameter(torch.tensor(12.0))
        self.likeness = nn.Parameter(torch.tensor(8.0))
        self.pooling = nn.Parameter(torch.randn(DIMENSIONS) * 0.02)
        self.pooling_rarity = nn.Parameter(torch.tensor(0.2))
        self.inner = nn.Linear(3 * PROJECTED + 4, HIDDEN)
        self.outer = nn.Linear(2 * HIDDEN, 1)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(
        self, asked: Padded, told: Padded, question: torch.Tensor, passage: torch.Tensor, near: torch.Tensor
    ) -> torch.Tensor:
        """float32 [pairs]: of the questions and passages at these places, int64 [pairs]. near: float32 [pairs, tokens]."""
        questions, passages = asked.tokens, told.tokens
        if self.training:
            questions, passages = (functional.dropout(each, DROPPED / 2) for each in (questions, passages))
        rarity, there = asked.rarity[question], asked.there[question]
        likeness = questions[question] @ passages[passage].transpose(1, 2)
        keys = (questions @ self.asked_keys)[question] @ (passages @ self.told_keys)[passage].transpose(1, 2)
        beyond = ~told.there[passage][:, None, :]
        attention = (self.likeness * likeness + self.key_scale * keys).masked_fill(beyond, MASKED).softmax(-1)
        likest = likeness.masked_fill(beyond, -1).max(-1).values
        found = attention @ (SCALE * (passages @ self.told_values))[passage]
        values = (SCALE * (questions @ self.asked_values))[question]
        measures = torch.stack([likest, (attention * likeness).sum(-1), rarity / RARITY, near], -1)
        hidden = functional.relu(self.inner(torch.cat([values, found, values * found, measures], -1)))
        if self.training:
            hidden = functional.dropout(hidden, DROPPED)
        pooling = (questions @ self.pooling)[question] * 8 + self.pooling_rarity * rarity
        pooling = pooling.masked_fill(~there, MASKED).softmax(-1)
        most = hidden.masked_fill(~there[..., None], 0).max(1).values
        pooled = torch.cat([(hidden * pooling[..., None]).sum(1), most], -1)
        return self.outer(pooled)[..., 0]

    def weights(self) -> dict[str, np.ndarray]:
        """As `Reading` takes them, in half precision."""
        told = {
            "asked_keys": self.key_scale * self.asked_keys,
            "told_keys": self.told_keys,
            "asked_values": self.asked_values,
            "told_values": self.told_values,
            "likeness": self.likeness,
            "pooling": 8 * self.pooling,
            "pooling_rarity": self.pooling_rarity,
            "inner": self.inner.weight.T,
            "inner_bias": self.inner.bias,
            "outer": self.outer.weight[0],
            "outer_bias": self.outer.bias[0],
        }
        return {name: np.asarray(values.detach().numpy(), np.float16) for name, values in told.items()}


@dataclass(frozen=True)
class Padded:
    """Texts of one length: float32 [texts, tokens, 384], bool [texts, tokens], float32 [texts, tokens]."""

    tokens: torch.Tensor
    there: torch.Tensor
    rarity: torch.Tensor

    def some(self, places: Sequence[int] | np.ndarray) -> Padded:
        at = torch.as_tensor(places)
        longest = max(1, int(self.there[at].sum(1).max()))
        return Padded(self.tokens[at, :longest], self.there[at, :longest], self.rarity[at, :longest])


def padded(texts: Sequence[np.ndarray], rarities: Sequence[np.ndarray]) -> Padded:
    longest = max(1, *(len(text) for text in texts))
    tokens = torch.zeros(len(texts), longest, DIMENSIONS)
    rarity = torch.zeros(len(texts), longest)
    there = torch.zeros(len(texts), longest, dtype=torch.bool)
    for place, (text, each) in enumerate(zip(texts, rarities, strict=True)):
        tokens[place, : len(text)] = torch.from_numpy(text)
        rarity[place, : len(each)] = torch.from_numpy(each)
        there[place, : len(text)] = True
    return Padded(tokens, there, rarity)


def means(questions: Sequence[States], passages: Sequence[States]) -> dict[str, np.ndarray]:
    """The mean state of the tokens of each, float32 [384]."""

    def mean(texts: Sequence[States]) -> np.ndarray:
        return np.asarray(np.concatenate([text.values[text.rarity > 0] for text in texts]).mean(0, dtype=np.float32))

    return {"question_mean": mean(questions), "passage_mean": mean(passages)}


def tensors(course: Course, reading: Reading) -> tuple[Padded, Padded]:
    """Its questions and passages."""
    asked = [reading.of_question(question) for question in course.questions]
    told = [reading.of_passage(passage)[:MAX_TOKENS] for passage in course.passages]
    return (
        padded([tokens for tokens, _ in asked], [rarity for _, rarity in asked]),
        padded(told, [np.zeros(len(tokens), np.float32) for tokens in told]),
    )


def trained(courses: Sequence[tuple[Padded, Padded, Sequence[Lesson]]], seed: int = 0) -> Judge:
    """The same each time on one machine."""
    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    judge = Judge()
    matrices = [each for each in judge.parameters() if each.ndim > 1]
    others = [each for each in judge.parameters() if each.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=RATE)
    steps = sum(len(list(_batches(lessons, chance))) for *_, lessons in courses) * EPOCHS
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.2)
    judge.train()
    for _ in range(EPOCHS):
        epoch = [(asked, told, batch) for asked, told, lessons in courses for batch in _batches(lessons, chance)]
        for place in chance.permutation(len(epoch)):
            loss = _loss(judge, *epoch[place])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    judge.eval()
    return judge


def _batches(lessons: Sequence[Lesson], chance: np.random.Generator) -> Iterator[list[Lesson]]:
    """Of BATCH questions, with all lessons of each."""
    of: dict[int, list[Lesson]] = {}
    for lesson in lessons:
        of.setdefault(lesson.question, []).append(lesson)
    order = chance.permutation(list(of))
    for first in range(0, len(order), BATCH):
        yield [lesson for question in order[first : first + BATCH] for lesson in of[question]]


def _loss(judge: Judge, asked: Padded, told: Padded, lessons: Sequence[Lesson]) -> torch.Tensor:
    """Minus the log likelihood of one of the passages that answer, or of none, whose odds are one."""
    lengths = [len(lesson.passages) for lesson in lessons]
    questions, question = np.unique(np.repeat([lesson.question for lesson in lessons], lengths), return_inverse=True)
    passages, passage = np.unique(np.concatenate([lesson.passages for lesson in lessons]), return_inverse=True)
    odds = torch.from_numpy(np.concatenate([lesson.odds for lesson in lessons])).float()
    pairs = torch.from_numpy(question), torch.from_numpy(passage)
    some = asked.some(questions)
    near = _near([row for lesson in lessons for row in lesson.near], some.tokens.shape[1])
    odds = odds + judge(some, told.some(passages), *pairs, near)
    answers = torch.from_numpy(np.concatenate([lesson.answers for lesson in lessons])).float()
    of = torch.from_numpy(np.repeat(np.arange(len(lessons)), lengths))
    weights = torch.tensor([lesson.weight for lesson in lessons])
    odds = odds.clamp(-15, 15).exp()
    every = torch.ones(len(lessons)).index_add(0, of, odds)
    right = torch.zeros(len(lessons)).index_add(0, of, odds * answers)
    right = torch.where(right > 0, right, torch.ones(()))
    return ((every.log() - right.log()) * weights).sum() / weights.sum()


def _near(rows: Sequence[np.ndarray], tokens: int) -> torch.Tensor:
    made = torch.zeros(len(rows), tokens)
    for place, row in enumerate(rows):
        made[place, : len(row)] = torch.from_numpy(row)
    return made


@torch.no_grad()
def judged(judge: Judge, asked: Padded, told: Padded, near: Sequence[np.ndarray]) -> np.ndarray:
    """float32 [questions, passages]. near: of each question, float32 [passages, its tokens]."""
    every = len(told.tokens)
    passage = torch.arange(every)
    parts = []
    for place, rows in enumerate(near):
        some = asked.some([place])
        around = _near(list(rows), some.tokens.shape[1])
        parts.append(judge(some, told, torch.zeros(every, dtype=torch.int64), passage, around))
    return np.asarray(torch.stack(parts).numpy())


def exported(judge: Judge, centres: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {**judge.weights(), **{name: values.astype(np.float16) for name, values in centres.items()}}
