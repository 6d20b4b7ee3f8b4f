"""The committed stubs are what the protos generate."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROTO = Path(__file__).parents[2] / "proto"


def test_generating_the_stubs_again_changes_nothing(tmp_path: Path) -> None:
    for source in [PROTO / "generate.sh", *PROTO.rglob("*.proto")]:
        copy = tmp_path / source.relative_to(PROTO)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    subprocess.run([tmp_path / "generate.sh"], env={**os.environ, "PYTHON": sys.executable}, check=True)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*_pb2*")}
    committed = {path.relative_to(PROTO) for path in PROTO.rglob("*_pb2*") if "__pycache__" not in path.parts}
    assert made == committed
    changed = [str(path) for path in made if not filecmp.cmp(tmp_path / path, PROTO / path, shallow=False)]
    assert not changed, f"run proto/generate.sh: {changed}"


def test_the_proto_folder_is_not_a_package() -> None:
    assert not (PROTO / "__init__.py").exists()
    assert not (PROTO / "arcus" / "__init__.py").exists()
