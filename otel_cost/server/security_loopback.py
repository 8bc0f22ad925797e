"""Whether a request comes from a process of this machine, and from nobody that such a process speaks for."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")
_OF_PROXIES: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
"""Headers by which a proxy says that it asks for somebody else."""
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own, whatever the network looks like."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_local(request: HTTPConnection) -> bool:
    """Whether the client is on this machine, asked for this machine by name, and is no proxy that says so.

    The name that was asked for counts: a page that has its own name resolve to 127.0.0.1 (DNS rebinding), or a proxy on
    this machine that passes the name on, speaks for clients that are somewhere else.
    """
    if request.client is None or not is_loopback(request.client.host):
        return False
    if any(name in request.headers for name in _OF_PROXIES):
        return False
    hosts = request.headers.getlist("host")
    return bool(hosts) and all(is_loopback(_name_of(host)) for host in hosts)


def is_foreign_page(method: str, headers: Headers, origins: Collection[str]) -> bool:
    """Whether a page of another site asks a browser to change something here: it needs no answer to do harm.

    ``origins``: those whose pages may.
    """
    if method in _SAFE_METHODS:
        return False
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    own = headers.get("host", "")
    return origin not in (f"http://{own}", f"https://{own}", *origins)


def _name_of(host: str) -> str:
    found = _HOST.fullmatch(host.strip())
    return found[1].strip("[]") if found is not None else ""
