"""Uploads files into a collection and shows how they come on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from services.cli.client import Client
from services.cli.terminal import visible_line
from services.core.errors import ArcusError, Reason

POLL_SECONDS = 0.5
TERMINAL = ("completed", "failed")


def find_collection(client: Client, name: str) -> dict[str, Any] | None:
    return next((item for item in client.pages("/collections") if item["name"] == name), None)


def ingest_files(client: Client, paths: list[Path], collection_name: str, console: Console | None = None) -> bool:
    """True if every file was understood. Progress goes to the console, a line for each file at its end."""
    console = console or Console()
    files = _files(paths)
    collection = find_collection(client, collection_name) or client.post(
        "/collections", {"name": collection_name, "collection_type": "media-descriptions"}
    )
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[stage]}"), TimeElapsedColumn())
    good = True
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        waiting: dict[str, tuple[Path, TaskID]] = {}
        for path in files:
            task = progress.add_task(escape(visible_line(path.name)), total=1, stage="upload")
            try:
                waiting[client.upload(path)["id"]] = (path, task)
            except ArcusError as error:
                good = False
                progress.update(task, stage="failed")
                console.print(f"failed     {visible_line(path.name)}: {visible_line(error.message)}", markup=False)
        added: set[str] = set()
        while waiting:
            for id, (path, task) in list(waiting.items()):
                state = _advance(client, collection["id"], id, added)
                done, total = state["done"], state["total"]
                progress.update(task, stage=state["stage"], total=total or 1, completed=done)
                if state["status"] in TERMINAL:
                    del waiting[id]
                    good = good and state["status"] == "completed"
                    reason = f": {visible_line(state['error'])}" if state["error"] else f" ({total} segments)"
                    console.print(f"{state['status']:<10} {visible_line(path.name)}{reason}", markup=False)
            time.sleep(POLL_SECONDS if waiting else 0)
    return good


def _advance(client: Client, collection_id: str, file_id: str, added: set[str]) -> dict[str, Any]:
    """One look at a file: its probe first, then its description in the collection."""
    if file_id not in added:
        file = client.get(f"/files/{file_id}")
        if file["status"] != "completed":
            return {"status": file["status"], "stage": "probe", "done": 0, "total": 0, "error": file.get("error")}
        client.post(f"/collections/{collection_id}/media", {"file_id": file_id})
        added.add(file_id)
    member = client.get(f"/collections/{collection_id}/media/{file_id}")
    progress = member.get("progress") or {}
    return {
        "status": member["status"],
        "stage": f"{progress.get('stage', '')} {progress.get('segments_done', 0)}/{progress.get('segments_total', 0)}",
        "done": progress.get("segments_done", 0),
        "total": progress.get("segments_total", 0),
        "error": member.get("error"),
    }


def _files(paths: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(item for item in path.iterdir() if item.is_file())
        elif path.is_file():
            found.append(path)
        else:
            raise ArcusError(Reason.NOT_FOUND, f"No such file or folder: {path}")
    if not found:
        raise ArcusError(Reason.NOT_FOUND, "There are no files to upload.")
    return found
