"""Formats of texts and numbers in schemas: which are offered, and whether a text has one."""

from __future__ import annotations

import re
from datetime import date, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from jsonschema import FormatChecker

FORMATS = ("date", "date-time", "time", "duration", "email", "uri", "uuid", "ipv4", "ipv6", "hostname", "phone")
NUMBER_FORMATS = ("int32", "int64", "uint32", "uint64", "float", "double", "decimal")
# What other SDKs call them.
SAME = {
    **{"idn-email": "email", "url": "uri", "http-url": "uri", "any-url": "uri", "iri": "uri", "guid": "uuid"},
    **{f"uuid{version}": "uuid" for version in range(1, 9)},
    **{"idn-hostname": "hostname", "datetime": "date-time", "e164": "phone"},
}
ANY_TEXT = ("path", "file-path", "directory-path", "password", "uri-reference", "text")  # say nothing of the text
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_ZONE = re.compile(r"(Z|[+-]\d\d:\d\d)$")
_DURATION = re.compile(
    r"P(?:\d{1,9}W|(?:\d{1,9}Y)?(?:\d{1,9}M)?(?:\d{1,9}D)?(T(?:\d{1,9}H)?(?:\d{1,9}M)?(?:\d{1,9}S)?)?)"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HOST_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
checker = FormatChecker(formats=())


@checker.checks("date", raises=ValueError)
def _is_date(value: Any) -> bool:
    return not isinstance(value, str) or (len(value) == 10 and bool(date.fromisoformat(value)))


@checker.checks("date-time", raises=ValueError)
def _is_moment(value: Any) -> bool:
    return not isinstance(value, str) or (
        value[10:11] == "T" and bool(_ZONE.search(value)) and bool(datetime.fromisoformat(value))
    )


@checker.checks("time", raises=ValueError)
def _is_time(value: Any) -> bool:
    return not isinstance(value, str) or _is_moment(f"2000-01-01T{value}")


@checker.checks("duration")
def _is_duration(value: Any) -> bool:
    """ISO 8601, as RFC 3339's appendix A has it."""
    if not isinstance(value, str):
        return True
    return bool(_DURATION.fullmatch(value)) and value[-1] not in "PT"


@checker.checks("email")
def _is_address(value: Any) -> bool:
    return not isinstance(value, str) or bool(_ADDRESS.fullmatch(value))


@checker.checks("uri", raises=ValueError)
def _is_link(value: Any) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme and urlsplit(value).netloc)


@checker.checks("uuid", raises=ValueError)
def _is_uuid(value: Any) -> bool:
    return not isinstance(value, str) or (bool(_UUID.fullmatch(value)) and bool(UUID(value)))


@checker.checks("ipv4", raises=ValueError)
def _is_ipv4(value: Any) -> bool:
    return not isinstance(value, str) or bool(IPv4Address(value).packed)


@checker.checks("ipv6", raises=ValueError)
def _is_ipv6(value: Any) -> bool:
    return not isinstance(value, str) or bool(IPv6Address(value).packed)


@checker.checks("hostname")
def _is_hostname(value: Any) -> bool:
    """With a dot: a single word is none that a text tells."""
    if not isinstance(value, str):
        return True
    labels = value.rstrip(".").split(".")
    return len(value) <= 253 and len(labels) > 1 and all(_HOST_LABEL.fullmatch(label) for label in labels)
