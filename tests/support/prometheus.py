"""The real Prometheus on collector_config/prometheus.yml: other targets, a faster clock, its own data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml

from tests.support import http, ports, processes, tools

CONFIG = tools.COLLECTOR_CONFIG / "prometheus.yml"


@dataclass(frozen=True)
class Sample:
    """One series of an instant query's answer."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Prometheus:
    child: processes.Running
    url: str

    def query(self, promql: str) -> list[Sample]:
        """An instant query, now. Raises HTTPError on a bad expression."""
        answer = cast(dict[str, dict[str, list[dict[str, object]]]], self._get("/api/v1/query", query=promql))
        return [
            Sample(cast(dict[str, str], series["metric"]), float(cast(list[str], series["value"])[1]))
            for series in answer["data"]["result"]
        ]

    def by(self, label: str, promql: str) -> dict[str, float]:
        """An instant query's values by one of its labels."""
        return {sample.labels.get(label, ""): sample.value for sample in self.query(promql)}

    def _get(self, path: str, **query: str) -> object:
        return http.get_json(self.url + path, **query)


@contextmanager
def running(directory: Path, targets: Mapping[str, str]) -> Iterator[Prometheus]:
    """Start it and wait until it is ready.

    Args:
        directory: Where its config, data and log go.
        targets: host:port by job name of prometheus.yml; a job that is not named here is left out.
    """
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump(_adapted(targets)))
    (port,) = ports.free_ports(1)
    command: list[str | Path] = [
        tools.prometheus().require(),
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'prometheus-data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    with processes.running(command, name="prometheus", directory=directory) as child:
        server = Prometheus(child, f"http://127.0.0.1:{port}")
        processes.until_answers(child, f"{server.url}/-/ready")
        yield server


def _adapted(targets: Mapping[str, str]) -> dict[str, object]:
    config = cast(dict[str, object], yaml.safe_load(CONFIG.read_text()))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(CONFIG.parent / rules) for rules in cast(list[str], config["rule_files"])]
    jobs = cast(list[dict[str, object]], config["scrape_configs"])
    unknown = targets.keys() - {job["job_name"] for job in jobs}
    assert not unknown, f"prometheus.yml has no job {unknown}"
    config["scrape_configs"] = [
        {**job, "static_configs": [{"targets": [targets[str(job["job_name"])]]}]}
        for job in jobs
        if job["job_name"] in targets
    ]
    return config
