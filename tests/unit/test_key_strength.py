"""Keys that somebody chose."""

from __future__ import annotations

import secrets

import pytest

from services.core.errors import ArcusError
from services.core.tenants.known_keys import check_strength


@pytest.mark.parametrize("key", ["cg-short-key", "a" * 64, "cg-aaaaaaaaaaaaaaaa", "12121212121212121212"])
def test_a_key_that_can_be_guessed_is_refused(key: str):
    with pytest.raises(ArcusError, match="have one made"):
        check_strength(key)


@pytest.mark.parametrize("make", [lambda: secrets.token_hex(16), lambda: f"cg-{secrets.token_urlsafe(32)}"])
def test_random_keys_are_taken(make):
    for _ in range(200):
        check_strength(make())
