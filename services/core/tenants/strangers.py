"""Those who come with wrong keys: counted by address, and answered ever later.

A right key is never slowed, from whatever address: nobody can lock out others behind the same one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

import structlog

MAX_ADDRESSES = 10_000
FREE_TRIES = 50  # wrong keys of one address before it is slowed
FORGIVEN_SECONDS = 2.0  # for each wrong key
STEP_SECONDS, MOST_SECONDS = 0.1, 2.0  # each further one is answered so much later, up to the most
MAX_WAITING = 256  # that wait for their answer; the rest is answered at once
IPV6_NETWORK = 64  # what one household or machine is given

log = structlog.get_logger(__name__)


class Strangers:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[str, tuple[float, float]] = OrderedDict()  # wrong keys, when counted
        self._waiting = 0

    def count(self, address: str) -> float:
        """Counts a wrong key. Returns for how many seconds its answer is to wait."""
        name, now = network_of(address), self._clock()
        count, since = self._counts.pop(name, (0.0, now))
        count = max(0.0, count - (now - since) / FORGIVEN_SECONDS) + 1
        self._counts[name] = count, now
        if len(self._counts) > MAX_ADDRESSES:
            self._counts.popitem(last=False)
        if count > FREE_TRIES >= count - 1:
            log.warning("many wrong keys come from one address; it is answered ever later", address=name)
        return min(MOST_SECONDS, max(0.0, count - FREE_TRIES) * STEP_SECONDS)

    async def slow(self, address: str) -> None:
        """Counts a wrong key, and waits as long as its address has earned."""
        seconds = self.count(address)
        if not seconds or self._waiting >= MAX_WAITING:
            return
        self._waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1


def network_of(address: str) -> str:
    """What counts as one address: of IPv6, a network. What is none, such as a socket's path, counts as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, IPV6_NETWORK), strict=False))
    return str(parsed)


class TrustedProxies:
    """Whose word on a client's address is taken: addresses and networks, separated by commas."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for what is neither an address nor a network."""
        self._networks = [ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()]

    def client(self, peer: str, forwarded_for: str) -> str:
        """The client's address: that of the peer, or behind trusted proxies the last in their list that is none."""
        client = peer
        for hop in reversed(forwarded_for.split(",")):
            if not self._trusts(client):
                break
            client = hop.strip() or client
        return client

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)
