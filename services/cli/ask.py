"""Asks a collection and prints the answer, with where each claim stands."""

from __future__ import annotations

from typing import Any

from services.cli.client import Client
from services.cli.ingest import find_collection
from services.cli.terminal import visible, visible_line
from services.core.errors import ArcusError, Reason
from services.core.media import timecode


def ask_collection(
    client: Client, question: str, collection_name: str, *, model: str, instructions: str = "", stream: bool
) -> dict[str, Any]:
    """Prints the answer and its citations; returns the response."""
    collection = find_collection(client, collection_name)
    if collection is None:
        raise ArcusError(
            Reason.NOT_FOUND, f"There is no collection named {collection_name!r}; make it with 'arcus ingest'."
        )
    body: dict[str, Any] = {
        "model": model,
        "input": question,
        "knowledge_base": {"source": "collections", "collections": [collection["id"]]},
    }
    if instructions:
        body["instructions"] = instructions
    if stream:
        response = _printed(client, body)
    else:
        response = client.post("/responses", body)
        print(visible(response["output"][0]["content"][0]["text"]))
    annotations = response["output"][0]["content"][0]["annotations"]
    names = {id: client.get(f"/files/{id}")["filename"] for id in {item["file_id"] for item in annotations}}
    for number, item in enumerate(annotations, 1):
        print(
            f"  [{number}] {visible_line(names[item['file_id']])} {timecode(item['start_time'])}–{timecode(item['end_time'])}"
        )
    return response


def _printed(client: Client, body: dict[str, Any]) -> dict[str, Any]:
    for event in client.stream("/responses", {**body, "stream": True}):
        match event["type"]:
            case "response.output_text.delta":
                print(visible(event["delta"]), end="", flush=True)
            case "response.completed":
                print()
                return event["response"]
            case "error":
                print()
                raise ArcusError(Reason.INTERNAL, event["message"])
    raise ArcusError(Reason.INTERNAL, "The answer broke off; ask again.")
