"""Real clients, of the versions that are pinned here, each in an environment of its own: `make test-clients`.

A program in `programs/` is what a user would write; it asserts, and prints "done" at its end.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.live_front import Account

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build"
CLIENTS = BUILD / "clients"
SCRIPT = json.dumps({"call": {"name": "get_weather", "arguments": '{"location": "Rome"}'}, "messages": 2})
PYTHON = [  # program, and the folder that its client is installed in; empty: the environment of the tests
    ("openai_sdk.py", "clients/openai-1"),
    ("openai_sdk.py", "clients/openai-2"),
    ("openai_sdk.py", ""),
    ("cloudglue_sdk.py", "cloudglue-0.7.19"),
    ("cloudglue_sdk.py", ""),
    ("langchain.py", "clients/agents"),
    ("openai_agents.py", "clients/agents"),
    ("pydantic_ai_client.py", "clients/agents"),
    ("litellm_client.py", "clients/litellm"),
    ("instructor_client.py", "clients/litellm"),
]
STRUCTURED = [  # in programs/structured
    ("openai_sdk.py", ""),
    ("langchain.py", "clients/agents"),
    ("openai_agents.py", "clients/agents"),
    ("pydantic_ai_client.py", "clients/agents"),
    ("instructor_client.py", "clients/litellm"),
]


def run(account: Account, command: list[str], **environment: str) -> None:
    """The program knows nothing but the address and the key, as OpenAI's clients read them."""
    given = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        **{"OPENAI_BASE_URL": f"{account.front.url}/v1", "OPENAI_API_KEY": account.key, "SCRIPT": SCRIPT},
        **{"NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1", **environment},
    }
    done = subprocess.run(command, capture_output=True, text=True, env=given, cwd=HERE, timeout=120)
    assert (done.returncode, done.stdout.strip().splitlines()[-1:]) == (0, ["done"]), done.stdout + done.stderr


@pytest.mark.parametrize(("program", "folder"), PYTHON, ids=[f"{item[0]}-{item[1] or 'newest'}" for item in PYTHON])
def test_a_python_client_works_unmodified(account: Account, program: str, folder: str):
    """That it warns of nothing it reads is part of it: what pydantic can't place it warns of."""
    run_python(account, program, folder)


@pytest.mark.parametrize(
    ("program", "folder"), STRUCTURED, ids=[f"{item[0]}-{item[1] or 'newest'}" for item in STRUCTURED]
)
def test_a_python_client_gets_the_objects_that_it_asks_for(schema_account: Account, program: str, folder: str):
    run_python(schema_account, f"structured/{program}", folder)


def run_python(account: Account, program: str, folder: str) -> None:
    if folder and not (BUILD / folder).is_dir():
        pytest.fail(f"build/{folder} is missing; run: make test-clients")
    # With a folder of its own a client sees nothing of the tests' environment, save an older SDK without dependencies.
    apart = folder.startswith("clients/")
    python = getattr(sys, "_base_executable", sys.executable) if apart else sys.executable
    paths = {"PYTHONPATH": str(BUILD / folder)} if folder else {}
    quiet = [
        "-W",
        "error:PydanticSerializationUnexpectedValue:UserWarning",
        "-W",
        "error:Pydantic serializer:UserWarning",
    ]
    run(account, [python, *quiet, "-B", str(HERE / "programs" / program)], **paths)


@pytest.mark.parametrize("program", ["ai_sdk.mjs", "openai_node.mjs"])
def test_a_client_on_node_works_unmodified(account: Account, program: str):
    node = shutil.which("node")
    modules = CLIENTS / "node" / "node_modules"
    if node is None or not modules.is_dir():
        pytest.fail("node, or build/clients/node, is missing; run: make test-clients")
    # Node looks for modules beside the program: it runs where they were installed.
    copy = CLIENTS / "node" / program
    shutil.copyfile(HERE / "programs" / program, copy)
    run(account, [node, str(copy)])
