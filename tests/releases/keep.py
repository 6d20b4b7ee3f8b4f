"""Keeps a release's front, to run beside the next one's: python -m tests.releases.keep REVISION

Writes `front.tar.xz`: services and proto of that revision. Done once a release is out, for the one after it.
"""

from __future__ import annotations

import io
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path

KEPT = Path(__file__).parent / "front.tar.xz"


def main(revision: str) -> None:
    command = ["git", "archive", "--format=tar", revision, "services", "proto"]
    whole = subprocess.run(command, check=True, capture_output=True).stdout
    kept = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(whole)) as source, tarfile.open(fileobj=kept, mode="w") as target:
        for member in source.getmembers():
            if member.isfile():
                target.addfile(member, source.extractfile(member))
    KEPT.write_bytes(lzma.compress(kept.getvalue(), preset=9))


if __name__ == "__main__":
    main(sys.argv[1])
