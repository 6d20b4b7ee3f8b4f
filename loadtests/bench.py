"""Every benchmark in turn, each in a process of its own: python -m loadtests.bench [NAME …]

Each prints both sides of its ratios, checks its counts, and writes JSON to loadtests/out. Exits 1 if any missed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = ("tokens", "search", "front_search", "decode", "ingest", "memory")
OUT = Path(__file__).parent / "out"
LIMIT_SECONDS = 3600


def main() -> int:
    names = sys.argv[1:] or BENCHMARKS
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(f"No such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}.")
        return 2
    OUT.mkdir(exist_ok=True)
    missed = []
    for name in names:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"loadtests.{name}", "--json", str(OUT / f"{name}.json")]
        if subprocess.run(command, timeout=LIMIT_SECONDS, check=False).returncode:
            missed.append(name)
    print(f"\n{len(names) - len(missed)} passed, {len(missed)} failed {' '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
