"""Settings: documented, checked together, and masked."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.core.errors import ArcusError
from services.core.settings import Settings, load_settings

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_readme_with_its_meaning(name: str) -> None:
    field = Settings.model_fields[name]
    row = next((line for line in README.splitlines() if line.startswith(f"| `ARCUS_{name.upper()}` |")), None)
    assert row is not None, f"README has no row for ARCUS_{name.upper()}"
    assert field.description and field.description in row


def test_the_readme_has_no_setting_that_does_not_exist() -> None:
    rows = [line.split("`")[1] for line in README.splitlines() if line.startswith("| `ARCUS_")]
    assert {row.removeprefix("ARCUS_").lower() for row in rows} == set(Settings.model_fields)


def test_all_bad_settings_are_reported_at_once() -> None:
    with pytest.raises(ArcusError) as caught:
        load_settings(http_port=99999, max_attempts=0)
    assert "ARCUS_HTTP_PORT" in caught.value.message
    assert "ARCUS_MAX_ATTEMPTS" in caught.value.message


def test_secrets_are_masked() -> None:
    assert "cg-secret" not in repr(load_settings(api_key="cg-secret-secret"))
