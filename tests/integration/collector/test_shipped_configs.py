"""The files in collector_config/, checked by the programs that read them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support import processes, tools

RULES = tools.COLLECTOR_CONFIG / "rules"


def _check(command: list[str | Path], directory: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=directory,
        env=processes.clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


@pytest.mark.collector
def test_the_collector_accepts_its_config(tmp_path: Path) -> None:
    _check([tools.collector().require(), "validate", "--config", tools.COLLECTOR_CONFIG / "collector.yaml"], tmp_path)


@pytest.mark.collector
def test_the_collector_would_refuse_a_wrong_config(tmp_path: Path) -> None:
    """Guards the test above: `validate` really looks into the components."""
    broken = tmp_path / "collector.yaml"
    broken.write_text((tools.COLLECTOR_CONFIG / "collector.yaml").read_text().replace("endpoint:", "endpoit:"))
    with pytest.raises(AssertionError, match="endpoit"):
        _check([tools.collector().require(), "validate", "--config", broken], tmp_path)


@pytest.mark.prometheus
def test_prometheus_accepts_its_config_and_rules(tmp_path: Path) -> None:
    output = _check(
        [tools.promtool().require(), "check", "config", tools.COLLECTOR_CONFIG / "prometheus.yml"], tmp_path
    )
    assert "rules found" in output


@pytest.mark.prometheus
@pytest.mark.parametrize("tests", sorted(RULES.glob("*.test.yml")), ids=lambda path: path.name)
def test_the_rules_alert_when_they_should(tests: Path, tmp_path: Path) -> None:
    _check([tools.promtool().require(), "test", "rules", tests], tmp_path)


@pytest.mark.prometheus
def test_every_rule_file_is_tested() -> None:
    rules = {path.name for path in RULES.glob("*.rules.yml")}
    tested = {path.name.replace(".test.yml", ".yml") for path in RULES.glob("*.test.yml")}
    assert rules
    assert rules == tested
