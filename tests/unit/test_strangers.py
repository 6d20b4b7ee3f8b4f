"""Wrong keys by address."""

from __future__ import annotations

import pytest

from services.core.tenants.strangers import (
    FORGIVEN_SECONDS,
    FREE_TRIES,
    MAX_ADDRESSES,
    MOST_SECONDS,
    Strangers,
    TrustedProxies,
    network_of,
)


def test_wrong_keys_are_answered_ever_later_and_forgiven_in_time():
    now = 0.0
    strangers = Strangers(clock=lambda: now)
    assert {strangers.count("10.0.0.1") for _ in range(FREE_TRIES)} == {0}
    later = [strangers.count("10.0.0.1") for _ in range(100)]
    assert later == sorted(later) and later[0] > 0 and later[-1] == MOST_SECONDS
    assert strangers.count("10.0.0.2") == 0
    now = FORGIVEN_SECONDS * 1000
    assert strangers.count("10.0.0.1") == 0


def test_the_table_of_addresses_is_bounded():
    strangers = Strangers(clock=lambda: 0.0)
    for _ in range(FREE_TRIES + 1):
        strangers.count("first")
    for number in range(MAX_ADDRESSES):
        strangers.count(f"other-{number}")
    assert strangers.count("first") == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [("10.0.0.1", "10.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("2001:db8::1", "2001:db8::/64"), ("", "")],
)
def test_an_ipv6_network_counts_as_one(address: str, network: str):
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # anybody can write that
        ("10.0.0.5", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.5", "203.0.113.9, 198.51.100.7", "198.51.100.7"),  # what stands before it is the client's word
        ("10.0.0.5", "198.51.100.7, 10.1.1.1", "198.51.100.7"),
        ("10.0.0.5", "", "10.0.0.5"),
    ],
)
def test_only_trusted_proxies_tell_of_other_addresses(peer: str, forwarded: str, client: str):
    assert TrustedProxies("10.0.0.0/8, ::1").client(peer, forwarded) == client
