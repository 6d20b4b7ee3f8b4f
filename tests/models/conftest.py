"""The models that several of these tests ask."""

from tests.embedded_models import reader, transcriber

__all__ = ["reader", "transcriber"]
