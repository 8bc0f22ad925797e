"""The real programs that tests run: where they are, and what to do when they are not there.

Here they are only found; ``make provision`` (:mod:`tests.support.provision`) obtains what this machine lacks.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import pytest

CHECKOUT: Final = Path(__file__).parents[2]
COLLECTOR_CONFIG: Final = CHECKOUT / "collector_config"


def in_ci() -> bool:
    """In CI, what could be provided and was not is a failure, never a skip."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def cache_directory() -> Path:
    """Where built and downloaded programs stay between checkouts: outside of them all."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otel-cost"


@dataclass(frozen=True)
class Tool:
    """A program: the variable that names it, the names it has on PATH, where provisioning puts it."""

    variable: str
    names: tuple[str, ...]
    cached: Path
    how_to_get: str

    def find(self) -> Path | None:
        """Named by its variable, else provisioned, else on PATH; None if nowhere.

        Raises:
            FileNotFoundError: the variable names something that is not there.
        """
        named = os.environ.get(self.variable)
        if named:
            if not Path(named).is_file():
                raise FileNotFoundError(f"{self.variable}={named} is not a file")
            return Path(named)
        if self.cached.is_file():
            return self.cached
        return next((Path(found) for name in self.names if (found := shutil.which(name))), None)

    def require(self) -> Path:
        """:meth:`find`, or skip the test; in CI, fail it."""
        return self.find() or unavailable(f"{self.names[0]} not found: {self.how_to_get}")


def unavailable(why: str) -> NoReturn:
    """Skip the test that needs what is not there; in CI, fail it."""
    if in_ci():
        pytest.fail(why)
    pytest.skip(why)


def collector_cache() -> Path:
    """The built Collector's own directory: another manifest is another binary."""
    manifest = (COLLECTOR_CONFIG / "builder.yaml").read_bytes()
    return cache_directory() / f"collector-{hashlib.sha256(manifest).hexdigest()[:16]}"


def _debian(program: str, variable: str) -> Tool:
    return Tool(
        variable=variable,
        names=(program,),
        cached=cache_directory() / "prometheus" / "usr" / "bin" / program,
        how_to_get=f"run `make provision`, or install Prometheus, or set {variable} to the program",
    )


def promtool() -> Tool:
    return _debian("promtool", "PROMTOOL")


def prometheus() -> Tool:
    return _debian("prometheus", "PROMETHEUS")


def collector() -> Tool:
    # Not `otelcol` or `otelcol-contrib` from PATH: those lack components, or have them at another release's options.
    return Tool(
        variable="OTELCOL",
        names=("otelcol-cost",),
        cached=collector_cache() / "otelcol-cost",
        how_to_get="run `make provision`, or set OTELCOL to a Collector with the components of builder.yaml",
    )
