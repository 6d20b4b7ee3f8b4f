"""kill -9 of each part, at different moments: no file, no finished segment and no finished answer is lost."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time

import httpx
import psutil
import pytest

from tests.running_system import LECTURE, RunningSystem, create_collection, ingest, upload, wait_for
from tests.waiting import until

RESUME_SECONDS = 120  # a hang guard, not a promise: other work may run
STILL_SECONDS = 20
pytestmark = pytest.mark.timeout(900)
QUESTION = "How many turbines are in the dam in France?"


def kill(processes: list[psutil.Process], what: str) -> None:
    assert processes, f"found no process: {what}"
    for process in processes:
        process.kill()


def answers(system: RunningSystem, collection_id: str) -> bool:
    """Whether a question is answered right now."""
    body = {"model": "nimbus-001", "input": QUESTION, "knowledge_base": {"collections": [collection_id]}}
    try:
        with system.client() as client:
            reply = client.post("/responses", json=body)
    except httpx.HTTPError:
        return False
    if reply.status_code != 200:
        assert reply.status_code in (429, 503), reply.text
        return False
    return "24 turbines" in reply.json()["output"][0]["content"][0]["text"]


def counts(system: RunningSystem, description_of: str) -> tuple[int, int]:
    """(segments written, embeddings written) of a file, from the database."""
    with sqlite3.connect(f"file:{system.data_dir}/arcus.db?mode=ro", uri=True) as database:
        segments = "SELECT count(*) FROM segment_descriptions s JOIN descriptions d ON d.id = s.description_id WHERE file_id = ?"
        vectors = "SELECT count(*) FROM embeddings e JOIN descriptions d ON d.id = e.description_id WHERE file_id = ?"
        return tuple(database.execute(query, (description_of,)).fetchone()[0] for query in (segments, vectors))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def collection_id(system: RunningSystem) -> str:
    with system.client() as client:
        id = create_collection(client, "before")
        ingest(client, LECTURE, id)
    assert answers(system, id)
    return id


def test_a_killed_front_comes_back_with_everything(system: RunningSystem, collection_id: str) -> None:
    for _ in range(3):
        with system.client() as client:
            body = {"model": "nimbus-001", "input": QUESTION, "knowledge_base": {"collections": [collection_id]}}
            response = client.post("/responses", json=body).raise_for_status().json()
        kill(system.find("services.front"), "the front")
        until(lambda: answers(system, collection_id), "the front answers again", RESUME_SECONDS)
        with system.client() as client:
            assert client.get(f"/responses/{response['id']}").raise_for_status().json() == response


def test_a_killed_index_replica_comes_back_with_every_row(system: RunningSystem, collection_id: str) -> None:
    for _ in range(2):
        kill(system.find("ray::", "index-0"), "the index replica")
        until(lambda: answers(system, collection_id), "the index answers again", RESUME_SECONDS)


def test_a_killed_ingest_replica_loses_no_finished_segment(system: RunningSystem) -> None:
    with system.client() as client:
        id = create_collection(client, "resume", default_segmentation_config=_windows(3))
        file = upload(client, LECTURE)
        client.post(f"/collections/{id}/media", json={"file_id": file["id"]}).raise_for_status()
        for moment in (2, 8):  # killed once early and once in the middle
            until(lambda moment=moment: counts(system, file["id"])[0] >= moment, f"{moment} segments are written", 180)
            before = counts(system, file["id"])
            kill(system.find("ray::", "ingest:ingest"), "the ingest replica")
            time.sleep(0.5)
            assert counts(system, file["id"]) >= before
            until(lambda before=before: counts(system, file["id"])[0] > before[0], "work resumes", RESUME_SECONDS)
        member = wait_for(client, f"/collections/{id}/media/{file['id']}", seconds=400)
        assert member["status"] == "completed"
        progress = member["progress"]
        assert progress["segments_done"] == progress["segments_total"] == counts(system, file["id"])[0]


def test_killing_all_engines_leaves_uploads_working_and_work_resumes(system: RunningSystem, collection_id: str) -> None:
    with system.client() as client:
        kill(system.find("ray_jobs.runtime"), "the engines' driver")
        with LECTURE.open("rb") as video:
            reply = client.post("/files", files={"file": ("while-down.mp4", video)})
        assert reply.status_code == 200, "uploads are accepted while engines are down"
        body = {"model": "nimbus-001", "input": QUESTION, "knowledge_base": {"collections": [collection_id]}}

        def refused() -> bool:  # replicas outlive their driver by a moment
            answer = client.post("/responses", json=body)
            assert answer.status_code in (200, 503), answer.text
            return answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1

        until(refused, "questions are refused, with a time to come back", 60)
        file = wait_for(client, f"/files/{reply.json()['id']}", seconds=300)
        assert file["status"] == "completed"
    until(lambda: answers(system, collection_id), "the engines answer again", 300)


@pytest.mark.parametrize("part", ["bin/haproxy", "ray::HAProxyManager", "gcs_server", "raylet/raylet"])
def test_a_killed_part_of_ray_leaves_uploads_working_and_work_resumes(
    system: RunningSystem, collection_id: str, part: str
) -> None:
    killed = system.find(part)
    kill(killed, part)
    with system.client() as client:
        with LECTURE.open("rb") as video:
            file = client.post("/files", files={"file": ("while-down.mp4", video)}).raise_for_status().json()
        until(lambda: set(system.find(part)) - set(killed), f"{part} is started again", 300)
        until(lambda: answers(system, collection_id), "the engines answer again", 300)
        assert wait_for(client, f"/files/{file['id']}", seconds=300)["status"] == "completed"


@pytest.mark.parametrize(
    "parts", [("services.front",), ("index-0",), ("bin/haproxy",), ("raylet/raylet", "gcs_server")]
)
def test_what_stands_still_for_a_while_loses_nothing(
    system: RunningSystem, collection_id: str, parts: tuple[str, ...]
) -> None:
    """It is waited for, gone round as Ray's own processes are, or replaced by those who look after it."""
    stopped = [process for part in parts for process in system.find(part)]
    assert len(stopped) >= len(parts)

    def go_on() -> None:
        for process in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    for process in stopped:
        process.suspend()
    timer = threading.Timer(STILL_SECONDS, go_on)
    timer.start()
    try:
        until(lambda: answers(system, collection_id), "it answers", RESUME_SECONDS)
    finally:
        timer.join()
    until(lambda: answers(system, collection_id), "it answers afterwards", RESUME_SECONDS)


def _windows(seconds: int) -> dict:
    return {"strategy": "uniform", "uniform_config": {"window_seconds": seconds, "hop_seconds": seconds}}
