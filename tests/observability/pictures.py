"""Draws the dashboards from what a real Prometheus reads of two fronts and Ray under some traffic: docs/pictures/*.png

    python -m tests.observability.pictures

Panels of what only vLLM tells stay empty here, and say so.
"""

from __future__ import annotations

import json
import math
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from services.cli.instance import ROOT
from tests.observability.expressions import DASHBOARDS, names, with_values
from tests.observability.observed import KEY, Observed, is_up, observing, use, use_engines
from tests.waiting import until

PICTURES = ROOT / "docs" / "pictures"
TRAFFIC_SECONDS = 270.0
SHOWN_SECONDS = 240.0
STEP_SECONDS = 2
USERS = 3
COLUMNS = 2
MOST_LINES = 15


def traffic(observed: Observed, seconds: float) -> None:
    """Users who ask, search and upload by turns, now and then without a right to, and one whose videos are understood."""
    until_time = time.monotonic() + seconds

    def user(number: int) -> None:
        chance = random.Random(number)
        while time.monotonic() < until_time:
            front = chance.choice(observed.fronts)
            use(front)
            if chance.random() < 0.2:
                httpx.get(f"{front.url}/files", headers={"Authorization": f"Bearer {KEY}-not"}, timeout=60)
            time.sleep(chance.expovariate(1.5))

    def viewer() -> None:
        while time.monotonic() < until_time:
            use_engines(observed.system)

    with ThreadPoolExecutor(USERS + 1) as users:
        understood = users.submit(viewer)
        list(users.map(user, range(USERS)))
        understood.result()


def series(prometheus: httpx.Client, expression: str, end: float) -> list[dict[str, Any]]:
    asked: dict[str, str | float] = {
        "query": expression,
        "start": end - SHOWN_SECONDS,
        "end": end,
        "step": STEP_SECONDS,
    }
    return prometheus.get("/api/v1/query_range", params=asked).raise_for_status().json()["data"]["result"]


def draw(path: Path, prometheus: httpx.Client, end: float) -> Figure:
    """A dashboard, its panels in their order."""
    dashboard = json.loads(path.read_text())
    panels = dashboard["panels"]
    rows = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(12, 2.4 * rows + 0.4), layout="constrained")
    figure.suptitle(dashboard["title"], fontweight="bold")
    for axes, panel in zip(figure.subplots(rows, COLUMNS, squeeze=False).flat, panels, strict=False):
        _panel(axes, panel, prometheus, end)
    for axes in figure.axes[len(panels) :]:
        axes.set_visible(False)
    return figure


def _panel(axes: Axes, panel: dict[str, Any], prometheus: httpx.Client, end: float) -> None:
    unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "")
    axes.set_title(f"{panel['title']}{f' [{unit}]' if unit else ''}", fontsize="small")
    axes.set_xlim(-SHOWN_SECONDS, 0)
    axes.tick_params(labelsize="x-small")
    for target in panel["targets"]:
        for line in series(prometheus, with_values(target["expr"]), end)[:MOST_LINES]:
            label = target.get("legendFormat", "")
            for name, value in line["metric"].items():
                label = label.replace("{{" + name + "}}", value)
            points = [(float(at) - end, float(value)) for at, value in line["values"]]
            shown = [(at, value) for at, value in points if math.isfinite(value)]
            axes.plot([at for at, _ in shown], [value for _, value in shown], linewidth=1, label=label or None)
    if axes.lines:
        axes.set_ylim(bottom=0)
        if any(not str(line.get_label()).startswith("_") for line in axes.lines):
            axes.legend(fontsize="xx-small", ncols=2, loc="upper left")
        return
    told_here = ("arcus", "process", "ray")
    wanted = [name for target in panel["targets"] for name in names(with_values(target["expr"]))]
    foreign = not all(name.startswith(told_here) for name in wanted)
    told = "told by vLLM" if foreign else "nothing happened"
    axes.text(0.5, 0.5, told, ha="center", va="center", transform=axes.transAxes, fontsize="small", color="#777")


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="arcus-pictures-") as folder, observing(Path(folder)) as observed:
        until(lambda: is_up(observed), "Prometheus reads two fronts and the engines", 120)
        traffic(observed, TRAFFIC_SECONDS)
        end = time.time()
        for path in DASHBOARDS:
            FigureCanvasAgg(draw(path, observed.prometheus, end)).print_png(PICTURES / f"{path.stem}.png")
            print(f"{path.stem}.png")


if __name__ == "__main__":
    main()
