"""What the engine runtime asks of the machine."""

from __future__ import annotations

import itertools
import random
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ray_jobs.runtime import LOGICAL_CPUS, MAX_INDEX_REPLICAS, check_metrics_port, logical_cpus, serve_environment
from services.core.errors import ArcusError
from services.core.settings import Settings


def test_metrics_are_collected_only_where_they_are_told() -> None:
    with TemporaryDirectory(dir="/tmp") as folder:
        for metrics in (False, True):
            environment = serve_environment(Path(folder), metrics=metrics)
            assert environment["RAY_enable_metrics_collection"] == str(int(metrics))
            assert not [name for name in environment if "HIGH_CARDINALITY" in name]


def test_a_metrics_port_that_is_taken_is_refused_by_its_name() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ArcusError) as caught:
            check_metrics_port(other.getsockname()[1])
    assert "ARCUS_ENGINE_METRICS_PORT" in caught.value.message and caught.value.field == "engine_metrics_port"
    check_metrics_port(0)


def test_every_index_replica_has_its_place() -> None:
    assert logical_cpus(Settings()) == LOGICAL_CPUS
    for shards, replicas in ((16, 1), (8, 8), (MAX_INDEX_REPLICAS, 1)):
        room = logical_cpus(Settings(index_shards=shards, index_replicas=replicas))
        assert room >= 2 + shards * replicas * 0.1


def test_more_index_replicas_than_fit_are_refused_with_what_to_change() -> None:
    with pytest.raises(ArcusError) as caught:
        logical_cpus(Settings(index_shards=64, index_replicas=4))
    assert str(MAX_INDEX_REPLICAS) in caught.value.message and caught.value.field == "index_replicas"


def test_two_instances_on_one_machine_share_no_port() -> None:
    """Serve opens its replicas' ports so that a second process may open them as well."""
    ranges = []
    with TemporaryDirectory(dir="/tmp") as folder:
        for _ in range(3):
            random.seed(7)  # all want the same
            environment = serve_environment(Path(folder))
            names = [name for name in sorted(environment) if name.startswith("RAY_SERVE_DIRECT_INGRESS_M")]
            ports = [int(environment[name]) for name in names]
            ranges.append(range(min(ports), max(ports) + 1))
    assert not any(set(one) & set(other) for one, other in itertools.combinations(ranges, 2))
