"""The wheel, built through the sdist and installed where the source tree cannot be imported: what users get."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support import processes, tools

pytestmark = pytest.mark.packaging

HEAVY = ("fastapi", "genai_prices", "pydantic", "sqlalchemy", "uvicorn")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``OTEL_COST_WHEEL``, or one built now: the sdist from the checkout, the wheel from the sdist."""
    given = os.environ.get("OTEL_COST_WHEEL")
    if given:
        return Path(given)
    target = tmp_path_factory.mktemp("dist")
    _run([sys.executable, "-m", "build", "--no-isolation", "--outdir", target, tools.CHECKOUT], target)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a fresh environment that has the wheel, without extras, and nothing of the checkout."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    uv = [sys.executable, "-m", "uv"]
    _run([*uv, "venv", "--python", sys.executable, venv], venv.parent)
    _run([*uv, "pip", "install", "--python", venv / "bin" / "python", wheel], venv.parent)
    return venv / "bin"


def _run(command: list[str | Path], directory: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=directory,
        env=processes.clean_environment({**environment}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_the_wheel_holds_both_packages_typed_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top == {"otel_cost", "otel_cost_instrumentation"}
    assert {"otel_cost/py.typed", "otel_cost_instrumentation/py.typed"} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {"otel_cost/ledger/migrations/env.py", "otel_cost/ledger/migrations/versions/r0001_records.py"} <= set(names)


def test_every_source_module_is_in_the_wheel(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    for root in (tools.CHECKOUT, tools.CHECKOUT / "instrumentation"):
        for package in ("otel_cost", "otel_cost_instrumentation"):
            sources = {str(path.relative_to(root)) for path in (root / package).rglob("*.py")}
            assert sources <= packed


def test_the_entry_points_load(installed: Path, tmp_path: Path) -> None:
    program = """
from importlib.metadata import distribution
for point in distribution("otel-cost").entry_points:
    point.load()
    print(point.group, point.name)
"""
    output = _run([installed / "python", "-c", program], tmp_path)
    assert output.splitlines() == [
        "console_scripts otel-cost",
        "opentelemetry_instrumentor otel_cost",
        "opentelemetry_pre_instrument otel_cost",
        "opentelemetry_traces_exporter otel_cost",
    ]


def test_importing_otel_cost_is_light(installed: Path, tmp_path: Path) -> None:
    program = f"import otel_cost, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert _run([installed / "python", "-c", program], tmp_path).strip() == "[]"


def test_the_command_line_starts_without_extras(installed: Path, tmp_path: Path) -> None:
    assert "report" in _run([installed / "otel-cost", "--help"], tmp_path)
    assert "0.1.0" in _run([installed / "otel-cost", "--version"], tmp_path)


def test_an_app_starts_under_opentelemetry_instrument(installed: Path, tmp_path: Path) -> None:
    """Without a distribution there is no SDK: the app runs, and is told what to install."""
    program = "print('the app ran')"
    output = _run([installed / "opentelemetry-instrument", installed / "python", "-c", program], tmp_path)
    assert output.startswith("the app ran\n")
    assert "pip install opentelemetry-distro" in output
