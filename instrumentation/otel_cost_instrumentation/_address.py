"""Who is behind the address that is asked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit


class Server(NamedTuple):
    """Who is asked. ``provider`` is empty where its host is not known."""

    provider: str
    address: str
    port: int


@lru_cache(maxsize=256)
def host_and_port(url: str) -> tuple[str, int]:
    """Of a base URL; no host where it has none. The dot that ends a full name is left out."""
    split = urlsplit(url)
    return (split.hostname or "").removesuffix("."), split.port or (80 if split.scheme == "http" else 443)


def provider_of(address: str, hosts: Mapping[str, str], own: str) -> str:
    """The provider behind a host: by exact name, by domain (a key that starts with a dot), ``own`` on loopback.

    Loopback keeps the SDK's own name for stand-ins and proxies; any other unknown host has none, and the price is
    found by the host.
    """
    if address in hosts:
        return hosts[address]
    if address == "localhost" or address == "::1" or address.startswith("127."):
        return own
    found = next((name for domain, name in hosts.items() if domain[0] == "." and address.endswith(domain)), "")
    return found if _AMONG_OTHERS.get(found, "") in address else ""


_AMONG_OTHERS: Final = {"aws.bedrock": "bedrock"}
"""Providers whose domain has other services and rented machines in it, and what their own hosts have in their names."""


def server_at(url: str, hosts: Mapping[str, str], own: str) -> Server:
    """Whoever is at ``url``, as :func:`provider_of` names it."""
    address, port = host_and_port(url)
    return Server(provider_of(address, hosts, own), address, port)
