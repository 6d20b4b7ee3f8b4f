"""No tenant meets anything of another's: every route of the HTTP document is tried with the ids of someone else."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.acceptance.described import SPEECH, describe, extract, upload
from tests.acceptance.live_front import Account, Front, from_elsewhere

MODEL = "nimbus-001"
OPEN = {"GET /healthz", "GET /readyz", "GET /status", "GET /v1/thumbnails/{thumbnail_id}.jpg"}
SECRETS = (*SPEECH, "A talk", "On parsing and streaming", "SLIDE", "secret.mp4", "of the first")
FACTS = {"type": "object", "properties": {"mentions_parsing": {"type": "boolean"}, "quote": {"type": "string"}}}
Json = dict[str, Any]


@dataclass(frozen=True)
class Holding:
    """One tenant and the id of one of everything that a tenant can have."""

    account: Account
    ids: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.ids[name]


@dataclass(frozen=True)
class Request:
    """What is sent to a route besides the ids in its path, and what must come back."""

    status: int
    body: Any = None
    query: Json = field(default_factory=dict)
    files: Any = None
    own_path: bool = False  # every id in the path is the asker's own; else every mixture with one that is not

    @property
    def is_empty_list(self) -> bool:
        return self.status == 0


NOT_FOUND = Request(404)
HARMLESS = Request(200)  # answered, with nothing of the other tenant's in it


def question(**knowledge_base: Any) -> Json:
    return {"model": MODEL, "input": "What is said of parsing?", "knowledge_base": knowledge_base}


def chatting(**more: Any) -> Json:
    return {"model": MODEL, "messages": [{"role": "user", "content": "What is said of parsing?"}], **more}


def searching(scope: str, *collections: str, **more: Any) -> Json:
    return {"scope": scope, "collections": list(collections), "query": "What is said of parsing?", **more}


def cases(first: Holding, second: Holding) -> dict[str, list[Request]]:
    """Every route with what a second tenant asks of it that names something of the first."""
    foreign_file = {"metadata": [], "file": [{"path": "id", "operator": "Equal", "valueText": first["file_id"]}]}
    adding = [
        Request(404, body={"file_id": first["file_id"]}),
        Request(404, body={"file_id": second["file_id"]}),
        Request(404, body={"file_id": first["file_id"]}, own_path=True),
        Request(404, body={"url": f"cloudglue://files/{first['file_id']}"}, own_path=True),
        Request(404, body={"file_id": second["file_id"], "segmentation_id": first["segmentation_id"]}, own_path=True),
        Request(404, body={"file_id": first["file_id"], "metadata": {"by": "the second"}}, own_path=True),
    ]
    picture = {"file": ("own.mp4", b"\x00\x00\x00\x18ftypmp42" + b"\xff" * 100)}
    return {
        "GET /v1/files": [HARMLESS],
        "POST /v1/files": [Request(200, files=picture)],
        "GET /v1/files/{file_id}": [NOT_FOUND],
        "PUT /v1/files/{file_id}": [Request(404, body={"filename": "stolen.mp4", "metadata": {"by": "the second"}})],
        "DELETE /v1/files/{file_id}": [NOT_FOUND],
        "GET /v1/files/{file_id}/thumbnails": [
            NOT_FOUND,
            Request(0, query={"segmentation_id": first["segmentation_id"]}, own_path=True),
        ],
        "GET /v1/files/{file_id}/segmentations": [NOT_FOUND],
        "GET /v1/files/{file_id}/segments": [NOT_FOUND],
        "GET /v1/files/{file_id}/segments/{segment_id}": [NOT_FOUND],
        "PUT /v1/files/{file_id}/segments/{segment_id}": [Request(404, body={"metadata": {"by": "the second"}})],
        "POST /v1/search": [
            *(
                Request(404, body=searching(scope, *ids, search_modalities=[modality]))
                for scope in ("segment", "file")
                for ids in ([first["collection_id"]], [second["collection_id"], first["collection_id"]])
                for modality in ("general_content", "speech_lexical")
            ),
            *(
                Request(200, body=searching(scope, second["collection_id"], search_modalities=[modality], **more))
                for scope in ("segment", "file")
                for modality in ("general_content", "speech_lexical", "ocr_lexical")
                for more in ({}, {"filter": foreign_file})
            ),
        ],
        "GET /v1/search": [HARMLESS],
        "GET /v1/search/{search_id}": [NOT_FOUND],
        "GET /v1/collections": [HARMLESS],
        # The same name is free: names are unique in an account, not among all.
        "POST /v1/collections": [
            Request(200, body={"name": "talks of the first", "collection_type": "media-descriptions"})
        ],
        "GET /v1/collections/{collection_id}": [NOT_FOUND],
        "PUT /v1/collections/{collection_id}": [Request(404, body={"name": "stolen"})],
        "DELETE /v1/collections/{collection_id}": [NOT_FOUND],
        **{
            f"{method} /v1/collections/{{collection_id}}/{noun}{rest}": requests
            for noun in ("videos", "media")
            for method, rest, requests in (
                ("POST", "", adding),
                ("GET", "", [NOT_FOUND]),
                ("GET", "/{file_id}", [NOT_FOUND]),
                ("DELETE", "/{file_id}", [NOT_FOUND]),
            )
        },
        "GET /v1/collections/{collection_id}/videos/{file_id}/media-descriptions": [
            NOT_FOUND,
            Request(404, query={"response_format": "markdown", "include_thumbnails": True}),
        ],
        "GET /v1/collections/{collection_id}/media-descriptions": [NOT_FOUND],
        "GET /v1/collections/{collection_id}/videos/{file_id}/entities": [
            NOT_FOUND,
            Request(404, query={"include_thumbnails": True}),
        ],
        "GET /v1/collections/{collection_id}/entities": [NOT_FOUND],
        "GET /v1/collections/{collection_id}/videos/{file_id}/rich-transcripts": [
            NOT_FOUND,
            Request(404, query={"response_format": "srt", "include_word_timestamps": True}),
        ],
        "GET /v1/collections/{collection_id}/rich-transcripts": [NOT_FOUND],
        "POST /v1/responses": [
            Request(404, body=question(source="collections", collections=[first["collection_id"]])),
            Request(404, body=question(collections=[second["collection_id"], first["collection_id"]])),
            Request(404, body=question(source="files", files=[first["file_id"]])),
            Request(404, body=question(source="files", files=[f"cloudglue://files/{first['file_id']}"])),
            Request(404, body={**question(collections=[first["collection_id"]]), "stream": True}),
            Request(404, body={**question(collections=[first["collection_id"]]), "background": True}),
            Request(404, body={**question(source="default"), "previous_response_id": first["response_id"]}),
            Request(200, body=question(source="default")),
            Request(200, body=question(source="default", filter=foreign_file)),
            Request(200, body={"model": MODEL, "input": "What is said of parsing?"}),
        ],
        "GET /v1/responses": [HARMLESS],
        "GET /v1/responses/{response_id}": [NOT_FOUND, Request(404, query={"stream": True})],
        "GET /v1/responses/{response_id}/input_items": [NOT_FOUND],
        "POST /v1/responses/{response_id}/cancel": [NOT_FOUND],
        "DELETE /v1/responses/{response_id}": [HARMLESS],  # deleting what is not there is not an error
        "POST /v1/chat/completions": [
            Request(404, body=chatting(collections=[first["collection_id"]])),
            Request(404, body=chatting(collections=[first["collection_id"]], stream=True)),
            Request(200, body=chatting(collections=[second["collection_id"]], filter=foreign_file, store=False)),
            Request(200, body=chatting()),
            Request(200, body=chatting(stream=True, stream_options={"include_usage": True})),
        ],
        "GET /v1/chat/completions": [HARMLESS, Request(404, query={"after": first["chat_id"]})],
        "GET /v1/chat/completions/{chat_id}": [NOT_FOUND],
        "DELETE /v1/chat/completions/{chat_id}": [HARMLESS],
        "GET /v1/usage": [HARMLESS, Request(200, query={"group_by": ["tenant", "key", "kind"]})],
        "GET /v1/models": [HARMLESS],
        "GET /v1/models/{model}": [NOT_FOUND],
    }


def holding(front: Front, name: str) -> Holding:
    """A tenant with one described file in one collection, and one answer."""
    account = front.account()
    with account.http as http:
        body = {"name": name, "collection_type": "media-descriptions", "description": name}
        collection_id = http.post("/v1/collections", json=body).json()["id"]
        file_id = upload(account, "secret.mp4" if "first" in name else "clip.mp4")
        member = http.post(f"/v1/collections/{collection_id}/media", json={"file_id": file_id}).json()
        if "first" in name:
            describe(account, collection_id, file_id)
        facts = {"name": f"facts of {name}", "collection_type": "entities", "extract_config": {"schema": FACTS}}
        facts_id = http.post("/v1/collections", json=facts).json()["id"]
        http.post(f"/v1/collections/{facts_id}/media", json={"file_id": file_id}).raise_for_status()
        if "first" in name:
            extract(account, facts_id, file_id)
        asked = {**question(collections=[collection_id]), "instructions": '{"messages": 2, "text": "Said [1]. "}'}
        response = http.post("/v1/responses", json=asked)
        assert response.status_code == 200, response.text
        chat = http.post("/v1/chat/completions", json=chatting(collections=[collection_id]))
        assert chat.status_code == 200, chat.text
        thumbnails = http.get(f"/v1/files/{file_id}/thumbnails").json()["data"]
        segments = http.get(f"/v1/files/{file_id}/segments").json()["data"]
        search = http.post("/v1/search", json=searching("segment", collection_id))
        assert search.status_code == 200, search.text
    ids = {
        "collection_id": collection_id,
        "file_id": file_id,
        "facts_id": facts_id,
        "segmentation_id": member["segmentation"]["id"],
        "response_id": response.json()["id"],
        "chat_id": chat.json()["id"],
        "thumbnail_id": thumbnails[0]["id"] if thumbnails else "none",
        "segment_id": segments[0]["id"] if segments else "none",
        "search_id": search.json()["id"],
        "model": f"nimbus-of-{name}".replace(" ", "-"),
    }
    return Holding(account, ids)


@pytest.fixture(scope="module")
def first(answering: Front) -> Holding:
    return holding(answering, "talks of the first")


@pytest.fixture(scope="module")
def second(answering: Front) -> Holding:
    return holding(answering, "own")


@pytest.fixture(scope="module")
def routes(answering: Front) -> list[str]:
    document = httpx.get(f"{answering.url}/openapi.json", timeout=60).json()
    return [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]


def paths(route: str, request: Request, first: Holding, second: Holding) -> Iterator[str]:
    """The route's path with own and foreign ids, in the mixtures that the request asks for."""
    template = route.split(" ", 1)[1]
    if template.endswith("/entities"):  # of collections of that type
        template = template.replace("{collection_id}", "{facts_id}")
    names = [name for name in first.ids if f"{{{name}}}" in template]
    for owners in itertools.product((first, second), repeat=len(names)):
        if names and request.own_path != all(owner is second for owner in owners):
            continue
        path = template
        for name, owner in zip(names, owners, strict=True):
            path = path.replace(f"{{{name}}}", owner[name])
        yield path


def everything_of(one: Holding) -> Json:
    """All that its owner can read of it."""
    collection, file, facts = one["collection_id"], one["file_id"], one["facts_id"]
    with one.account.http as http:
        seen = {
            path: http.get(f"/v1{path}").raise_for_status().json()
            for path in (
                "/files",
                f"/files/{file}",
                f"/files/{file}/thumbnails",
                "/collections",
                f"/collections/{collection}",
                f"/collections/{collection}/media",
                f"/collections/{collection}/videos/{file}",
                f"/collections/{collection}/media-descriptions",
                f"/collections/{collection}/videos/{file}/media-descriptions",
                f"/collections/{facts}/entities",
                f"/collections/{facts}/videos/{file}/entities",
                "/responses",
                f"/responses/{one['response_id']}",
                "/chat/completions",
                f"/chat/completions/{one['chat_id']}",
                f"/files/{file}/segmentations",
                f"/files/{file}/segments",
                f"/files/{file}/segments/{one['segment_id']}",
                "/search",
                f"/search/{one['search_id']}",
            )
        }
        seen["picture"] = [httpx.get(item["url"]).content for item in seen[f"/files/{file}/thumbnails"]["data"]]
    return seen


def test_every_route_has_a_case(routes: list[str], first: Holding, second: Holding):
    of_admins = {route for route in routes if route.split(" ")[1].startswith("/admin/")}  # tried by test_admin.py
    assert set(cases(first, second)) | OPEN | of_admins == set(routes)


def test_no_route_shows_or_changes_what_another_tenant_has(first: Holding, second: Holding):
    before = everything_of(first)
    assert before[f"/collections/{first['collection_id']}/media-descriptions"]["data"][0]["data"]["speech"]
    assert before[f"/collections/{first['facts_id']}/entities"]["data"][0]["data"]["entities"]["quote"]
    assert before[f"/search/{first['search_id']}"]["total"] == 2
    assert before[f"/responses/{first['response_id']}"]["output"][0]["content"][0]["annotations"]
    assert before[f"/chat/completions/{first['chat_id']}"]["choices"][0]["citations"]
    assert len(before["picture"]) == 2
    tried = 0
    with second.account.http as http:
        for route, requests in cases(first, second).items():
            for request in requests:
                for path in paths(route, request, first, second):
                    options: Json = {"params": request.query or None, "files": request.files}
                    if request.body is not None:
                        options["json"] = request.body
                    reply = http.request(route.split(" ")[0], path, **options)
                    place = f"{route} {path} {request.body}: {reply.status_code} {reply.text[:300]}"
                    tried += 1
                    assert reply.status_code == (request.status or 200), place
                    if request.is_empty_list:
                        assert (reply.json()["data"], reply.json()["total"]) == ([], 0), place
                    if request.status == 200:
                        _check_own(route, reply, first, place)
    assert tried > 40
    assert everything_of(first) == before


def _check_own(route: str, reply: httpx.Response, first: Holding, place: str) -> None:
    shown = reply.text
    if route == "POST /v1/collections":
        shown = shown.replace("talks of the first", "")
    if route == "POST /v1/chat/completions" and "stream" not in place:
        shown = json.dumps({**reply.json(), "payload": None})  # which repeats the request
    if route in ("DELETE /v1/responses/{response_id}", "DELETE /v1/chat/completions/{chat_id}"):
        return  # it repeats the id that it was given
    for id in first.ids.values():
        assert id not in shown, place
    for word in SECRETS:
        assert word not in shown.replace("What is said of parsing?", ""), place
    if route == "POST /v1/responses":
        assert reply.json()["output"][0]["content"][0]["annotations"] == [], place
    if route == "POST /v1/chat/completions":
        assert '"citations": [{' not in shown, place


def test_a_picture_needs_its_own_signature_whoever_asks(first: Holding, second: Holding):
    with first.account.http as http:
        link = http.get(f"/v1/files/{first['file_id']}/thumbnails").json()["data"][1]["url"]
    other_signature = link.partition("?")[2]
    picture = f"/v1/thumbnails/{first['thumbnail_id']}.jpg"
    with second.account.http as http:
        for query in ("", "?signature=", f"?{other_signature}"):
            assert http.get(picture + query).status_code == 401


@pytest.fixture(scope="module")
def revoked(answering: Front) -> str:
    """A key that worked and was then revoked."""
    account = answering.account()
    with account.http as http:
        assert http.get("/v1/files").status_code == 200
        answering.call(answering.backend.keys.revoke(account.key))
        deadline = time.monotonic() + 60
        while http.get("/v1/files").status_code != 401:
            assert time.monotonic() < deadline, "a revoked key is refused"
            time.sleep(0.05)
    return account.key


def test_every_route_refuses_a_request_without_a_valid_key(routes: list[str], first: Holding, revoked: str):
    before = everything_of(first)
    with httpx.Client(base_url=first.account.front.url) as http:
        for route in sorted(set(routes) - OPEN):
            method, path = route.split(" ", 1)
            for name, id in first.ids.items():
                path = path.replace(f"{{{name}}}", id)
            body = {"json": {}} if method in ("POST", "PUT") else {}
            for authorization in (None, "Bearer", "Bearer cg-wrong", "Basic cg-wrong", f"Bearer {revoked}", revoked):
                headers = from_elsewhere() | ({"Authorization": authorization} if authorization else {})
                reply = http.request(method, path, headers=headers, **body)
                assert reply.status_code == 401, f"{route} {authorization}"
                assert list(reply.json()) == ["error"] and reply.headers["www-authenticate"] == "Bearer", route
    assert everything_of(first) == before


def test_what_needs_no_key_is_just_that(answering: Front):
    for path in ("/healthz", "/readyz", "/status", "/docs", "/openapi.json"):
        assert httpx.get(answering.url + path).status_code == 200
