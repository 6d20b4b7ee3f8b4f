"""The frame of a question: whether it counts or lists, what it groups by, and whether the most of something is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from ray_jobs.engines.embedded.extractive.entities.columns import ALIKE, EXACT, MEANT, Columns, EntityColumn
from ray_jobs.engines.embedded.extractive.entities.conditions import adjective_column, date_column
from ray_jobs.engines.embedded.extractive.entities.queries import Ask
from ray_jobs.engines.embedded.extractive.entities.words import ADJECTIVES, EXTREMES, FORMS, Token

_ROWS = frozenset("video clip file recording footage".split())
LISTING = frozenset("which list what show name find give who where when".split())
_AVERAGES = {"average": "avg", "mean": "avg", "median": "median", "avg": "avg"}
_SUMS = frozenset("total sum combined altogether overall".split())
_GROUPING = frozenset("per each every by across".split())
_COMMON = frozenset(
    "common frequent popular often frequently commonly used mentioned discussed covered featured visited".split()
)


@dataclass
class Frame:
    """Each method marks the words that it read."""

    text: str
    columns: Columns
    words: list[Token] = field(default_factory=list)

    def opening(self) -> str | None:
        """What kind of question it is, by its first words: count or list."""
        for index, token in enumerate(self.words):
            if token.word == "how" and index + 1 < len(self.words) and self.words[index + 1].word == "many":
                return "count"
            if token.word == "how" and index == 0 and len(self.words) > 1:
                self.words[1].is_read = self.words[1].word in ADJECTIVES
                return "degree" if self.words[1].is_read or self.words[1].word == "much" else None
            follows = index + 1 < len(self.words) and self.words[index + 1].word == "of"
            if (token.word in ("number", "count") and follows) or (token.word == "count" and index == 0):
                return "count"
        for token in self.words[:4]:
            if token.word in LISTING or token.word in _AVERAGES or token.word in _SUMS:
                return "list"
        return None

    def read_grouping(self, ask: Ask) -> None:
        for index, token in enumerate(self.words):
            if token.word not in _GROUPING:
                continue
            after = index + 1
            while after < len(self.words) and self.words[after].word in ("each", "every", "of", "the", "different"):
                after += 1
            if after >= len(self.words):
                continue
            column, is_rows, is_collection = self._groupable(after, surely=token.word == "by")
            if column is None and not is_rows and not is_collection:
                period = self.words[after].word
                when = date_column(self.words, after, self.columns) if period in ("year", "month") else None
                if when is None or token.word not in ("per", "each", "every", "by"):
                    continue
                ask.group, ask.group_period = when, period
            ask.group = ask.group or column
            ask.groups_rows, ask.groups_collections = is_rows, is_collection
            for place in range(index, after + 1):
                self.words[place].is_read = True
            if index and self.words[index - 1].word in ("for", "in", "by", "grouped", "broken", "down", "of"):
                self.words[index - 1].is_read = True
            for item in self.words:
                item.is_read = item.is_read or item.word in ("grouped", "broken", "down", "breakdown", "split")
            return

    def _groupable(self, place: int, *, surely: bool) -> tuple[EntityColumn | None, bool, bool]:
        token = self.words[place]
        if token.forms[0] == "collection":
            return None, False, True
        texts = [column for column in self.columns.properties if column.is_text or column.is_flag]
        column = self.columns.best(token, texts, EXACT if surely else ALIKE)
        if column is not None:
            return column, False, False
        if self.is_row_word(token) and not surely:
            return None, True, False
        return None, False, False

    def is_row_word(self, token: Token) -> bool:
        if token.forms[0] in _ROWS:
            return True
        return any(token.forms[0] in self.columns.row_words(name) for name in self.columns.collection_names)

    def read_extreme(self, ask: Ask) -> Token | None:
        """The word that asks for the most or least of something; sets how many are wanted."""
        for index, token in enumerate(self.words):
            word = token.word
            following = self.words[index + 1].word if index + 1 < len(self.words) else ""
            before = self.words[index - 1] if index else None
            if word in ("most", "least") and before is not None and before.word == "at":
                continue
            is_superlative = word in FORMS and word.endswith("st")
            if word in ("more", "less") or not (word in EXTREMES or is_superlative):
                continue
            if word == "top" and not (index + 1 < len(self.words) and self.words[index + 1].number):
                continue
            token.is_read = True
            if word in ("most", "least") and following in _COMMON:
                self.words[index + 1].is_read = True
                ask.is_common, ask.descending = True, word == "most"
            elif word in ("most", "least") and following in ADJECTIVES:
                self.words[index + 1].is_read = True
                column = adjective_column(following, self.columns.all)
                if column is None:
                    token.is_read = self.words[index + 1].is_read = False
                    return token
                ask.order, ask.descending = column, ADJECTIVES[following][1] == (word == "most")
            elif is_superlative:
                column = adjective_column(word, self.columns.all)
                if column is None:
                    token.is_read = False  # stays unexplained
                    return token
                ask.order, ask.descending = column, ADJECTIVES[FORMS[word]][1]
                for other in self.words:
                    if column.mentioned_by(other) >= MEANT and other is not token:
                        other.is_read = True
            else:
                ask.descending = EXTREMES[word]
            for place in (index - 1, index + 1):
                if 0 <= place < len(self.words):
                    item = self.words[place]
                    if (
                        item.number is not None
                        and not item.is_read
                        and item.number == int(item.number)
                        and item.kind in ("word", "number")
                    ):
                        if 1 <= item.number <= 100:
                            ask.limit, item.is_read = int(item.number), True
                            ask.is_top = True
            return token
        return None

    def read_measure(self) -> str:
        for index, token in enumerate(self.words):
            if token.word in _AVERAGES:
                token.is_read = True
                return _AVERAGES[token.word]
            if token.word in _SUMS and not (token.word == "total" and index and self.words[index - 1].word == "in"):
                token.is_read = True
                return "sum"
            if token.word == "total":
                token.is_read = self.words[index - 1].is_read = True
        return ""
