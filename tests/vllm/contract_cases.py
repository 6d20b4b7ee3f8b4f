"""The tests of a role's contract suite as values, so that they run on engines that are opened once for all of them."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest


def cases(suite: ModuleType, without: frozenset[str] = frozenset()) -> Iterator[Any]:
    """Parameters (test, arguments) of every test that takes `opened`, with what else it is parametrized by.

    Raises ValueError where `without` names a test that the suite does not have.
    """
    tests = {name: test for name, test in vars(suite).items() if name.startswith("test_")}
    if unknown := without - tests.keys():
        raise ValueError(f"no such tests: {sorted(unknown)}")
    for name, test in tests.items():
        if name in without or "opened" not in inspect.signature(test).parameters:
            continue
        marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
        axes = [[(mark.args[0], value) for value in mark.args[1]] for mark in marks if mark.args[0] != "opened"]
        for chosen in itertools.product(*axes):
            arguments = dict(chosen)
            label = "-".join([name.removeprefix("test_"), *map(str, arguments.values())])
            yield pytest.param(test, arguments, id=label[:80])
