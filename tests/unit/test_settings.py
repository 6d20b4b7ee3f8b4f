"""Settings: documented, checked together, and masked."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.settings_page import settings_page
from services.core.errors import ArcusError
from services.core.settings import Settings, load_settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_of_settings_is_what_the_command_prints() -> None:
    assert PAGE.read_text() == settings_page(), "run: arcus settings > docs/settings.md"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_means(name: str) -> None:
    assert Settings.model_fields[name].description


def test_all_bad_settings_are_reported_at_once() -> None:
    with pytest.raises(ArcusError) as caught:
        load_settings(http_port=99999, max_attempts=0)
    assert "ARCUS_HTTP_PORT" in caught.value.message
    assert "ARCUS_MAX_ATTEMPTS" in caught.value.message


def test_secrets_are_masked() -> None:
    assert "cg-secret" not in repr(load_settings(api_key="cg-secret-secret"))
