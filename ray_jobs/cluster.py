"""The engines of a cluster: the Serve configuration that a RayService holds, and its way to a running Ray:

python -m ray_jobs.cluster [--address http://HEAD:8265] [--wait SECONDS]

Without an address it prints the configuration. Replicas read their settings from the environment of their node.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from ray_jobs.deploy import SERVICERS
from services.core.engines.config import EngineConfig, load_engine_config
from services.core.errors import ArcusError, Reason, invalid
from services.core.logs import configure_logs
from services.core.settings import Settings, load_settings

HTTP_PORT, GRPC_PORT = 8000, 9000
WAIT_SECONDS = 1800.0  # of engines that may fetch and load large models
ANSWER_SECONDS = 600.0  # of the longest answer
POLL_SECONDS = 1.0


def serve_config(settings: Settings, config: EngineConfig, *, answer_seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
    """Every application, by import path and arguments, as Serve's schema has them.

    A replica of an engine that is told to end has `answer_seconds` for its answers.
    """
    applications = [
        *(
            _application(
                name, "engine", {"application": name}, [{"name": name, "graceful_shutdown_timeout_s": answer_seconds}]
            )
            for name in config.applications
        ),
        *(_application(f"index-{number}", "index", {"shard": number}) for number in range(settings.index_shards)),
        _application("ingest", "ingest", {}),
    ]
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": HTTP_PORT},
        "grpc_options": {"port": GRPC_PORT, "enable_reflection": False, "grpc_servicer_functions": SERVICERS},
        "logging_config": {"encoding": "JSON", "log_level": "WARNING", "enable_access_log": False},
        "applications": applications,
    }


def _application(
    name: str, builder: str, arguments: Mapping[str, Any], deployments: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": name,
        "route_prefix": f"/{name}",
        "import_path": f"ray_jobs.deploy:{builder}",
        "args": dict(arguments),
    }
    return {**made, "deployments": list(deployments)} if deployments else made


def deploy(address: str, config: Mapping[str, Any], *, wait_seconds: float, say: Callable[[str], None]) -> None:
    """Returns when every application runs. Raises ENGINE_UNAVAILABLE where Ray can't be reached, an application fails, or the
    time is over."""
    from ray.dashboard.modules.serve.sdk import ServeSubmissionClient

    try:
        client = ServeSubmissionClient(address)
        client.deploy_applications(dict(config))
    except ValueError as error:
        raise invalid("The address must read http://HEAD:8265: that of Ray's dashboard.", field="address") from error
    except (ConnectionError, RuntimeError) as error:
        problem = str(error).strip().splitlines()[0]
        raise ArcusError(
            Reason.ENGINE_UNAVAILABLE,
            f"Ray can't be asked at {address}: {problem} Is its head there, and does RAY_AUTH_TOKEN hold its token?",
        ) from error
    wanted = [each["name"] for each in config["applications"]]
    deadline = time.monotonic() + wait_seconds
    told: dict[str, str] = {}
    while True:
        found = client.get_serve_details()["applications"]
        states = {name: found.get(name, {}).get("status", "NOT_STARTED") for name in wanted}
        for name in wanted:
            if states[name] != told.get(name):
                say(f"{name}: {states[name].lower()}")
        told = states
        failed = [name for name in wanted if states[name] in ("DEPLOY_FAILED", "UNHEALTHY")]
        if failed:
            message = found[failed[0]].get("message", "").strip().splitlines()
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, f"{failed[0]} does not run: {message[-1] if message else ''}")
        if all(state == "RUNNING" for state in states.values()):
            return
        if time.monotonic() > deadline:
            late = ", ".join(f"{name} ({state.lower()})" for name, state in states.items() if state != "RUNNING")
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, f"Not running after {wait_seconds:.0f} s: {late}.")
        time.sleep(POLL_SECONDS)


def main() -> None:
    os.umask(0o077)
    configure_logs()
    parser = argparse.ArgumentParser(prog="arcus engines", description=__doc__)
    parser.add_argument("--address", default="")
    parser.add_argument("--wait", type=float, default=WAIT_SECONDS)
    options = parser.parse_args()
    try:
        settings = load_settings()
        config = serve_config(settings, load_engine_config(settings))
        if not options.address:
            print(yaml.safe_dump(config, sort_keys=False), end="")
            return
        if not settings.engine_secret.get_secret_value():
            raise invalid("Set ARCUS_ENGINE_SECRET here and on the nodes of Ray to the secret that the fronts send.")
        deploy(options.address, config, wait_seconds=options.wait, say=lambda line: print(line, flush=True))
    except ArcusError as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
