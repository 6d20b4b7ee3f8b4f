"""The page of settings, as Markdown: docs/settings.md is what `arcus settings` prints."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.core.settings import Settings

HEAD = """# Settings

Read from the environment once; all problems are reported together. A command's options (`arcus up --help`) go before the
environment. This page is what `arcus settings` prints.

| name | default | meaning |
|---|---|---|
"""


def settings_page() -> str:
    """Every setting with its default and its meaning, in the order of the settings object."""
    return HEAD + "".join(
        f"| `ARCUS_{name.upper()}` | {_default(field)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    )


def _default(field: FieldInfo) -> str:
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else str(field.default)
    return f"`{value}`" if value else ""
