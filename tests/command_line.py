"""The `arcus` command as a process: what it prints, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.running_system import ROOT


def arcus(*arguments: object, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs it to its end. Whatever happens, nobody is shown a traceback."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ARCUS_")}
    result = subprocess.run(
        [sys.executable, "-m", "services.cli.main", *map(str, arguments)],
        env={**inherited, "COLUMNS": "200", "NO_COLOR": "1", **environment},
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "Traceback" not in result.stdout + result.stderr, result.stderr
    return result


def check_failed(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert (result.returncode, result.stdout) == (1, ""), result
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr
