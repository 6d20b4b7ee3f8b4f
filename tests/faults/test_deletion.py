"""What is deleted while it is in use is gone without a trace, and nothing beside it is disturbed; bad files say why."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.media import clip
from tests.running_system import LECTURE, RunningSystem, create_collection, ingest, upload, wait_for
from tests.waiting import until

JOBS_SECONDS = 120
SWEEP_SECONDS = 30  # objects are swept every 5 s
SMALL = {"strategy": "uniform", "uniform_config": {"window_seconds": 4}}
QUESTION = "How many turbines are in the dam in France?"
# Rows whose parent is gone, table by table.
ORPHANS = {
    "segmentations": "file_id NOT IN (SELECT id FROM files)",
    "segments": "segmentation_id NOT IN (SELECT id FROM segmentations) OR file_id NOT IN (SELECT id FROM files)",
    "descriptions": "file_id NOT IN (SELECT id FROM files)",
    "segment_descriptions": "description_id NOT IN (SELECT id FROM descriptions)",
    "embeddings": "description_id NOT IN (SELECT id FROM descriptions)",
    "thumbnails": "file_id NOT IN (SELECT id FROM files)",
    "collection_files": "file_id NOT IN (SELECT id FROM files) OR collection_id NOT IN (SELECT id FROM collections)",
}


def rows(system: RunningSystem, query: str, *values: str) -> list[tuple]:
    with sqlite3.connect(f"file:{system.data_dir}/arcus.db?mode=ro", uri=True) as database:
        return database.execute(query, values).fetchall()


def open_jobs(system: RunningSystem) -> list[tuple]:
    return rows(system, "SELECT kind, state, subject_id, error FROM jobs WHERE state IN ('queued', 'running')")


def objects_of(system: RunningSystem, file_id: str) -> list[Path]:
    return [path for path in (system.data_dir / "objects").glob(f"tenants/*/files/{file_id}/**/*") if path.is_file()]


def check_clean(system: RunningSystem) -> None:
    """Once the jobs have ended and the sweep has been: no row without its parent, no object without its row."""
    until(lambda: not open_jobs(system), "every job ends", JOBS_SECONDS)
    until(
        lambda: not rows(system, "SELECT * FROM object_deletions WHERE not_before < 9e15"), "the sweep", SWEEP_SECONDS
    )
    for table, condition in ORPHANS.items():
        assert rows(system, f"SELECT count(*) FROM {table} WHERE {condition}") == [(0,)], table
    assert rows(system, "PRAGMA foreign_key_check") == []
    known = {key for (key,) in rows(system, "SELECT object_key FROM files UNION SELECT object_key FROM thumbnails")}
    folder = system.data_dir / "objects"
    stored = {str(path.relative_to(folder)) for path in folder.glob("tenants/**/*") if path.is_file()}
    assert stored == known, "objects and the rows that name them"


@pytest.fixture
def client(system: RunningSystem, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    with system.client(system.create_key(request.node.name[:100])) as client:
        yield client


def add(client: httpx.Client, collection_id: str, file_id: str) -> None:
    client.post(f"/collections/{collection_id}/media", json={"file_id": file_id}).raise_for_status()


def describing(client: httpx.Client, collection_id: str, file_id: str) -> Callable[[], bool]:
    """Whether some of a file is described, and not yet all."""

    def is_so() -> bool:
        member = client.get(f"/collections/{collection_id}/media/{file_id}").json()
        assert member["status"] in ("pending", "processing"), f"too late: {member}"
        return member["progress"]["segments_done"] >= 1

    return is_so


@pytest.mark.parametrize("deleted", ["collection", "file", "member"])
def test_what_is_deleted_while_it_is_described_leaves_nothing(
    system: RunningSystem, client: httpx.Client, deleted: str
) -> None:
    doomed = create_collection(client, "doomed", default_segmentation_config=SMALL)
    other = create_collection(client, "other", default_segmentation_config=SMALL)
    lecture, neighbour = upload(client, LECTURE)["id"], upload(client, clip("fades.mp4"))["id"]
    add(client, doomed, lecture)
    until(describing(client, doomed, lecture), "the description is under way", JOBS_SECONDS)
    add(client, other, neighbour)
    if deleted != "collection":
        add(client, doomed, neighbour)
    path = {
        "collection": f"/collections/{doomed}",
        "file": f"/files/{lecture}",
        "member": f"/collections/{doomed}/media/{lecture}",
    }[deleted]
    client.delete(path).raise_for_status()
    for gone in (path, f"/collections/{doomed}/media/{lecture}"):
        assert client.get(gone).status_code == 404
    member = wait_for(client, f"/collections/{other}/media/{neighbour}", seconds=240)
    assert member["status"] == "completed", member
    check_clean(system)
    ours = "SELECT count(*) FROM descriptions WHERE file_id = ?"
    assert rows(system, ours, lecture) == [(0,)], "a description that nobody waits for is given up"
    if deleted == "file":
        assert objects_of(system, lecture) == []
        assert client.get("/files").json()["total"] == 1
    else:
        assert client.get(f"/files/{lecture}").json()["status"] == "completed"
    if deleted != "collection":
        assert client.get(f"/collections/{doomed}/media/{neighbour}").json()["status"] == "completed"
        assert client.get(f"/collections/{doomed}").json()["file_count"] == 1


def test_a_file_deleted_while_it_is_probed_leaves_nothing(system: RunningSystem, client: httpx.Client) -> None:
    for pause in (0.0, 0.1, 0.3, 0.6):
        with LECTURE.open("rb") as video:
            id = client.post("/files", files={"file": ("lecture.mp4", video)}).json()["id"]
        time.sleep(pause)
        client.delete(f"/files/{id}").raise_for_status()
    assert client.get("/files").json()["total"] == 0
    check_clean(system)


def test_a_collection_deleted_before_its_file_is_probed_leaves_nothing(
    system: RunningSystem, client: httpx.Client
) -> None:
    collection_id = create_collection(client, "soon gone")
    with LECTURE.open("rb") as video:
        id = client.post("/files", files={"file": ("lecture.mp4", video)}).json()["id"]
    add(client, collection_id, id)
    client.delete(f"/collections/{collection_id}").raise_for_status()
    assert wait_for(client, f"/files/{id}")["status"] == "completed"
    check_clean(system)
    assert rows(system, "SELECT count(*) FROM descriptions WHERE file_id = ?", id) == [(0,)]


def test_a_file_deleted_while_it_is_asked_is_no_longer_cited(system: RunningSystem, client: httpx.Client) -> None:
    collection_id = create_collection(client, "asked")
    file_id = ingest(client, LECTURE, collection_id)["id"]
    kept = ingest(client, clip("tracks.mp4"), collection_id)["id"]
    body = {"model": "nimbus-001", "input": QUESTION, "knowledge_base": {"collections": [collection_id]}}
    assert file_id in client.post("/responses", json=body).text
    results: list[tuple[float, int, str]] = []
    stopping = threading.Event()

    def ask(stream: bool) -> None:
        with httpx.Client(base_url=client.base_url, headers=client.headers, timeout=60, trust_env=False) as asker:
            while not stopping.is_set():
                began = time.monotonic()
                reply = asker.post("/responses", json={**body, "stream": stream})
                results.append((began, reply.status_code, reply.text))

    askers = [threading.Thread(target=ask, args=(stream,)) for stream in (False, True)]
    for asker in askers:
        asker.start()
    try:
        until(lambda: len(results) >= 4, "questions are being answered")
        client.delete(f"/files/{file_id}").raise_for_status()
        deleted = time.monotonic()
        until(lambda: sum(began > deleted for began, *_ in results) >= 4, "questions are being answered")
    finally:
        stopping.set()
        for asker in askers:
            asker.join()
    assert {status for _, status, _ in results} == {200}, results
    assert all('"error"' not in text or '"error": null' in text for *_, text in results)
    for began, _, text in results:
        if began > deleted:
            assert file_id not in text and "24 turbines" not in text
    check_clean(system)
    assert objects_of(system, file_id) == []
    body["input"] = "Which mirror is cleaned every year?"
    content = client.post("/responses", json=body).json()["output"][0]["content"][0]
    assert [item["file_id"] for item in content["annotations"]][:1] == [kept]
    files = json.dumps({"source": "files", "files": [file_id]})
    assert client.post("/responses", json={**body, "knowledge_base": json.loads(files)}).status_code == 404


@pytest.mark.parametrize(
    "name",
    ["no_streams.mp4", "truncated.mov", "header.mp4", "garbage.mp4", "counted.mp4", "table.json", "notes.md"],
)
def test_a_file_that_is_no_video_fails_with_a_reason_a_person_can_act_on(
    system: RunningSystem, client: httpx.Client, name: str, tmp_path: Path
) -> None:
    written = {
        "counted.mp4": bytes(range(256)) * 1000,
        "table.json": b'{"rows": [1, 2, 3]}',
        "notes.md": b"# Notes\n\nOf the meeting.\n",
    }
    path = tmp_path / name if name in written else clip(name)
    if name in written:
        path.write_bytes(written[name])
    with path.open("rb") as file:
        reply = client.post("/files", files={"file": (path.name, file)})
    if reply.status_code == 415:
        message = reply.json()["error"]
    else:
        body = wait_for(client, f"/files/{reply.raise_for_status().json()['id']}")
        assert body["status"] == "failed", body
        message = body["error"]
        collection_id = create_collection(client, "c")
        refused = client.post(f"/collections/{collection_id}/media", json={"file_id": body["id"]})
        assert refused.status_code == 400 and message in refused.json()["error"]
        assert client.delete(f"/files/{body['id']}").status_code == 200
    assert len(message.split()) >= 4, message
    assert not any(word in message for word in ("Traceback", "Error(", "errno", "None", "/objects/", "av.")), message


def test_a_file_that_is_only_partly_readable_is_understood_as_far_as_it_goes(
    system: RunningSystem, client: httpx.Client
) -> None:
    collection_id = create_collection(client, "damaged")
    for name in ("corrupt.mp4", "long_mdat.mp4"):
        ingest(client, clip(name), collection_id)
