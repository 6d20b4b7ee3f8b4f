"""What each row of a sub-index belongs to: its embedding, segment and file, as columns beside the vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count

import numpy as np

from services.core.index.embedding_log import LogRow


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

    def all(self) -> dict[int, str]:
        """The names as they are now, by number."""
        return dict(self._names)

    def drop(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            del self._numbers[self._names.pop(number)]


class Rows:
    """ids: int64 [n], segments and files: int64 [n], numbers of names. Row n here is row n of the vectors.

    Rows that were removed stay, no longer `alive`, until the sub-index is compacted. Columns are replaced, not changed,
    so that whoever holds one keeps what it was; `alive` alone changes in place.
    """

    def __init__(self) -> None:
        self._segment_names, self._file_names = Names(), Names()
        self._known: set[int] = set()
        self.ids = self.segments = self.files = np.empty(0, np.int64)
        self.alive = np.empty(0, bool)
        self.dead_count = 0

    @property
    def alive_count(self) -> int:
        return len(self.ids) - self.dead_count

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
        self._append(*np.array(columns, np.int64).reshape(-1, 3).T)
        return [row.vector for row in new if row.vector is not None]

    def restore(
        self,
        ids: np.ndarray,
        segments: np.ndarray,
        segment_names: Sequence[str],
        files: np.ndarray,
        file_names: Sequence[str],
    ) -> None:
        """Fills empty rows; segments and files: int [n], places among the names."""
        self._known = set(ids.tolist())
        segment_numbers = np.array([self._segment_names.number(name) for name in segment_names], np.int64)
        file_numbers = np.array([self._file_names.number(name) for name in file_names], np.int64)
        self._append(ids.astype(np.int64), segment_numbers[segments], file_numbers[files])

    def remove_file(self, file_id: str) -> None:
        numbers = self._file_names.known([file_id])
        if not numbers:
            return
        gone = self.alive & (self.files == numbers[0])
        self._known -= set(self.ids[gone].tolist())
        self.alive[gone] = False
        segments = np.unique(self.segments[gone])
        self._segment_names.drop(segments[~np.isin(segments, self.segments[self.alive])].tolist())
        self._file_names.drop(numbers)
        self.dead_count += int(gone.sum())

    def compacted(self, sources: np.ndarray) -> Rows:
        """These rows, in this order, which all that are alive must be among. Takes the names over: use only the new rows."""
        rows = Rows()
        rows._segment_names, rows._file_names, rows._known = self._segment_names, self._file_names, self._known
        rows._append(self.ids[sources], self.segments[sources], self.files[sources])
        rows.alive = self.alive[sources]
        rows.dead_count = int((~rows.alive).sum())
        return rows

    def names(self, distinct: str) -> Callable[[int], str]:
        """What tells a segment or a file from others in every collection, from its number here."""
        return self._segment_names.name if distinct == "segment" else self._file_names.name

    def all_names(self) -> tuple[dict[int, str], dict[int, str]]:
        """(segments, files) by number, as they are now."""
        return self._segment_names.all(), self._file_names.all()

    def kept(self, file_ids: Sequence[str], segment_ids: Sequence[str]) -> np.ndarray:
        """bool [n]: what is alive and belongs to these files and segments, where any are named."""
        kept = self.alive.copy()
        for column, names, wanted in (
            (self.files, self._file_names, file_ids),
            (self.segments, self._segment_names, segment_ids),
        ):
            if wanted:
                kept &= np.isin(column, names.known(wanted))
        return kept

    def _append(self, ids: np.ndarray, segments: np.ndarray, files: np.ndarray) -> None:
        self.ids = np.concatenate([self.ids, ids])
        self.segments = np.concatenate([self.segments, segments])
        self.files = np.concatenate([self.files, files])
        self.alive = np.concatenate([self.alive, np.ones(len(ids), bool)])
