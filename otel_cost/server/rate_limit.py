"""How often one key, or one address, may ask: token buckets in memory, each replica for itself."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_BUCKETS: Final = 10_000
"""Buckets kept; beyond it, the one used longest ago is forgotten: it would be nearly full again by then."""
_MINUTE_S: Final = 60.0
_IPV6_NETWORK: Final = 64
"""Bits of an IPv6 address that somebody is given a network by: the rest they choose as they like."""


class Allowance(NamedTuple):
    """Whether there was room, how many more requests there is room for now, and in how many seconds for one at least,
    and for all of them."""

    granted: bool
    left: int
    next_s: int
    full_s: int


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class Buckets:
    """Buckets by name. Each holds a minute's worth, and fills up evenly. Thread-safe.

    Args:
        per_minute: How much flows in; above 0.
        clock_s: Seconds, never going back.
    """

    def __init__(self, per_minute: int, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock_s = clock_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str) -> Allowance:
        """Take one from the bucket of ``name``, if it has one."""
        with self._lock:
            bucket = self._filled(name)
            granted = bucket.tokens >= 1
            bucket.tokens -= granted
            return self._allowance(bucket, granted)

    def look(self, name: str) -> Allowance:
        """Whether there would be one, without taking it."""
        with self._lock:
            bucket = self._filled(name)
            return self._allowance(bucket, bucket.tokens >= 1)

    def _filled(self, name: str) -> _Bucket:
        now_s = self._clock_s()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(self.per_minute, now_s)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
        else:
            flown = (now_s - bucket.at_s) * self.per_minute / _MINUTE_S
            bucket.tokens, bucket.at_s = min(self.per_minute, bucket.tokens + flown), now_s
            self._buckets.move_to_end(name)
        return bucket

    def _allowance(self, bucket: _Bucket, granted: bool) -> Allowance:
        each_s = _MINUTE_S / self.per_minute
        next_s = math.ceil(max(0.0, 1 - bucket.tokens) * each_s)
        return Allowance(granted, int(bucket.tokens), next_s, math.ceil((self.per_minute - bucket.tokens) * each_s))


def headers(allowance: Allowance, per_minute: int) -> dict[str, str]:
    """What tells a client how far it may go: the RateLimit header fields of the IETF's HTTPAPI group (draft 10)."""
    found = {
        "RateLimit-Policy": f'"minute";q={per_minute};w={int(_MINUTE_S)}',
        "RateLimit": f'"minute";r={allowance.left};t={allowance.full_s}',
    }
    return found if allowance.granted else {**found, "Retry-After": str(max(1, allowance.next_s))}


def network_of(address: str) -> str:
    """Who an address is counted as: itself, or the /64 that an IPv6 one is of."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(ip) >> _IPV6_NETWORK << _IPV6_NETWORK, _IPV6_NETWORK)))
    return str(ip)
