"""Fresh price data: fetched by genai-prices' own updater from a server on loopback, kept in a file, swapped in."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from otel_cost.config import Config, PriceSettings
from otel_cost.errors import ConfigError, PricesUnavailable
from otel_cost.model import Usage
from otel_cost.pricing import Catalog, PriceQuery, Pricer, configured, load_catalog, pricer_of, refresh, snapshot_file
from otel_cost.pricing.snapshot import Snapshot
from otel_cost.pricing.snapshot_file import FetchedPrices

from .conftest import NOON, providers

USAGE = Usage.of({"input_tokens": 1_000_000})


def raw(usd: float) -> list[dict[str, object]]:
    """Price data as it is published."""
    model = {"id": "gpt-x", "match": {"equals": "gpt-x"}, "prices": {"input_mtok": usd}}
    return [{"id": "openai", "name": "OpenAI", "api_pattern": "https://api\\.openai\\.com", "models": [model]}]


class Mirror:
    """Answers with ``body``."""

    def __init__(self) -> None:
        self.body = json.dumps(raw(2)).encode()
        self.asked = 0
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked += 1
                self.send_response(200 if mirror.body else 503)
                self.end_headers()
                self.wfile.write(mirror.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/data.json"


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    running = Mirror()
    thread = threading.Thread(target=running.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.server.shutdown()
    running.server.server_close()
    thread.join()


def price_of(catalog: Catalog | None) -> int:
    assert catalog is not None
    return catalog.price(USAGE, PriceQuery("openai", "gpt-x", NOON)).amount_nano


# --- fetching ---------------------------------------------------------------------------------------------------------


def test_fetched_data_prices_calls_and_is_named_in_the_version(mirror: Mirror) -> None:
    """B14: the refresh itself."""
    catalog = configured.refreshed_catalog(Config(), mirror.url)
    assert price_of(catalog) == 2 * 10**9
    assert "+data:" in catalog.version
    mirror.body = json.dumps(raw(3)).encode()
    other = configured.refreshed_catalog(Config(), mirror.url)
    assert (price_of(other), other.version != catalog.version) == (3 * 10**9, True)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "503"),
        (b"<html>", "is not price data"),
        (b"{}", "is not price data"),
        (b"[]", "has no prices"),
        (b'[{"id": 3}]', "is not price data"),
    ],
)
def test_what_cannot_be_used_is_said(mirror: Mirror, body: bytes, says: str) -> None:
    mirror.body = body
    with pytest.raises(PricesUnavailable, match=says):
        refresh.fetch(mirror.url)


def test_nobody_there(mirror: Mirror) -> None:
    with pytest.raises(PricesUnavailable, match="cannot be fetched"):
        refresh.fetch("http://127.0.0.1:1/data.json")


# --- the file ---------------------------------------------------------------------------------------------------------


def test_price_data_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "prices.json"
    data = providers()
    fetched = FetchedPrices(data, "2026-11-22T00:00:00+00:00", "somewhere", snapshot_file.digest_of(data))
    snapshot_file.write(path, fetched)
    assert snapshot_file.read(path) == fetched
    assert [item.name for item in path.parent.iterdir()] == ["prices.json"], "nothing is left beside it"


def test_the_whole_packaged_data_survives_its_file(tmp_path: Path) -> None:
    from genai_prices.data import providers as packaged

    path = tmp_path / "prices.json"
    snapshot_file.write(path, FetchedPrices(packaged, "", "", snapshot_file.digest_of(packaged)))
    again = snapshot_file.read(path).providers
    assert [(p.id, [replace(m, description=None, price_comments=None) for m in p.models]) for p in packaged] == [
        (p.id, p.models) for p in again
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "not price data of this release"),
        ('{"format": 99, "providers": []}', "not price data of this release"),
        ('{"format": 1}', "is damaged"),
        ('{"format": 1, "providers": [{"type": "os.system"}]}', "is damaged"),
        ('{"format": 1, "providers": [{"id": "no type"}]}', "is damaged"),
        ('{"format": 1, "providers": [{"type": "Provider", "id": "p"}]}', "is damaged"),
        ('{"format": 1, "providers": [{"type": "Decimal", "is": "x"}]}', "is damaged"),
    ],
)
def test_a_file_that_cannot_be_used_leaves_the_packaged_data_in_use(
    tmp_path: Path, text: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PricesUnavailable, match=says):
        snapshot_file.read(path)
    with caplog.at_level(logging.WARNING, "otel_cost"):
        assert refresh.snapshot_in(path).version == Snapshot.load().version
    assert "the packaged price data is used" in caplog.text
    assert str(path) in caplog.text


def test_a_file_that_is_named_and_there_is_used(tmp_path: Path, mirror: Mirror) -> None:
    path = tmp_path / "prices.json"
    config = Config(prices=PriceSettings(snapshot=path))
    before = load_catalog(config)
    assert "+data:" not in before.version
    after = configured.refreshed_catalog(config, mirror.url)
    assert load_catalog(config).version == after.version
    assert price_of(load_catalog(config)) == 2 * 10**9


# --- in the background ------------------------------------------------------------------------------------------------


class Feed:
    """Catalogs one after the other, and a mark for each attempt."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.attempts = 0
        self.error: Exception | None = None
        self.attempted = threading.Event()

    def __call__(self) -> Catalog:
        self.attempts += 1
        try:
            if self.error is not None:
                raise self.error
            return Catalog(self.snapshot, tier="production" if self.attempts % 2 else "development")
        finally:
            self.attempted.set()


def loaded_pricer(snapshot: Snapshot) -> Pricer:
    pricer = Pricer(lambda: Catalog(snapshot))
    assert pricer.catalog(30) is not None
    return pricer


def test_a_refresh_replaces_the_catalog(snapshot: Snapshot, caplog: pytest.LogCaptureFixture) -> None:
    """B14."""
    pricer = loaded_pricer(snapshot)
    refresher = refresh.Refresher(pricer, Feed(snapshot), 3600)
    with caplog.at_level(logging.INFO, "otel_cost"):
        assert refresher.refresh_now()
    catalog = pricer.catalog(0)
    assert catalog is not None
    assert catalog.version in caplog.text


@pytest.mark.parametrize("error", [PricesUnavailable("no network"), ConfigError("a broken overlay")])
def test_a_failed_refresh_keeps_what_is_in_use_and_says_so_once(
    snapshot: Snapshot, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """B14."""
    pricer, feed = loaded_pricer(snapshot), Feed(snapshot)
    before = pricer.catalog(0)
    feed.error = error
    refresher = refresh.Refresher(pricer, feed, 3600)
    with caplog.at_level(logging.WARNING, "otel_cost"):
        assert [refresher.refresh_now(), refresher.refresh_now()] == [False, False]
    assert pricer.catalog(0) is before
    assert caplog.text.count(str(error)) == 1
    feed.error = None
    assert refresher.refresh_now()


def test_it_goes_on_by_itself_until_it_is_stopped(snapshot: Snapshot) -> None:
    """B14."""
    pricer, feed = Pricer(lambda: Catalog(snapshot)), Feed(snapshot)
    refresher = refresh.Refresher(pricer, feed, 0.005)
    refresher.start()
    assert feed.attempts == 0, "nothing begins before prices were needed"
    pricer.catalog(30)
    for _ in range(3):
        feed.attempted.clear()
        assert feed.attempted.wait(30)
    refresher.stop()


def test_nothing_is_fetched_unless_it_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """B14, B20: off by default."""
    monkeypatch.setattr(refresh, "fetch", _refuse)
    monkeypatch.setattr(refresh, "Refresher", _refuse)
    assert pricer_of(Config()).catalog(60) is not None


def test_it_is_switched_on_by_a_setting(monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot) -> None:
    """B14."""
    begun: list[float] = []

    class Recorder(refresh.Refresher):
        def __init__(self, pricer: Pricer, renew: Callable[[], Catalog], every_s: float) -> None:
            super().__init__(pricer, renew, every_s)
            begun.append(every_s)

    monkeypatch.setattr(refresh, "Refresher", Recorder)
    pricer_of(Config(prices=PriceSettings(refresh="1h")), Catalog(snapshot))
    assert begun == [3600]


def _refuse(*_args: object, **_named: object) -> object:
    raise AssertionError("asked the network")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_refreshes_for_itself(snapshot: Snapshot) -> None:
    pricer, feed = loaded_pricer(snapshot), Feed(snapshot)
    refresher = refresh.Refresher(pricer, feed, 0.01)
    refresher.start()
    assert feed.attempted.wait(30)
    child = os.fork()
    if child == 0:
        feed.attempted = threading.Event()
        os._exit(0 if feed.attempted.wait(30) else 1)
    _, status = os.waitpid(child, 0)
    refresher.stop()
    assert os.waitstatus_to_exitcode(status) == 0


def damaged(path: Path, **changed: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changed}), encoding="utf-8")


@pytest.mark.parametrize("found", [[], [1], "abc", None, {}, [{"type": "Decimal", "is": "1"}]])
def test_a_file_without_price_data_gives_way_to_the_packaged_data(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, found: object
) -> None:
    path = tmp_path / "prices.json"
    snapshot_file.write(path, FetchedPrices(providers(), "", "", snapshot_file.digest_of(providers())))
    written = json.dumps(found, sort_keys=True, separators=(",", ":"))
    damaged(path, providers=found, digest=hashlib.sha256(written.encode()).hexdigest()[:8])
    assert "+data" not in refresh.snapshot_in(path).version
    assert f"{path}: is damaged" in caplog.text


def test_a_price_that_changed_in_the_file_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    snapshot_file.write(path, FetchedPrices(providers(), "", "", snapshot_file.digest_of(providers())))
    path.write_text(path.read_text(encoding="utf-8").replace('"is":"2.5"', '"is":"0.5"'), encoding="utf-8")
    with pytest.raises(PricesUnavailable, match="is damaged; run otel-cost prices update again"):
        snapshot_file.read(path)


def test_a_file_nested_without_end_is_no_price_data(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text("[" * 50_000, encoding="utf-8")
    with pytest.raises(PricesUnavailable, match="is not JSON"):
        snapshot_file.read(path)
