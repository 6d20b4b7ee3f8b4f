"""One cluster for all tests here: each leaves it working."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, question, started
from tests.cluster.hosts import NotPermittedError
from tests.contract.postgres_server import installed_postgres
from tests.running_system import LECTURE, create_collection, ingest


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    binaries = installed_postgres()
    folder = Path(tempfile.mkdtemp(prefix="arcus-cluster-"))
    try:
        with started(folder, binaries) as running:
            yield running
    except NotPermittedError as error:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing(f"this machine lets nobody make hosts of it: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def collection(cluster: Cluster) -> str:
    """Of one recording, asked about once."""
    with cluster.client() as client:
        collection = create_collection(client, "first")
        ingest(client, LECTURE, collection)
        answer = client.post("/responses", json=question(collection)).raise_for_status().json()
        assert "24 turbines" in answer["output"][0]["content"][0]["text"]
        return collection
