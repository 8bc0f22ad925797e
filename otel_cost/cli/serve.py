"""``otel-cost serve``: the OTLP server over its ledger, in the foreground."""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Callable, Sequence
from types import FrameType

import click
import uvicorn
from sqlalchemy.engine import make_url

from otel_cost.cli import Refusal
from otel_cost.config import Config, load_config
from otel_cost.errors import LedgerError
from otel_cost.ledger.keys import AccessKeys
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.pricing import load_catalog, pricer_of
from otel_cost.server import logs
from otel_cost.server.app import create_app, stopping
from otel_cost.server.budgets import open_budget_store, store_url
from otel_cost.server.running import GRACE_S, Server
from otel_cost.server.security_loopback import is_loopback

KEEP_ALIVE_S = 75
"""How long an app's connection for its budgets is kept open between two calls."""


@click.command(name="serve")
@click.option("--config", "config_file", metavar="FILE", help="Config file; OTEL_COST_CONFIG if absent.")
@click.option("--host", help="Address to listen on; others than loopback take keys.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes any free one.  [default: 4319]")
@click.option("--db", metavar="URL", help="The ledger's database.  [default: sqlite:///otel-cost.db]")
@click.option("--no-upgrade", is_flag=True, help="Refuse a book of an older release, rather than upgrade it.")
@click.option(
    "--drain",
    metavar="SECONDS",
    type=click.FloatRange(0, 300),
    default=0.0,
    help="How long it can still be reached once it was told to stop, for load balancers to notice.  [default: 0]",
)
def command(
    config_file: str | None, host: str | None, port: int | None, db: str | None, no_upgrade: bool, drain: float
) -> None:
    """Take OTLP over HTTP, price what comes without a price, and keep the book.

    \b
    POST /v1/traces, /v1/logs        OTLP: protobuf or JSON, gzip
    GET  /api/v1/costs/summary       ?days=7&group_by=team,model&environment=production
    GET  /api/v1/...                 entries, time series, top, prices, budgets, alerts: docs/api.md
    POST /api/v1/costs/entries       costs by hand, from any language
    POST /api/v1/budget-store/...    for apps whose budget_store.url is this server
    GET  /metrics, /health           for Prometheus, and for people: the last day's costs, jobs
    GET  /healthz, /readyz           for probes; all of it: /openapi.json

    Without access keys it answers to its own machine only; from the first key on everybody needs one, and --host may be
    any address: otel-cost keys create --help.

    Runs until it gets SIGINT or SIGTERM; then /readyz says 503, what is being answered is answered and booked, and it
    stops. In production, on one machine or on many: docs/serve.md.
    """
    given = {"host": host, "port": port, "database": db}
    config = load_config(
        config_file, arguments={"server": {name: value for name, value in given.items() if value is not None}}
    )
    _require_keys(config)
    with _listen(config.server.host, config.server.port) as listener:
        _serve(config, listener, upgrade=not no_upgrade, drain_s=drain)


def _require_keys(config: Config) -> None:
    """A refusal where everybody who reaches the address could read and write the book."""
    host, database = config.server.host, config.server.database
    if is_loopback(host) or config.server.key:
        return
    try:
        with open_ledger(database, create=False) as ledger:
            if AccessKeys(ledger).any():
                return
        found = "there is none in this ledger"
    except LedgerError as error:
        found = str(error)
    raise Refusal(
        f"will not listen on {host} without access keys: everybody who reaches the port could read and write the book "
        f"({found}). Make one first: otel-cost keys create NAME --role admin, with the same --db or --config; or set "
        "OTEL_COST_SERVER_KEY. Without keys allowed: 127.0.0.1, ::1, localhost"
    )


def _listen(host: str, port: int) -> socket.socket:
    # Bound here rather than by uvicorn: a port in use is the caller's to know, with a reason and exit code 2.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Refusal(f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port") from error
    return listener


def _serve(config: Config, listener: socket.socket, *, upgrade: bool, drain_s: float) -> None:
    logs.configure(config.server.log_format)
    catalog = load_catalog(config)
    with open_ledger(config.server.database, upgrade=upgrade) as ledger:
        store = open_budget_store(config)
        app = create_app(config, ledger=ledger, store=store, pricer=pricer_of(config, catalog))
        settings = uvicorn.Config(
            app, log_config=None, log_level="warning", access_log=False, lifespan="on",
            timeout_graceful_shutdown=round(GRACE_S), timeout_keep_alive=KEEP_ALIVE_S,
            server_header=False,
        )  # fmt: skip
        # uvicorn raises the signal that stopped it once more at its end: with the default handlers that would kill
        # this process before the ledger is closed.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _ignore)
        _collect_seldom()
        lines = _first_lines(config, _url(listener), ledger)
        _Announced(settings, lambda: stopping(app), drain_s, lines).run(sockets=[listener])
    click.echo("stopped")


def _collect_seldom() -> None:
    """What is here now stays; of what a batch of spans leaves behind next to nothing is a cycle. With Python's own
    settings, looking through all remembered calls again and again is a tenth of what the server does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    pass


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _first_lines(config: Config, url: str, ledger: SqlLedger) -> list[str]:
    store = store_url(config)
    kept = make_url(store).render_as_string() if store else "this process's memory: gone when it ends"
    keys = "none yet, so that only this machine is let in: otel-cost keys create --help"
    if config.server.key or AccessKeys(ledger).any():
        keys = "every request needs one"
    return [
        f"otel-cost listens on {url}, ledger {ledger.url}",
        f"  budgets: in {kept}",
        f"  keys:    {keys}",
        "  apps:    OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_METRICS_EXPORTER=none \\",
        f"           OTEL_EXPORTER_OTLP_ENDPOINT={url} opentelemetry-instrument python app.py",
        f"  report:  otel-cost report --db {ledger.url}",
    ]


class _Announced(Server):
    """Prints where it listens once it does."""

    def __init__(
        self, settings: uvicorn.Config, stopping: Callable[[], None], drain_s: float, lines: Sequence[str]
    ) -> None:
        super().__init__(settings, stopping, drain_s)
        self._lines = lines

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for line in self._lines:
            click.echo(line)
