"""The real Collector on collector_config/collector.yaml, with nothing changed but addresses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import ports, processes, tools

CONFIG = tools.COLLECTOR_CONFIG / "collector.yaml"


@dataclass(frozen=True)
class Collector:
    """A running Collector; all addresses are on loopback."""

    child: processes.Running
    otlp_grpc: str
    otlp_http: str
    metrics: str  # host:port where the apps' metrics are scraped
    own_metrics: str  # host:port where its own are


@contextmanager
def running(directory: Path, *, traces: str, book: str) -> Iterator[Collector]:
    """Start it, and wait until its health check says so.

    Args:
        directory: Where its log and the queue for the book go.
        traces: Base URL of the tracing backend.
        book: Base URL of otel-cost's server.
    """
    grpc, http, metrics, own, health = (f"127.0.0.1:{port}" for port in ports.free_ports(5))
    environment = processes.clean_environment(
        {
            "OTLP_GRPC_ENDPOINT": grpc,
            "OTLP_HTTP_ENDPOINT": http,
            "PROMETHEUS_ENDPOINT": metrics,
            "COLLECTOR_METRICS_PORT": own.rpartition(":")[2],
            "HEALTH_ENDPOINT": health,
            "TRACES_ENDPOINT": traces,
            "OTEL_COST_SERVER": book,
            "BOOK_QUEUE_DIR": str(directory / "book-queue"),
        }
    )
    command: list[str | Path] = [tools.collector().require(), "--config", CONFIG]
    with processes.running(command, name="collector", directory=directory, environment=environment) as child:
        processes.until_answers(child, f"http://{health}/")
        yield Collector(child, f"http://{grpc}", f"http://{http}", metrics, own)
