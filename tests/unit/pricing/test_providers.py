from __future__ import annotations

import pytest

from otel_cost.pricing.providers import public_host


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("API.Example.com.", "api.example.com"),
        ("https://api.example.com:8443/v1", "api.example.com"),
        ("10.0.0.7:80", "10.0.0.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("localhost:11434", ""),
        ("app.localhost", ""),
        ("127.0.0.1", ""),
        ("127.8.8.8:8080", ""),
        ("[::1]:80", ""),
        ("0.0.0.0", ""),
        ("", ""),
    ],
)
def test_loopback_and_unspecified_addresses_are_no_evidence(address: str, host: str) -> None:
    assert public_host(address) == host
