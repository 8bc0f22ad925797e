"""An app that only imports otel-cost pays for little: no validation, no price data, no server."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("pydantic", "genai_prices", "sqlalchemy", "fastapi", "uvicorn", "yaml", "prometheus_client", "rich", "click")


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_import_is_light() -> None:
    assert not modules_after("import otel_cost").intersection(HEAVY)


def test_install_without_settings_is_light() -> None:
    code = (
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "import otel_cost\n"
        "assert otel_cost.install(TracerProvider()) is not None"
    )
    assert not modules_after(code).intersection(HEAVY)


def test_the_public_names() -> None:
    import otel_cost

    assert set(otel_cost.__all__) == {name for name in otel_cost.__all__ if hasattr(otel_cost, name)}
