"""What each row of a sub-index belongs to: its embedding, segment and file, as columns beside the vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

import numpy as np

from services.core.embedding_log import LogRow


class Names:
    """Numbers for the names that occur; a name that is dropped and comes back gets another number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._next = count()

    def number(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = next(self._next)
            self._names[number] = name
        return number

    def known(self, names: Iterable[str]) -> list[int]:
        return [number for name in names if (number := self._numbers.get(name)) is not None]

    def name(self, number: int) -> str:
        return self._names[number]

    def drop(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            del self._numbers[self._names.pop(number)]


class Rows:
    """ids: int64 [n], segments and files: int64 [n], numbers of names. Row n here is row n of the vectors."""

    def __init__(self) -> None:
        self._segment_names, self._file_names = Names(), Names()
        self._known: set[int] = set()
        self.ids = self.segments = self.files = np.empty(0, np.int64)

    def add(self, rows: Sequence[LogRow]) -> list[bytes]:
        """Takes the rows that are new and have a vector; returns these vectors, in order."""
        new = []
        for row in rows:
            if row.vector is not None and row.embedding_id not in self._known:
                self._known.add(row.embedding_id)
                new.append(row)
        columns = [
            (row.embedding_id, self._segment_names.number(row.segment_id), self._file_names.number(row.file_id))
            for row in new
        ]
        ids, segments, files = np.array(columns, np.int64).reshape(-1, 3).T
        self.ids = np.concatenate([self.ids, ids])
        self.segments = np.concatenate([self.segments, segments])
        self.files = np.concatenate([self.files, files])
        return [row.vector for row in new if row.vector is not None]

    def remove_file(self, file_id: str) -> np.ndarray:
        """The numbers that its rows had: int64, ascending."""
        numbers = self._file_names.known([file_id])
        gone = np.isin(self.files, numbers)
        self._known -= set(self.ids[gone].tolist())
        self._segment_names.drop(np.unique(self.segments[gone]).tolist())
        self._file_names.drop(numbers)
        self.ids, self.segments, self.files = self.ids[~gone], self.segments[~gone], self.files[~gone]
        return np.flatnonzero(gone)

    def names(self, distinct: str) -> Callable[[int], Any]:
        """What tells a segment or a file from others in every collection, from its number here; an id from an id."""
        return {"segment": self._segment_names.name, "file": self._file_names.name}.get(distinct, int)

    def kept(self, file_ids: Sequence[str], segment_ids: Sequence[str]) -> np.ndarray:
        """bool [n]: what belongs to these files and segments, where any are named."""
        kept = np.ones(len(self.ids), bool)
        for column, names, wanted in (
            (self.files, self._file_names, file_ids),
            (self.segments, self._segment_names, segment_ids),
        ):
            if wanted:
                kept &= np.isin(column, names.known(wanted))
        return kept
