"""A load test as a Job: the very file that a laptop runs, and a command that the program has, in an image that can run it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtests.load.__main__ import main
from loadtests.load.scenario import load_scenario, schedule
from tests.chart.dockerfiles import steps
from tests.chart.rendering import LEAST, ROOT, objects, parsed, render
from tests.unit.test_dependency_rule import HEAVY

SCENARIOS = sorted((ROOT / "loadtests" / "scenarios").glob("*.yaml"))


def job_of(path: Path, **values: Any) -> tuple[dict[str, Any], str]:
    """The container of the Job for a scenario, and the file that it is given."""
    load = {"enabled": True, "scenario": path.read_text(), **values}
    made = [
        each for each in parsed(render({**LEAST, "load": load})) if each["metadata"]["name"].startswith("arcus-load")
    ]
    (config,) = [each for each in made if each["kind"] == "ConfigMap"]
    (job,) = [each for each in made if each["kind"] == "Job"]
    assert job["spec"]["backoffLimit"] == 0, "a verdict is not asked for again"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return container, config["data"]["scenario.yaml"]


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_file_of_the_job_is_that_of_a_laptop(path: Path, tmp_path: Path) -> None:
    _, text = job_of(path)
    (tmp_path / "scenario.yaml").write_text(text)
    assert text == path.read_text()
    assert schedule(load_scenario(tmp_path / "scenario.yaml")) == schedule(load_scenario(path))


def test_the_command_of_the_job_is_one_of_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    container, text = job_of(ROOT / "loadtests/scenarios/streams.yaml", long=True)
    python, dash, module, file, *given = container["command"]
    assert (python, dash, module, file) == ("python", "-m", "loadtests.load", "/etc/arcus/scenario.yaml")
    assert "--url=http://arcus-front:80/v1" in given and "--grpc=arcus-front:50051" in given and "--long" in given
    (keys,) = container["env"]
    assert f"--keys=env:{keys['name']}" in given and keys["valueFrom"]["secretKeyRef"] == {
        "name": "arcus-load",
        "key": "keys",
    }
    (tmp_path / "scenario.yaml").write_text(text)
    monkeypatch.setattr(sys, "argv", ["load", str(tmp_path / "scenario.yaml"), *given])
    monkeypatch.setenv(keys["name"], json.dumps({"first": "a key"}))
    assert main() == 2 and "streams: no key for second." in capsys.readouterr().err
    monkeypatch.delenv(keys["name"])
    assert main() == 2 and "env:LOAD_KEYS: it must be JSON of {tenant: key}" in capsys.readouterr().err


def test_no_job_is_made_unless_it_is_asked_for_and_it_takes_a_scenario() -> None:
    assert not [each for each in objects("least") if each["metadata"]["name"].startswith("arcus-load")]
    with pytest.raises(Exception, match=r"load\.scenario: give a scenario, as --set-file"):
        render({**LEAST, "load": {"enabled": True}})


def test_the_image_has_what_asks_a_system_and_needs_nothing_that_starts_one(tmp_path: Path) -> None:
    """With what the image copies alone; what computes, and the tests, can't be imported."""
    for step, text in steps("load"):
        if step == "COPY" and not text.startswith("--from"):
            for source in (ROOT / each for each in text.split()[:-1]):
                if source.is_dir():
                    shutil.copytree(source, tmp_path / source.name, ignore=shutil.ignore_patterns("__pycache__", "out"))
    (install,) = [text for step, text in steps("load") if step == "RUN" and "pip install" in text]
    absent = sorted({*HEAVY, "tests"} - set(install.split()))
    script = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in absent)
    script += "from loadtests.load.__main__ import main\nsys.exit(main())\n"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{tmp_path}:{tmp_path / 'proto'}",
        "LOAD_KEYS": '{"first": "k"}',
    }
    scenario = tmp_path / "loadtests/scenarios/answers.yaml"
    given = [scenario, "--url=http://127.0.0.1:1/v1", "--grpc=127.0.0.1:1", "--keys=env:LOAD_KEYS"]
    ended = subprocess.run(
        [sys.executable, "-P", "-c", script, *given], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.returncode == 2 and ended.stderr == "answers: no key for second, third.\n"
