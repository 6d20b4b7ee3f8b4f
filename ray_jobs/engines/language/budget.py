"""What fits before a model: texts by their tokens, of which the least needed are left out."""

from __future__ import annotations

from collections.abc import Sequence

from ray_jobs.engines.language.model import LanguageModel
from services.core.errors import invalid

SPARE_TOKENS = 64  # of a chat template around the turns
CHARACTERS_PER_TOKEN = 8  # that no text exceeds by much: longer texts are cut before they are counted


class Budget:
    """Tokens left for a prompt whose answer takes `output_tokens` of the model's context."""

    def __init__(self, model: LanguageModel, output_tokens: int) -> None:
        self._model = model
        self.left = model.context_tokens - output_tokens - SPARE_TOKENS

    def take(self, text: str) -> None:
        """What must be there. Raises INVALID_ARGUMENT where it does not fit."""
        self.left -= self._model.count_tokens(text)
        if self.left < 0:
            raise invalid(
                f"This is too long for the model, which reads {self._model.context_tokens} tokens; ask it in fewer words."
            )

    def take_images(self, count: int, *, keep_tokens: int) -> int:
        """How many of `count` images fit; `keep_tokens` stay for text."""
        cost = max(1, self._model.image_tokens)
        taken = max(0, min(count, self._model.max_images, (self.left - keep_tokens) // cost))
        self.left -= taken * cost
        return taken

    def first(self, lines: Sequence[str], share: float = 1.0) -> list[str]:
        """The lines from the beginning that fit in a share of what is left; a longer one is passed over."""
        room = int(self.left * share)
        kept = []
        for line in lines:
            if room <= 0:
                break
            cost = self._cost(line, room)
            if cost <= room:
                kept.append(line)
                room -= cost
                self.left -= cost
        return kept

    def leading(self, lines: Sequence[str]) -> list[str]:
        """As many lines from the beginning as fit, without a gap; the first is cut where it alone does not fit."""
        kept: list[str] = []
        for line in lines:
            cost = self._cost(line, self.left)
            if cost > self.left:
                return kept or [self.cut(line)]
            kept.append(line)
            self.left -= cost
        return kept

    def cut(self, text: str) -> str:
        """The beginning of a text that fits in what is left."""
        room = max(0, self.left)
        text = text[: room * CHARACTERS_PER_TOKEN]
        while text and self._model.count_tokens(text) > room:
            text = text[: len(text) * 3 // 4]
        self.left -= self._model.count_tokens(text)
        return text

    def spread(self, lines: Sequence[str], share: float = 1.0) -> list[str]:
        """Lines from all over that fit: where there are too many, evenly thinned out."""
        room = int(self.left * share)
        costs = [self._cost(line, room) for line in lines]
        kept = list(range(len(lines)))
        while kept and (whole := sum(costs[index] for index in kept)) > room:
            count = min(len(kept) - 1, max(1, len(kept) * room // whole) if room > 0 else 0)
            kept = [kept[place * len(kept) // count] for place in range(count)] if count else []
        self.left -= sum(costs[index] for index in kept)
        return [lines[index] for index in kept]

    def _cost(self, line: str, room: int) -> int:
        if len(line) > max(room, 0) * CHARACTERS_PER_TOKEN:
            return max(room, 0) + 1
        return self._model.count_tokens(line) + 1
