"""Engines of a cluster: what Serve is asked for, and what is said where Ray can't be asked."""

from __future__ import annotations

import pytest

from ray_jobs.cluster import deploy, serve_config
from ray_jobs.deploy import applications
from services.core.engines.config import load_engine_config
from services.core.errors import ArcusError, Reason
from services.core.settings import Settings

SETTINGS = Settings(index_shards=2)
CONFIG = serve_config(SETTINGS, load_engine_config(SETTINGS))


def test_a_cluster_has_the_applications_of_one_machine() -> None:
    assert [each["name"] for each in CONFIG["applications"]] == list(applications(SETTINGS))


@pytest.mark.parametrize(
    ("address", "reason", "said"),
    [
        ("head:8265", Reason.INVALID_ARGUMENT, "http://HEAD:8265"),
        ("ray://head:10001", Reason.INVALID_ARGUMENT, "http://HEAD:8265"),
        ("http://127.0.0.1:1", Reason.ENGINE_UNAVAILABLE, "Is its head there"),
    ],
)
def test_an_address_that_is_no_ray_is_told_with_what_to_change(address: str, reason: Reason, said: str) -> None:
    with pytest.raises(ArcusError, match=said) as caught:
        deploy(address, CONFIG, wait_seconds=0, say=lambda line: None)
    assert caught.value.reason is reason
