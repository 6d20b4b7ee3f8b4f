"""Speaks what the scripts say and isn't recorded yet, and drops what none says: python -m loadtests.evaluation.record

It needs flite (Debian: apt-get install flite); the recordings are committed, so that nobody else does.
"""

from __future__ import annotations

from loadtests.evaluation.clips import VOICES, recording
from loadtests.evaluation.collections import PARTS, read
from tests.media.voices.record import record


def main() -> None:
    said = {
        recording(part): part
        for name in PARTS
        for collection in read(name)
        for script in collection.videos.values()
        for part in script["parts"].values()
        if "say" in part
    }
    for path, part in said.items():
        if not path.exists():
            record(part["say"], part["voice"], path)
    for path in set(VOICES.glob("*.opus")) - set(said):
        path.unlink()


if __name__ == "__main__":
    main()
