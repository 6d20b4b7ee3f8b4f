"""How an engine becomes a Serve application."""

from __future__ import annotations

import pytest

from ray_jobs.engines.deployment import engine_application
from services.core.engines.config import parse_engine_config


@pytest.mark.parametrize("application", ["embed", "generate"])
def test_an_embedded_engine_has_as_many_replicas_as_it_is_given(application: str) -> None:
    config = parse_engine_config(
        "engines: {twice: {kind: embedded, replicas: 2}}\n"
        "roles: {embed: twice, nimbus-001: twice, nimbus-002-preview: twice}"
    )
    deployment = engine_application(config, application)._bound_deployment
    assert deployment.num_replicas == 2
