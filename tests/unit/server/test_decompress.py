from __future__ import annotations

import gzip
import tracemalloc

import pytest

from otel_cost.server.otlp import Malformed, TooLarge, decompress


def test_a_bomb_is_never_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            decompress(bomb, "gzip", 100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_members_share_one_limit() -> None:
    member = gzip.compress(b"x" * 60)
    assert decompress(member * 2, "gzip", 120) == b"x" * 120
    with pytest.raises(TooLarge):
        decompress(member * 2, "gzip", 119)


def test_a_body_of_very_many_members_is_refused() -> None:
    with pytest.raises(Malformed, match="members"):
        decompress(gzip.compress(b"") * 1000, "gzip", 1_000_000)
