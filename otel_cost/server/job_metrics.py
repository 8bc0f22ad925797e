"""The jobs of a server in Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from otel_cost import semconv
from otel_cost.model import NANO
from otel_cost.server.jobs import Scheduler
from otel_cost.server.metrics import prometheus_name


class JobMetrics(Collector):
    """Thread-safe. Counters are of this process; the times are of whoever ran a job last."""

    def __init__(self, schedulers: Sequence[Scheduler]) -> None:
        self._schedulers = tuple(schedulers)

    def collect(self) -> Iterator[Metric]:
        runs = _counter(semconv.METRIC_JOBS_RUNS, "Runs of a job in this process.")
        failures = _counter(semconv.METRIC_JOBS_FAILURES, "Runs of a job in this process that failed.")
        busy = _counter(semconv.METRIC_JOBS_BUSY, "Seconds that a job's runs took in this process.")
        last = GaugeMetricFamily(
            prometheus_name(semconv.METRIC_JOBS_LAST), "When a job ended last, in any server.", labels=("job",)
        )
        for scheduler in self._schedulers:
            for name, counts in scheduler.counts.items():
                runs.add_metric((name,), counts.runs)
                failures.add_metric((name,), counts.failures)
                busy.add_metric((name,), counts.busy_s)
            for name, run in scheduler.last_runs.items():
                last.add_metric((name,), run.finished_ns / NANO)
        yield from (runs, failures, busy, last)


def _counter(metric: str, text: str) -> CounterMetricFamily:
    return CounterMetricFamily(prometheus_name(metric), text, labels=("job",))
