"""The routes and the OpenAPI document say the same, and replies have the shapes that the document tells."""

from __future__ import annotations

import gc
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from pydantic import TypeAdapter

from services.rest.app import create_app
from services.rest.schemas.chat import ChatCompletionList
from services.rest.schemas.collections import Collection, CollectionFile, CollectionFileList, CollectionList
from services.rest.schemas.descriptions import (
    CollectionMediaDescriptionsList,
    CollectionRichTranscriptsList,
    MediaDescription,
    RichTranscript,
)
from services.rest.schemas.entities import CollectionEntitiesList, FileEntities
from services.rest.schemas.files import File, FileList, ThumbnailList
from services.rest.schemas.responses import ModelList, ResponseList
from services.rest.schemas.search import SearchList
from services.rest.schemas.segments import FileSegment, FileSegmentList, SegmentationList
from tests.acceptance.described import describe, extract, upload
from tests.acceptance.live_front import Account, Front

ROOT = Path(__file__).parents[2]
FRAMEWORK = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}
BODILESS = ("/cancel", "/suspend", "/resume", "/block", "/unblock")
OPEN = {"/healthz", "/readyz", "/status", "/v1/thumbnails/{thumbnail_id}.jpg"}


@pytest.fixture(scope="module")
def document(front: Front) -> dict[str, Any]:
    reply = httpx.get(f"{front.url}/openapi.json", timeout=60)
    assert reply.status_code == 200
    return reply.json()


def operations(document: dict[str, Any]):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def served(front: Front) -> set[tuple[str, str]]:
    """Every route and method that the application answers, asked of the routes themselves."""
    found = {
        (route.path, method)
        for route in iter_route_contexts(create_app(front.backend).routes)
        for method in route.methods or ()
        if method != "HEAD"
    }
    return {(path, method) for path, method in found if path not in FRAMEWORK}


def test_every_route_is_in_the_document(front: Front, document: dict[str, Any]):
    documented = {(path, method) for path, method, _ in operations(document)}
    assert served(front) == documented and len(documented) >= 28


def test_no_request_waits_for_routes_to_be_made(front: Front):
    app = create_app(front.backend)

    def made() -> int:  # by their types alone: others' objects warn where they are asked for their class
        return sum(type(each) is TypeAdapter for each in gc.get_objects())

    before = made()
    list(iter_route_contexts(app.routes))
    assert made() == before > 100


def test_every_operation_is_in_the_page_about_the_api(document: dict[str, Any]):
    page = (ROOT / "docs" / "api.md").read_text()
    rows = {line for line in page.splitlines() if line.startswith("| `") and "/" in line.split("`")[1]}
    said = {f"| `{method} {path}` | {operation['summary']} |" for path, method, operation in operations(document)}
    assert said == {row for row in rows if row.split("`")[1].split()[0] in ("GET", "POST", "PUT", "DELETE")}


def test_every_operation_is_described_secured_and_tells_its_failures(document: dict[str, Any]):
    ids = []
    for path, method, operation in operations(document):
        place = f"{method} {path}"
        assert operation.get("summary") and operation.get("tags"), place
        assert "422" not in operation["responses"], place
        ids.append(operation["operationId"])
        if path in OPEN:
            assert "security" not in operation, place
            continue
        scheme = "AdminKey" if path.startswith("/admin/") else "HTTPBearer"
        assert operation["security"] == [{scheme: []}], place
        for status in ("400", "401", "403", "404", "429", "500", "503"):
            content = operation["responses"][status]["content"]["application/json"]["schema"]
            assert content == {"$ref": "#/components/schemas/Error"}, place
        assert operation["responses"]["200"]["content"]["application/json"]["schema"].get("$ref"), place
        assert ("requestBody" in operation) == (method in ("POST", "PUT") and not path.endswith(BODILESS)), place
    assert len(ids) == len(set(ids))
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]):
    def references(value: Any):
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    names = {reference.removeprefix("#/components/schemas/") for reference in references(document)}
    assert names <= set(document["components"]["schemas"])


def test_replies_have_the_documented_shapes(account: Account):
    with account.http as http:
        made = http.post("/v1/collections", json={"collection_type": "media-descriptions", "name": "c"}).json()
        collection, file_id = made["id"], upload(account)
        member = http.post(f"/v1/collections/{collection}/media", json={"file_id": file_id}).json()
        describe(account, collection, file_id)
        facts = {"collection_type": "entities", "name": "f", "extract_config": {"prompt": "topics"}}
        of_facts = http.post("/v1/collections", json=facts).json()["id"]
        http.post(f"/v1/collections/{of_facts}/media", json={"file_id": file_id}).raise_for_status()
        extract(account, of_facts, file_id)
        segment = http.get(f"/v1/files/{file_id}/segments").json()["data"][0]["id"]
        search = {
            "scope": "file",
            "collections": [collection],
            "query": "parsing",
            "search_modalities": ["ocr_lexical"],
        }
        assert http.post("/v1/search", json=search).status_code == 200
        body = {"collection_type": "rich-transcripts", "name": "t"}
        transcripts = http.post("/v1/collections", json=body).json()["id"]
        http.post(f"/v1/collections/{transcripts}/media", json={"file_id": file_id}).raise_for_status()
        Collection.model_validate(made)
        CollectionFile.model_validate(member)
        for model, path in (
            (File, f"/files/{file_id}"),
            (FileList, "/files"),
            (ThumbnailList, f"/files/{file_id}/thumbnails"),
            (CollectionList, "/collections"),
            (CollectionFileList, f"/collections/{collection}/videos"),
            (MediaDescription, f"/collections/{collection}/videos/{file_id}/media-descriptions?include_chapters=true"),
            (CollectionMediaDescriptionsList, f"/collections/{collection}/media-descriptions"),
            (Collection, f"/collections/{of_facts}"),
            (FileEntities, f"/collections/{of_facts}/videos/{file_id}/entities"),
            (CollectionEntitiesList, f"/collections/{of_facts}/entities"),
            (SegmentationList, f"/files/{file_id}/segmentations"),
            (FileSegmentList, f"/files/{file_id}/segments"),
            (FileSegment, f"/files/{file_id}/segments/{segment}"),
            (SearchList, "/search"),
            (RichTranscript, f"/collections/{transcripts}/videos/{file_id}/rich-transcripts"),
            (CollectionRichTranscriptsList, f"/collections/{transcripts}/rich-transcripts"),
            (Collection, f"/collections/{transcripts}"),
            (ResponseList, "/responses"),
            (ChatCompletionList, "/chat/completions"),
            (ModelList, "/models"),
        ):
            reply = http.get(f"/v1{path}")
            assert reply.status_code == 200, path
            shown = model.model_validate(reply.json())
            assert not unknown_fields(shown), path


def unknown_fields(value: Any) -> list[str]:
    """Fields of a reply that its schema does not name."""
    if isinstance(value, list):
        return [name for item in value for name in unknown_fields(item)]
    if not hasattr(value, "model_extra"):
        return []
    inner = [name for name in type(value).model_fields]
    return [*(value.model_extra or {}), *(name for field in inner for name in unknown_fields(getattr(value, field)))]


def test_the_documentation_page_is_served(front: Front):
    page = httpx.get(f"{front.url}/docs").text
    assert "swagger" in page.lower()
    assert "//cdn" not in page, "the page must work where there is no network"
    for script in re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', page):
        assert httpx.get(f"{front.url}{script}").status_code == 200, script
