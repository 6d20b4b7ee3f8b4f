"""The Serve applications: each class is a thin edge over a plain engine, stage or shard.

A KubeRay RayService names the builders below as import paths (`ray_jobs.deploy:engine`); `arcus up` deploys them all.
Replicas read their settings from the environment of their process.
"""

from __future__ import annotations

from typing import Any

from ray.serve import Application

from ray_jobs.engines.deployment import engine_application
from ray_jobs.index.deployment import index_application
from ray_jobs.serve_pipeline import Describer, FrameDecoder, IngestReplica, Reader, Transcriber
from services.core.engines.config import load_engine_config
from services.core.errors import invalid
from services.core.settings import Settings, load_settings

SERVICERS = [
    f"arcus.engine.v1.engine_pb2_grpc.add_{name}Servicer_to_server"
    for name in ("EmbedService", "IndexService", "GenerateService")
]


def _bound(deployment: Any, *arguments: Any) -> Application:
    return deployment.bind(*arguments)


def engine(arguments: dict[str, Any]) -> Application:
    """arguments: {"application": name}, one of those that the configuration names for its roles."""
    config = load_engine_config(load_settings())
    name = str(arguments.get("application"))
    if name not in config.applications:
        raise invalid(
            f"No role is played by an application {name!r}; there are: {', '.join(config.applications)}.",
            field="application",
        )
    return engine_application(config, name)


def index(arguments: dict[str, Any]) -> Application:
    """arguments: {"shard": number}"""
    return index_application(int(arguments["shard"]), load_settings())


def ingest(_arguments: dict[str, Any] | None = None) -> Application:
    settings = load_settings()
    config = load_engine_config(settings)
    embedded = config.engine("describe").kind == "embedded"
    transcriber: Any = Transcriber
    describer: Any = Describer if embedded else Reader
    return _bound(
        IngestReplica,
        _bound(FrameDecoder),
        _bound(transcriber.options(num_replicas=settings.transcribe_replicas)),
        _bound(describer.options(num_replicas=settings.describe_replicas)),
    )


def applications(settings: Settings) -> dict[str, Application]:
    """Every application of one instance by name: what a call names in its `application` metadata."""
    config = load_engine_config(settings)
    return {
        **{name: engine_application(config, name) for name in config.applications},
        **{f"index-{number}": index_application(number, settings) for number in range(settings.index_shards)},
        "ingest": ingest(),
    }
