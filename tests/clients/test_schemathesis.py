"""The HTTP API as its own document tells it: schemathesis sends what fits the document and what does not, and judges replies."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.acceptance.live_front import Account

CONFIG = Path(__file__).with_name("schemathesis.toml")
ADMIN = "/admin/"
SECONDS = 900  # some seven thousand requests; two minutes on two quiet cores


@pytest.mark.timeout(SECONDS + 60)
def test_the_document_and_the_server_say_the_same(account: Account, tmp_path: Path):
    """Every check that schemathesis has, over cases that it makes from each rule of the document, by a seed."""
    document = httpx.get(f"{account.front.url}/openapi.json", timeout=120).json()  # it is made at the first request
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG), "run"]
    command += ["--phases", "coverage", "--header", f"Authorization: Bearer {account.key}", "--warnings", "off"]
    command += ["--exclude-path-regex", f"^{ADMIN}"]  # which a tenant's key does not open
    command += ["--max-failures", "50", "--continue-on-failure", "--no-color", "--report-json-path", "report.json"]
    command += [f"{account.front.url}/openapi.json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=SECONDS)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["failures"], report["errors"], report["complete"]) == ([], [], True)
    asked = sum(len(methods) for path, methods in document["paths"].items() if not path.startswith(ADMIN))
    assert report["operations"]["tested"] == asked > 40
