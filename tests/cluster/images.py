"""What an image has, without a container engine: the steps of its build stage, run in a root of their own.

`python -m tests.cluster.images` makes those for the CPU anew where what they are made of has changed, and for CUDA has pip choose
what it would install. With names, those are made.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.chart.dockerfiles import DOCKERFILES, stages
from tests.chart.rendering import ROOT

PROGRAM = "/opt/arcus"  # all that the last stage copies of the first one
BUILD_SECONDS = 1800  # a hang guard: gigabytes of packages
# Of each image its Dockerfile, and what `docker build` is told.
IMAGES: dict[str, tuple[str, dict[str, str]]] = {
    "front": ("front", {}),
    "engines": ("engines", {}),
    "load": ("load", {}),
    "engines-cuda": ("engines", {"VARIANT": "cuda"}),
}
FOR_A_CPU = ("front", "engines", "load")
CHOSEN_ONLY = ("engines-cuda",)  # eleven gigabytes


def layered(layer: Path) -> list[str]:
    """Commands that make `layer`/root, in a mount namespace: the root of this machine, whose changes are in memory."""
    root = layer / "root"
    hidden = [str(path) for path in Path(sys.base_prefix).parents if path != Path("/")]
    return [
        f"mount -t tmpfs layer {layer}",
        f"mkdir {layer}/upper {layer}/work {root}",
        f"mount -t overlay overlay -o lowerdir=/,upperdir={layer}/upper,workdir={layer}/work {root}",
        f"for each in dev proc sys; do mount --rbind /$each {root}/$each; done",
        f"cd {root} && chmod o+x {' '.join('.' + path for path in hidden)}",  # of an interpreter in somebody's home
    ]


def folder_of(name: str) -> Path:
    """What is /opt/arcus in the image `name`."""
    return ROOT / "build" / "images" / name


def install(name: str, *, chooses_only: bool = False) -> None:
    """Runs the build stage of the image `name`. What was installed before is not fetched again.

    With `chooses_only`, pip only tells what it would install: that the pins fit together, and that all of it can be had.
    """
    folder = folder_of(f"{name}-chosen" if chooses_only else name)
    folder.mkdir(parents=True, exist_ok=True)
    dockerfile, told = IMAGES[name]
    build = stages(dockerfile)[0]
    (directory,) = [text for step, text in build if step == "WORKDIR"]
    arguments = dict(text.split("=") for step, text in build if step == "ARG") | told
    with tempfile.TemporaryDirectory(prefix="arcus-image-") as layer:
        sources = Path(layer) / "sources"
        for text in (text for step, text in build if step == "COPY"):
            *froms, to = text.split()
            for each in froms:
                _copy(ROOT / each, sources / to)
        made_of, stamp = _digest(dockerfile, arguments, sources), folder / ".made-of"
        if stamp.exists() and stamp.read_text() == made_of:
            return
        stamp.unlink(missing_ok=True)
        root = Path(layer) / "layer" / "root"
        (Path(layer) / "layer").mkdir()
        python = Path(sys.base_prefix) / "bin"
        commands = [text for step, text in build if step == "RUN"]
        if chooses_only:
            commands = [text.replace("pip install ", "pip install --dry-run ") for text in commands]
        script = "\n".join(
            [
                *layered(root.parent),
                f"mkdir -p {root}{directory} {root}{PROGRAM}",
                f"mount --bind {sources} {root}{directory} && mount --bind {folder} {root}{PROGRAM}",
                *(f"chroot {root} bash -euc {shlex.quote(f'cd {directory}; {text}')}" for text in commands),
            ]
        )
        environment = dict(os.environ) | arguments | {"PATH": f"{python}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
        for inherited in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"):
            environment.pop(inherited, None)
        done = subprocess.run(
            ["unshare", "--mount", "bash", "-euc", script],
            env=environment,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        stamp.write_text(made_of)


def _digest(dockerfile: str, arguments: dict[str, str], sources: Path) -> str:
    found = hashlib.sha256(DOCKERFILES[dockerfile].read_bytes() + repr(sorted(arguments.items())).encode())
    for path in sorted(path for path in sources.rglob("*") if path.is_file()):
        found.update(f"{path.relative_to(sources)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return found.hexdigest()


def _copy(source: Path, target: Path) -> None:
    """As COPY does: of a folder what is in it."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target / source.name)


if __name__ == "__main__":
    for each in sys.argv[1:] or FOR_A_CPU:
        install(each)
    if not sys.argv[1:]:
        for each in CHOSEN_ONLY:
            install(each, chooses_only=True)
