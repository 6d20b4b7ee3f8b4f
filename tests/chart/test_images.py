"""The images, as far as they can be held without a container engine: what they copy, install and start, and as whom."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from services.core.store.migration import NEEDED
from tests.chart.dockerfiles import DOCKERFILES, stages, steps
from tests.chart.rendering import ROOT, objects
from tests.unit.test_dependency_rule import HEAVY

VALUES = [ROOT / "helm" / "arcus" / "values.yaml", *(ROOT / "helm" / "values").glob("*.yaml")]
FRONT_BYTES = 300_000_000  # of installed packages


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_runs_as_the_user_of_the_pods_and_pins_what_it_installs(name: str) -> None:
    written = steps(name)
    assert [text for step, text in written if step == "USER"] == ["10001:10001"]
    assert objects("least", "Deployment")[0]["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == 10001
    for _, text in (each for each in written if each[0] == "FROM"):
        assert re.match(r"python:3\.11-slim-\w+( AS \w+)?$", text)
    for _, text in (each for each in written if each[0] == "RUN" and "pip install" in each[1]):
        for command in re.findall(r"pip install ([^&;]+)", text):
            assert "-c constraints.txt" in command or "-c pins.txt" in command or "--no-deps" in command
    assert [text for step, text in stages(name)[-1] if step == "COPY"] == ["--from=build /opt/arcus /opt/arcus"]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_is_built_of_files_that_are_there_and_not_ignored(name: str) -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for step, text in steps(name):
        if step == "COPY" and not text.startswith("--from"):
            for source in text.split()[:-1]:
                assert (ROOT / source).exists() and source in kept


def test_images_are_those_that_the_chart_names() -> None:
    named = set(re.findall(r"repository: (\S+?)[,}\n]", "".join(path.read_text() for path in VALUES)))
    tagged = {tag for path in DOCKERFILES.values() for tag in re.findall(r"-t (\S+):", path.read_text())}
    assert named == tagged


def _closure(requirements: list[str]) -> dict[str, metadata.Distribution]:
    """What is installed for them, and for what they require."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [Requirement(each) for each in requirements]
    seen = set()
    while waiting:
        wanted = waiting.pop()
        if str(wanted) in seen:
            continue
        seen.add(str(wanted))
        distribution = metadata.distribution(wanted.name)
        found[distribution.name.lower()] = distribution
        for text in distribution.requires or ():
            inner = Requirement(text)
            if inner.marker is None or any(inner.marker.evaluate({"extra": each}) for each in {"", *wanted.extras}):
                waiting.append(inner)
    return found


def test_the_front_image_has_no_ray_no_torch_and_stays_small() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packages = _closure(project["dependencies"])
    assert not packages.keys() & {*HEAVY, "faiss-cpu", "opencv-python", "decord2"}
    assert sum(file.size or 0 for each in packages.values() for file in each.files or ()) < FRONT_BYTES
    pins = dict(line.lower().split("==") for line in (ROOT / "constraints.txt").read_text().splitlines())
    pins = {re.sub(r"[-_.]+", "-", name): version for name, version in pins.items()}
    for name, distribution in packages.items():
        assert pins.get(re.sub(r"[-_.]+", "-", name)) == distribution.version, f"constraints.txt pins no {name}"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build stage installs of this project, made of exactly the files that it copies."""
    folder = tmp_path_factory.mktemp("image")
    for step, text in steps("front"):
        if step == "COPY" and not text.startswith("--from"):
            *sources, target = text.split()
            for source in sources:
                if (ROOT / source).is_dir():
                    shutil.copytree(
                        ROOT / source, folder / "src" / target, ignore=shutil.ignore_patterns("__pycache__")
                    )
                else:
                    (folder / "src").mkdir(exist_ok=True)
                    shutil.copy(ROOT / source, folder / "src" / source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, "."],
        cwd=folder / "src",
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_the_wheel_has_all_that_the_code_reads(unpacked: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "services", "ray_jobs", "proto"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split() or [str(p.relative_to(ROOT)) for n in ("services", "ray_jobs") for p in (ROOT / n).rglob("*.py")]
    for path in tracked:
        if not path.endswith((".proto", ".sh", ".mako")):
            assert (unpacked / path.removeprefix("proto/")).exists(), f"{path} is not in the wheel"


def test_the_front_starts_from_the_image_alone(unpacked: Path, tmp_path: Path) -> None:
    """With the packages that are here, but those that the image has not: they can't be imported."""
    absent = "".join(f"sys.modules[{name!r}] = None\n" for name in sorted(HEAVY))
    script = f"import sys\n{absent}import services\nassert services.__path__[0].startswith({str(unpacked)!r})\n"
    script += "import services.front, services.rest.app\nfrom services.cli.main import main\nmain()\n"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(unpacked), "ARCUS_DATA_DIR": str(tmp_path / "data")}
    migrated = subprocess.run(
        [sys.executable, "-P", "-c", script, "migrate"], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert migrated.stdout == f"schema none -> {NEEDED}\n", migrated.stderr
