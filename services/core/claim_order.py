"""Whose job is next: start-time fair queuing (Goyal, Vin and Cheng, 1996), for numbers and for SQL expressions alike.

Virtual time is video seconds divided by weight. The tenant whose turn begins earliest is served, then the one whose id is
least. Who was idle begins where the last turn began: idleness saves nothing up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, case

Value = Any  # a float, or a column of them


def later_column(one: Value, other: Value) -> ColumnElement[float]:
    return case((one > other, one), else_=other)


def turn_start(own: Value, now_served: Value, later: Callable[[Value, Value], Value]) -> Value:
    """`own`: when the tenant's last turn ends; `now_served`: when the turn began that was given last."""
    return later(own, now_served)


def turn_end(own: Value, start: Value, cost: Value, later: Callable[[Value, Value], Value]) -> Value:
    """`own` again, since another turn of the tenant may have been charged meanwhile; `cost`: see `cost_of`."""
    return later(own, start) + cost


def cost_of(seconds: float, weight: Value) -> Value:
    """In virtual time, of so much video."""
    return seconds / weight
