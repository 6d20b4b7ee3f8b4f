"""Learns what a question asks of the files themselves, as `slots/calls.py` tells it, from the questions in catalog/.

    python -m training.catalog        # writes ray_jobs/engines/embedded/extractive/slots/calls.npz

Each phrasing is filled in with several names of files and numbers. The same phrasings about other things than files ("How many
bridges are there?") and all other questions of this folder ask nothing of the files. `training/catalog_held.py` judges what was
learned, by questions of its own.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ray_jobs.engines.embedded.extractive.slots.calls import CHOICES, MAX_TOKENS, SCALE, WEIGHTS, WHOLE
from ray_jobs.engines.embedded.token_states import DIMENSIONS, reader
from training.example_files import read_examples
from training.forms import EXAMPLES as FORMS
from training.forms import of_passages
from training.topics import topics

EXAMPLES = Path(__file__).with_name("catalog")
WORDS = {"r": "rows", "q": "row", "d": "durations", "t": "times", "v": "values", "k": "numbers", "f": "files"}
OF_OTHERS = {**WORDS, "r": "others", "q": "other"}
UNASKED = {"ways", *WORDS.values(), *OF_OTHERS.values()}
TIMES = 2  # that a phrasing is filled in
PUT_OTHERWISE, PLAIN = (
    0.3,
    0.2,
)  # shares of the questions that are put with a greeting or the like, and without capitals and marks
PROJECTED, POOLED, HIDDEN = 64, 8, 96
EPOCHS, BATCH, RATE, DECAY, DROPPED = 10, 64, 3e-3, 0.02, 0.3
NO_MATTER = -100  # of a choice: nothing is learned of it
MASKED = -1e4
_SLOT = re.compile(r"\{(\w)\}")
_NAMED = re.compile(r"\{[rq]\}")
_MARKS = re.compile(r"[?？!！.。¿¡](?=\s|$)|[¿¡]")  # not of "talk.mp4"


@dataclass(frozen=True)
class Example:
    language: str
    call: Mapping[str, str]  # by choice
    text: str


def read_written(written: str) -> dict[str, str]:
    """The choices of a call, as "list speech=no length over" is written. Raises ValueError of one that there is none of."""
    tool, *rest = written.split()
    call = dict.fromkeys(CHOICES, "") | {"tool": tool, WHOLE: "" if tool == "none" else "no"}
    for part in rest:
        name, _, value = part.partition("=")
        if value and name in CHOICES:
            call[name] = value
        elif name in ("most", "least"):
            call["end"] = name
        elif name in ("over", "under", "within", "after", "before"):
            call["bound"] = name
        elif name in ("length", "date", "name"):
            call["by"] = name
        elif name not in ("rank", "limit", "file"):
            raise ValueError(f"{written}: {part}")
    return call


def examples() -> Iterator[Example]:
    """What fills a phrasing is drawn for it alone, so that another one changes no other question."""
    forms = json.loads(FORMS.read_text(encoding="utf-8"))
    for language, every in read_examples(EXAMPLES).items():
        for written in [name for name in every if name not in UNASKED]:
            call = read_written(written)
            for phrasing in every[written]:
                lot = random.Random(phrasing)
                for text, asked in _filled(phrasing, call, every, forms[language]["topics"], lot):
                    yield Example(language, asked, text)
                    if lot.random() < PUT_OTHERWISE:
                        yield Example(language, asked, lot.choice(every["ways"]).replace("{s}", text))
                    if lot.random() < PLAIN:
                        yield Example(language, asked, _MARKS.sub("", text).lower().strip())
    for text, is_whole in _others(random.Random(7)):
        yield Example("", read_written("none") | {WHOLE: "yes" if is_whole else "no"}, text)


def _filled(
    phrasing: str, call: dict[str, str], every: Mapping[str, Any], topics_of: Sequence[str], lot: random.Random
) -> Iterator[tuple[str, dict[str, str]]]:
    def fill(words: Mapping[str, str]) -> str:
        return _SLOT.sub(
            lambda slot: str(lot.choice(every[words[slot[1]]] if slot[1] in words else topics_of)), phrasing
        )

    for _ in range(TIMES if "{" in phrasing else 1):
        yield fill(WORDS), call
    if _NAMED.search(phrasing) and call["tool"] not in ("none", "refine"):
        yield fill(OF_OTHERS), read_written("none")


def _others(lot: random.Random) -> Iterator[tuple[str, bool]]:
    """(question, whether it asks for whole videos)."""
    for _, text in of_passages():
        yield text, False
    for every in topics():
        yield from ((asked.text, True) for asked in every.asked)
    for told in json.loads(FORMS.read_text(encoding="utf-8")).values():
        for form in [name for name in told if name not in ("topics", "catalog")]:
            for text in told[form]:
                first, second = lot.sample(told["topics"], 2)
                yield text.replace("{x}", first).replace("{y}", second), form == "whole"


def matters(call: Mapping[str, str], choice: str) -> bool:
    """Whether a call makes the choice at all."""
    if choice in ("tool", WHOLE):
        return bool(call[choice])
    if call["tool"] in ("none", "refine"):
        return False
    is_sorted = call["tool"] in ("first", "order")
    return is_sorted if choice == "end" else is_sorted or call["tool"] == "tell" if choice == "by" else True


class Caller(nn.Module):
    """As `calls.chosen`. `classes`: by choice."""

    def __init__(self, classes: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.classes = classes
        self.told = nn.Linear(DIMENSIONS, PROJECTED)
        self.pooling = nn.Linear(DIMENSIONS, POOLED, bias=False)
        self.inner = nn.Linear(POOLED * PROJECTED + PROJECTED, HIDDEN)
        self.choices = nn.ModuleDict({name: nn.Linear(HIDDEN, len(found)) for name, found in classes.items()})

    def forward(self, tokens: torch.Tensor, there: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits of each choice. `tokens`: float32 [questions, tokens, 384]; `there`: bool [questions, tokens]."""
        if self.training:  # the first mark is always there
            there = there & ((torch.rand(there.shape) > DROPPED / 3) | (there.cumsum(1) <= 1))
        told = functional.relu(self.told(tokens))
        attention = self.pooling(tokens).masked_fill(~there[..., None], MASKED).softmax(1)
        most = (told * there[..., None]).max(1).values
        pooled = torch.cat([torch.einsum("bta,btp->bap", attention, told).flatten(1), most], 1)
        hidden = functional.relu(self.inner(functional.dropout(pooled, DROPPED, self.training)))
        hidden = functional.dropout(hidden, DROPPED, self.training)
        return {name: layer(hidden) for name, layer in self.choices.items()}

    def weights(self) -> dict[str, np.ndarray]:
        named = {
            "told": self.told.weight.T,
            "told_bias": self.told.bias,
            "pooling": self.pooling.weight.T,
            "inner": self.inner.weight.T,
            "inner_bias": self.inner.bias,
        }
        for name, layer in self.choices.items():
            assert isinstance(layer, nn.Linear)
            named |= {name: layer.weight.T, f"{name}_bias": layer.bias}
        made = {name: np.asarray(values.detach().numpy(), np.float16) for name, values in named.items()}
        return made | {f"{name}_classes": np.array(found) for name, found in self.classes.items()}


def fitted(made: Sequence[Example], seed: int = 7, told: Callable[[str], None] = print) -> dict[str, np.ndarray]:
    """The weights that `calls.chosen` takes."""
    torch.manual_seed(seed)
    states = [
        each.values[:MAX_TOKENS].astype(np.float32)
        for each in reader().states([item.text for item in made], queries=True)
    ]
    mean = np.concatenate(states).mean(axis=0)
    tokens = torch.zeros(len(made), max(map(len, states)), DIMENSIONS)
    there = torch.zeros(tokens.shape[:2], dtype=torch.bool)
    for place, each in enumerate(states):
        centred = each - mean
        tokens[place, : len(each)] = torch.tensor(SCALE * centred / np.linalg.norm(centred, axis=1, keepdims=True))
        there[place, : len(each)] = True
    choices = (*CHOICES, WHOLE)
    classes = {name: sorted({item.call[name] for item in made if matters(item.call, name)}) for name in choices}
    wanted = {
        name: torch.tensor([found.index(item.call[name]) if matters(item.call, name) else NO_MATTER for item in made])
        for name, found in classes.items()
    }
    caller = Caller(classes)
    steps = len(made) // BATCH
    optimizer = torch.optim.AdamW(caller.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * steps)
    for epoch in range(EPOCHS):
        lost = 0.0
        order = torch.randperm(len(made))
        for step in range(steps):
            lot = order[step * BATCH : (step + 1) * BATCH]
            likely = caller(tokens[lot], there[lot])
            losses = [
                functional.cross_entropy(likely[name], wanted[name][lot], ignore_index=NO_MATTER, label_smoothing=0.03)
                for name in choices
                if (wanted[name][lot] != NO_MATTER).any()
            ]
            loss = torch.stack(losses).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            lost += float(loss.detach())
        told(f"epoch {epoch + 1}: loss {lost / steps:.3f}")
    return {"mean": mean.astype(np.float16), **caller.weights()}


def main() -> None:
    made = list(examples())
    print(f"{len(made)} questions, {sum(item.call['tool'] != 'none' for item in made)} of them about files")
    np.savez_compressed(WEIGHTS, **fitted(made))
    print(f"wrote {WEIGHTS.name}")


if __name__ == "__main__":
    main()
