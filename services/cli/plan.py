"""Prints what a load needs, the rates it was worked out from and what was assumed."""

from __future__ import annotations

from services.cli.sizing import Load, Need, plan


def print_plan(load: Load, *, on_gpu: bool) -> None:
    found = plan(load, on_gpu=on_gpu)
    print("needs")
    for need in found.machines:
        print(f"  {need.what:16} {_amount(need):>12}   {need.because}")
    print("\nwhere that comes from")
    for need in found.needs:
        print(f"  {need.what:16} {_amount(need):>12}   {need.because}")
    print("\nassumed")
    for line in found.assumptions:
        print(f"  {line}")
    print("\nrates")
    for rate in found.rates:
        print(f"  {rate}")


def _amount(need: Need) -> str:
    number = f"{need.amount:,.0f}" if need.amount == int(need.amount) else f"{need.amount:,.2f}"
    return f"{number} {need.unit}".strip()
