"""The `arcus` command, imported once: for each line of JSON on stdin a copy of this process runs it to its end.

A line is {arguments, environment, folder}; what is typed stands in the folder's stdin, what it printed goes to its stdout
and stderr. The reply is its exit status. Only importing is saved: a second of each command's one and a half.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import traceback
from pathlib import Path

from services.cli.main import main

NEEDED = (  # of what commands import when they are called
    "aiosqlite",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "alembic.command",
    "services.cli.ask",
    "services.cli.credentials",
    "services.cli.ingest",
    "services.core.store.migration",
)


def run(arguments: list[str], environment: dict[str, str], folder: Path) -> None:
    """Never returns."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.dup2(os.open(folder / name, os.O_RDONLY if not number else os.O_WRONLY | os.O_CREAT, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["arcus", *arguments]
    status = 0
    try:
        main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    for module in NEEDED:
        importlib.import_module(module)
    assert threading.active_count() == 1  # else a copy might wait for what a thread holds
    for line in sys.stdin:
        asked = json.loads(line)
        if not (child := os.fork()):
            run(asked["arguments"], asked["environment"], Path(asked["folder"]))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
