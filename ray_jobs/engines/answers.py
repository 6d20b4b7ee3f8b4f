"""How many answers of one replica wait for their first part, and how many are being written."""

from __future__ import annotations


class Answers:
    def __init__(self) -> None:
        self.waiting = self.running = 0

    def begin(self) -> Answer:
        return Answer(self)


class Answer:
    """One of them, from its call to its end."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._is_told = False
        answers.waiting += 1

    def told(self) -> None:
        """A part of it came."""
        if not self._is_told:
            self._is_told = True
            self._answers.waiting -= 1
            self._answers.running += 1

    def ended(self) -> None:
        if self._is_told:
            self._answers.running -= 1
        else:
            self._answers.waiting -= 1
