"""The pages say what is: what they name exists, what they list is whole, and the site builds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from arcus.v1 import chat_pb2, collections_pb2, files_pb2, responses_pb2, search_pb2, segments_pb2

from services.core.engines.config import KINDS, ROLES
from services.core.errors import WIRE

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
TEXTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *PAGES, *RUNBOOKS]
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# The folders that hold what is named by path.
TOP = ("services/", "helm/", "ray_jobs/", "proto/", "configs/", "examples/", "loadtests/", "docs/", "tests/", ".ci/")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("text", TEXTS, ids=name)
def test_every_link_leads_somewhere(text: Path) -> None:
    for link in LINK.findall(text.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = text.parent / path if path else text
        assert target.exists(), f"{name(text)} links to {link}"
        assert not anchor or anchor in anchors(target), f"{name(text)} links to {link}, and there is no such heading"


@pytest.mark.parametrize("text", [path for path in TEXTS if path.name != "CHANGELOG.md"], ids=name)
def test_every_file_and_folder_that_is_named_exists(text: Path) -> None:
    made = ("loadtests/out",)
    for code in CODE.findall(text.read_text()):
        word = code.split()[-1] if code.startswith("python loadtests") else code.partition(":")[0]
        if word.startswith(TOP) and " " not in word and word not in made:
            assert (ROOT / word).exists(), f"{name(text)} names {word}"


def test_the_modules_in_the_tree_stand_in_their_folders() -> None:
    tree = (ROOT / "docs" / "architecture.md").read_text().partition("## The tree")[2]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", tree, re.MULTILINE)
    assert len(rows) > 30
    for folder, holds in rows:
        assert (ROOT / folder).is_dir(), folder
        for inner in CODE.findall(holds):
            if re.fullmatch(r"[\w./]+(\.\w+|/)", inner):
                found = (ROOT / folder / inner, ROOT / inner)
                assert any(path.exists() for path in found), f"{folder} holds no {inner}"


def test_every_folder_of_code_is_in_the_tree() -> None:
    tree = (ROOT / "docs" / "architecture.md").read_text().partition("## The tree")[2]
    for package in ("services", "ray_jobs"):
        for marker in (ROOT / package).rglob("__init__.py"):
            folder = f"{name(marker.parent)}/"
            said = f"`{folder}`" in tree or f"`{marker.parent.name}/`" in tree
            assert said, f"docs/architecture.md has no line for {folder}"


@pytest.mark.parametrize("text", TEXTS, ids=name)
def test_every_make_target_and_command_that_is_named_exists(text: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = (ROOT / "services" / "cli" / "main.py").read_text()
    for target in re.findall(r"(?:^|`)make ((?:[a-z][\w-]*))", text.read_text(), re.MULTILINE):
        assert target in targets, f"{name(text)} names make {target}"
    for command in re.findall(r"(?:^|`)arcus ([a-z]+)", text.read_text(), re.MULTILINE):
        known = re.search(
            rf'^(?:@app\.command\(\)\n(?:async )?def {command}\(|app\.(?:command\("|add_typer\(.*name="){command}"\))',
            commands,
            re.M,
        )
        assert known, f"{name(text)} names arcus {command}"


def test_contributing_names_every_make_target() -> None:
    page = (ROOT / "docs" / "contributing.md").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    for target in phony.group(1).split():
        assert f"`make {target}`" in page, f"docs/contributing.md does not say what make {target} does"


def test_every_reason_to_fail_is_in_the_table_with_its_codes() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    for reason, wire in WIRE.items():
        assert f"| `{reason}` | {wire.http} | `{wire.grpc}` | `{wire.code}` |" in page, reason


def test_every_call_of_grpc_is_in_the_table() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    for module in (chat_pb2, collections_pb2, files_pb2, responses_pb2, search_pb2, segments_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            calls = ", ".join(f"`{method.name}`" for method in service.methods)
            assert f"| `{service.full_name}` | {calls} |" in page, service.full_name


def test_every_role_kind_and_option_of_engines_is_told() -> None:
    page = (ROOT / "docs" / "engines.md").read_text()
    for role in ROLES:
        assert f"`{role}`" in page, role
    for kind, options in KINDS.items():
        assert f"| `{kind}` |" in page, kind
        for option in options.model_fields:
            assert option == "kind" or f"| `{option}` |" in page, f"{kind}: {option}"


def test_every_page_is_in_the_navigation() -> None:
    waiting, files = list(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]), set()
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, str):
            files.add(entry)
        else:
            for target in entry.values():
                waiting += target if isinstance(target, list) else [target]
    assert {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} == files
    readme = (ROOT / "README.md").read_text()
    for page in PAGES:
        assert page.name == "index.md" or f"(docs/{page.name})" in readme, f"README does not link to {page.name}"


def test_the_picture_is_well_formed_and_says_in_words_what_it_shows() -> None:
    picture = ElementTree.parse(ROOT / "docs" / "flow.svg").getroot()
    described = picture.find("{http://www.w3.org/2000/svg}desc")
    assert described is not None and len(described.text or "") > 200


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_nothing_of_other_hosts(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert built.returncode == 0, built.stderr
    for page in PAGES:
        html = (tmp_path / f"{page.stem}.html").read_text()
        assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]+\.(?:js|css|woff2?)"', html), page.name
