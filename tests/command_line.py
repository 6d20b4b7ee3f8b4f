"""The `arcus` command as a process: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.running_system import ROOT

Ended = subprocess.CompletedProcess[str]


class Arcus(Protocol):
    def __call__(self, *arguments: object, typed: str = "", **environment: str) -> Ended: ...


def arcus(*arguments: object, typed: str = "", **environment: str) -> Ended:
    """Runs it to its end. Whatever happens, nobody is shown a traceback."""
    result = subprocess.run(
        [sys.executable, "-m", "services.cli.main", *map(str, arguments)],
        env=_inherited() | environment,
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return _without_traceback(result)


@contextmanager
def copied_arcus() -> Iterator[Arcus]:
    """The same by copies of one process, for tests that run many commands."""
    command = [sys.executable, "-m", "tests.command_copies"]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, env=_inherited(), cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        told, replies = process.stdin, process.stdout

        def run(*arguments: object, typed: str = "", **environment: str) -> Ended:
            words = [str(word) for word in arguments]
            printed = [Path(folder, name) for name in ("stdout", "stderr")]
            Path(folder, "stdin").write_text(typed)
            asked = {"arguments": words, "environment": _inherited() | environment, "folder": folder}
            print(json.dumps(asked), file=told, flush=True)
            status = int(replies.readline())
            result = Ended(words, status, *(path.read_text() for path in printed))
            for path in printed:
                path.unlink()
            return _without_traceback(result)

        yield run


def _inherited() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ARCUS_")}
    return inherited | {"COLUMNS": "200", "NO_COLOR": "1"}


def _without_traceback(result: Ended) -> Ended:
    assert "Traceback" not in result.stdout + result.stderr, result.stderr
    return result


def check_failed(result: Ended, *words: str) -> None:
    assert (result.returncode, result.stdout) == (1, ""), result
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr
