"""How busy a GPU, its video decoder and the processors were over time: looked at while something runs, and drawn."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

GPU, DECODER, PROCESSORS = "GPU", "video decoder", "processors"
EVERY_SECONDS = 0.2
BLOCKS = "▁▂▃▄▅▆▇█"
COLOURS = {GPU: "#0b6", DECODER: "#06c", PROCESSORS: "#b60"}
WIDTH, HEIGHT, LEFT, FOOT = 960, 240, 48, 40
MOST_POINTS = 400  # of a drawn line


@dataclass
class Use:
    """samples: of each thing (seconds, share from 0 to 1 that it was busy), in order; marks: (from, to, what went on)."""

    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    marks: list[tuple[float, float, str]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def take(self, what: str, share: float) -> None:
        self.samples.setdefault(what, []).append((time.monotonic() - self.began, min(1.0, max(0.0, share))))

    @contextmanager
    def marked(self, what: str) -> Iterator[None]:
        begin = time.monotonic() - self.began
        try:
            yield
        finally:
            self.marks.append((begin, time.monotonic() - self.began, what))

    def mean(self, what: str, during: str) -> float | None:
        """The share that `what` was busy in the marks of that name; None where nobody looked."""
        spans = [(begin, end) for begin, end, name in self.marks if name == during]
        found = [share for at, share in self.samples.get(what, []) if any(begin <= at <= end for begin, end in spans)]
        return sum(found) / len(found) if found else None

    def line(self, what: str, during: str, columns: int = 40) -> str:
        """Its course in those marks as a line of blocks."""
        points = [
            (at, share)
            for at, share in self.samples.get(what, [])
            if any(begin <= at <= end for begin, end, name in self.marks if name == during)
        ]
        return "".join(BLOCKS[round(share * (len(BLOCKS) - 1))] for _, share in _thinned(points, columns))

    def drawn(self) -> str:
        """SVG: a line for each thing, over the marks, from the first to the last of them."""
        first = min((begin for begin, _, _ in self.marks), default=0.0)
        whole = max((end for _, end, _ in self.marks), default=first) - first or 1.0

        def x(seconds: float) -> float:
            return LEFT + (WIDTH - LEFT) * (seconds - first) / whole

        def y(share: float) -> float:
            return 8 + (HEIGHT - FOOT - 8) * (1 - share)

        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        ]
        for number, (begin, end, what) in enumerate(self.marks):
            parts.append(
                f'<rect x="{x(begin):.1f}" y="8" width="{x(end) - x(begin):.1f}" height="{HEIGHT - FOOT - 8}" '
                f'fill="{("#eee", "#ddd")[number % 2]}"/><text x="{x(begin) + 2:.1f}" y="{20 + 12 * (number % 2)}">{what}</text>'
            )
        for share in (0.0, 0.5, 1.0):
            parts.append(
                f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y(share):.1f}" y2="{y(share):.1f}" stroke="#999" stroke-width="0.5"/>'
                f'<text x="4" y="{y(share) + 4:.1f}">{share:.0%}</text>'
            )
        for number, (what, points) in enumerate(sorted(self.samples.items())):
            during = [(at, share) for at, share in points if first <= at <= first + whole]
            places = " ".join(f"{x(at):.1f},{y(share):.1f}" for at, share in _thinned(during, MOST_POINTS))
            colour = COLOURS.get(what, "#333")
            parts.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
            parts.append(f'<text x="{LEFT + 140 * number}" y="{HEIGHT - 6}" fill="{colour}">{what}</text>')
        parts.append(f'<text x="{WIDTH - 60}" y="{HEIGHT - 6}">{whole:.1f} s</text></svg>')
        return "\n".join(parts)


@contextmanager
def watched(*, on_gpu: bool, every_seconds: float = EVERY_SECONDS) -> Iterator[Use]:
    """Looks until it is left. Of a GPU what nvidia-smi tells; where that is not installed, of the processors alone."""
    use, over = Use(), threading.Event()
    threads = [threading.Thread(target=_processors, args=(use, over, every_seconds), name="use", daemon=True)]
    smi: subprocess.Popen[str] | None = None
    if on_gpu and shutil.which("nvidia-smi"):
        smi = subprocess.Popen(
            [
                "nvidia-smi",
                "--id=0",
                "--query-gpu=utilization.gpu,utilization.decoder",
                "--format=csv,noheader,nounits",
                f"--loop-ms={round(every_seconds * 1000)}",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        threads.append(threading.Thread(target=_told, args=(use, smi), name="nvidia-smi", daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield use
    finally:
        over.set()
        if smi is not None:
            smi.terminate()
        for thread in threads:
            thread.join()
        if smi is not None:
            smi.wait()


def take_told(use: Use, line: str) -> None:
    """One line of nvidia-smi: percents of the GPU and of its decoder; "[N/A]" where a card does not tell one."""
    for what, told in zip((GPU, DECODER), line.split(","), strict=False):
        if told.strip().isdigit():
            use.take(what, int(told) / 100)


def _told(use: Use, smi: subprocess.Popen[str]) -> None:
    assert smi.stdout is not None
    for line in smi.stdout:
        take_told(use, line)


def _processors(use: Use, over: threading.Event, every_seconds: float) -> None:
    last = _ticks()
    while not over.wait(every_seconds):
        now = _ticks()
        spent, idle = now[0] - last[0], now[1] - last[1]
        if spent:
            use.take(PROCESSORS, 1 - idle / spent)
            last = now


def _ticks() -> tuple[int, int]:
    """(all, idle) ticks of all processors since the start: proc(5), /proc/stat."""
    counts = [int(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(counts), counts[3] + counts[4]


def _thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most so many points, each the mean of those that it stands for."""
    if len(points) <= most:
        return list(points)
    edges = [number * len(points) // most for number in range(most + 1)]
    groups = [points[first:last] for first, last in pairwise(edges)]
    return [(group[0][0], sum(share for _, share in group) / len(group)) for group in groups]
