from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_cost.book_settings import ServerSettings
from otel_cost.config import Config
from otel_cost.ledger import Ledger
from otel_cost.ledger.sql import open_ledger
from otel_cost.pricing import Catalog, Pricer
from otel_cost.server.app import create_app
from tests.integration.server import shop as shops
from tests.integration.server.serving import NOW, Server, serving

MAX_BODY = 200_000


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog.load()


@pytest.fixture
def pricer(catalog: Catalog) -> Pricer:
    return Pricer(lambda: catalog)


@pytest.fixture
def config() -> Config:
    return Config(server=ServerSettings(max_body_bytes=MAX_BODY))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(f"sqlite:///{tmp_path / 'book.db'}") as opened:
        yield opened


@pytest.fixture
def server(config: Config, ledger: Ledger, pricer: Pricer) -> Iterator[Server]:
    with serving(create_app(config, ledger=ledger, pricer=pricer, clock=lambda: NOW)) as running:
        yield running


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> Iterator[Server]:
    """The server over the book of :mod:`tests.integration.server.shop`; for tests that only read."""
    with shops.shop(tmp_path_factory.mktemp("shop"), catalog) as running:
        yield running


@pytest.fixture
def own_shop(tmp_path: Path, catalog: Catalog) -> Iterator[Server]:
    """The same, for one test alone."""
    with shops.shop(tmp_path, catalog) as running:
        yield running


@pytest.fixture
def live_server(config: Config, ledger: Ledger, pricer: Pricer) -> Iterator[Server]:
    """As ``server``, with a clock that goes: for senders that have one themselves."""
    with serving(create_app(config, ledger=ledger, pricer=pricer)) as running:
        yield running
