"""The `arcus` command beside a running system, as a person types it."""

from __future__ import annotations

import time
from pathlib import Path

from tests.command_line import arcus, check_failed
from tests.media import clip
from tests.running_system import Lecture, RunningSystem

QUESTION = "How many turbines are in the dam in France?"


def of(system: RunningSystem, key: str | None = None) -> dict[str, str]:
    return {"ARCUS_URL": system.http, "ARCUS_API_KEY": key or system.key, "ARCUS_DATA_DIR": str(system.data_dir)}


def test_the_doctor_works_beside_a_running_system(system: RunningSystem) -> None:
    assert arcus("doctor", **of(system)).returncode == 0


def test_a_running_system_takes_new_keys_and_drops_revoked_ones(system: RunningSystem) -> None:
    key = arcus("keys", "create", "--tenant", "typed", **of(system)).stdout.strip()
    with system.client(key) as client:
        assert client.get("/files").json()["total"] == 0
        assert "typed" in arcus("keys", "list", **of(system)).stdout
        assert arcus("keys", "revoke", "-", **of(system), typed=key).returncode == 0
        deadline = time.monotonic() + 60
        while client.get("/files").status_code != 401:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    check_failed(arcus("ask", "why?", "--collection", "c", **of(system, key)), "API key")


def test_ingest_takes_files_and_tells_of_each(system: RunningSystem) -> None:
    key = system.create_key("ingest")
    clips = [clip("reordered.mkv"), clip("speech.wav")]
    result = arcus("ingest", *clips, "--collection", "clips", **of(system, key))
    assert result.returncode == 0, result
    lines = sorted(result.stdout.splitlines())
    assert lines == ["completed  reordered.mkv (1 segments)", "completed  speech.wav (1 segments)"]
    with system.client(key) as client:
        (collection,) = client.get("/collections").json()["data"]
        assert (collection["name"], collection["file_count"]) == ("clips", 2)


def test_ingest_of_a_folder_goes_on_after_a_bad_file(system: RunningSystem, tmp_path: Path) -> None:
    key = system.create_key("ingest-folder")
    for name in ("h264.mkv", "truncated.mov", "empty.mp4"):
        (tmp_path / name).write_bytes(clip(name).read_bytes())
    (tmp_path / "notes.html").write_text("<!DOCTYPE html><p>not a video")
    (tmp_path / "inner").mkdir()
    result = arcus("ingest", tmp_path, "--collection", "folder", **of(system, key))
    assert result.returncode == 1, result
    states = {line.split()[1].rstrip(":"): line for line in result.stdout.splitlines()}
    assert set(states) == {"h264.mkv", "truncated.mov", "empty.mp4", "notes.html"}
    assert states["h264.mkv"].startswith("completed")
    assert states["empty.mp4"].startswith("failed") and "empty" in states["empty.mp4"]
    assert states["notes.html"].startswith("failed") and "web page" in states["notes.html"]
    assert states["truncated.mov"].startswith("failed")
    assert len(states["truncated.mov"].split(": ", 1)[1].split()) > 4, "with a reason"
    with system.client(key) as client:
        assert client.get("/collections").json()["data"][0]["file_count"] == 1


def test_ingest_of_nothing_says_so(system: RunningSystem, tmp_path: Path) -> None:
    key = system.create_key("ingest-nothing")
    for path in (tmp_path / "absent.mp4", tmp_path):
        result = arcus("ingest", path, "--collection", "none", **of(system, key))
        assert result.returncode == 1 and result.stderr.startswith("error: "), result
    with system.client(key) as client:
        assert client.get("/collections").json()["total"] == 0


def test_ask_prints_the_answer_and_where_it_stands(lecture: Lecture) -> None:
    for flags in ((), ("--stream",), ("--model", "nimbus-002-preview", "--stream")):
        result = arcus("ask", QUESTION, "--collection", "lecture", *flags, **of(lecture.system))
        assert (result.returncode, result.stderr) == (0, ""), result
        answer, *sources = result.stdout.strip().split("\n  [")
        assert "24 turbines" in answer and "[1]" in answer
        assert sources and all("] lecture.mp4 " in source and "–" in source for source in sources)


def test_ask_takes_instructions_and_flags_instead_of_the_environment(lecture: Lecture) -> None:
    system = lecture.system
    flags = ("--collection", "lecture", "--url", system.http + "/", "--api-key", "-")
    result = arcus("ask", "What are the topics?", *flags, "--instructions", "Answer in 2 bullets.", typed=system.key)
    assert result.returncode == 0 and result.stdout.startswith("- "), result


def test_ask_that_can_not_be_answered_says_why(lecture: Lecture) -> None:
    running = of(lecture.system)
    check_failed(arcus("ask", QUESTION, "--collection", "no-such", **running), "'no-such'", "arcus ingest")
    check_failed(arcus("ask", QUESTION, "--collection", "lecture", "--model", "gpt-4", **running), "model")
    for flags in ((), ("--stream",)):
        check_failed(arcus("ask", " ", "--collection", "lecture", *flags, **running), "input")


def test_a_url_of_something_else_says_so(system: RunningSystem) -> None:
    for suffix in ("/../docs", "/../nothing"):
        result = arcus("ask", "why?", "--collection", "c", **{**of(system), "ARCUS_URL": system.http + suffix})
        check_failed(result)


def test_a_missing_or_wrong_key_says_what_to_do(system: RunningSystem) -> None:
    for command in (("ask", "why?"), ("ingest", clip("reordered.mkv"))):
        check_failed(arcus(*command, "--collection", "c", ARCUS_URL=system.http), "API key", "ARCUS_API_KEY")
        check_failed(
            arcus(*command, "--collection", "c", **of(system, "cg-wrong-wrong")), "API key", "arcus keys create"
        )
        check_failed(arcus(*command, "--collection", "c", **of(system, "schlüssel")), "API key")
