"""The two programs that the demo starts, ``otel-cost serve`` and the sample app, and what each is told."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

APP: Final = Path(__file__).with_name("app.py")
KEYS: Final = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
START_S: Final = 60.0
RUN_S: Final = 240.0
_SERVE: Final = "from otel_cost.cli import main; main()"
_INSTRUMENT: Final = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
_LISTENS: Final = re.compile(r"listens on (http://\S+?),")
_OTEL: Final = ("OTEL_",)
_PROVIDERS: Final = ("OPENAI_", "ANTHROPIC_")
_REAL_MAX_TOKENS: Final = 64
T = TypeVar("T")


class DemoFailed(Exception):
    """A part of the demo did not start, or did not end well; the text holds the last lines that it wrote."""


def without(environment: Mapping[str, str], prefixes: tuple[str, ...]) -> dict[str, str]:
    """``environment`` without the variables that start with one of ``prefixes``, and with loopback free of proxies."""
    kept = {name: value for name, value in environment.items() if not name.startswith(prefixes)}
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(filter(None, (kept.get(name), "127.0.0.1")))
    return kept


def app_environment(
    environment: Mapping[str, str], *, sink_url: str, config: Path, stand_in_url: str | None
) -> dict[str, str]:
    """What the sample app runs with: all that anybody would set, and nothing of the user's own OTEL_* settings.

    With ``stand_in_url`` None the real providers are called, with the keys (and gateways) of ``environment``.
    """
    if stand_in_url is None:
        providers = {**without(environment, _OTEL), "MAX_TOKENS": str(_REAL_MAX_TOKENS)}
    else:
        providers = {
            **without(environment, (*_OTEL, *_PROVIDERS)),
            "OPENAI_API_KEY": "stand-in",
            "OPENAI_BASE_URL": stand_in_url + "/v1",
            "ANTHROPIC_API_KEY": "stand-in",
            "ANTHROPIC_BASE_URL": stand_in_url,
            # The stand-in behaves like the provider; other servers on loopback are not asked.
            "OTEL_COST_STREAM_USAGE_HOSTS": "127.0.0.1",
        }
    return {
        **providers,
        "OTEL_COST_CONFIG": str(config),
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink_url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_PYTHON_CONFIGURATOR": "configurator",
        "OTEL_PYTHON_DISTRO": "distro",
        "OTEL_SERVICE_NAME": "newsroom",
        "OTEL_TRACES_EXPORTER": "otlp",
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def serving(directory: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Run ``otel-cost serve`` on SQLite in ``directory``; gives its URL once it listens.

    Raises:
        DemoFailed: it ended, or does not listen within a minute.
    """
    log = directory / "server.log"
    database = f"sqlite:///{directory / 'ledger.db'}"
    command = [sys.executable, "-c", _SERVE, "serve", "--port", "0", "--db", database]
    with _started(command, log, directory, without(environment, _OTEL)) as server:

        def announced() -> str | None:
            found = _LISTENS.search(_text(log))
            if server.poll() is not None:
                raise DemoFailed(f"otel-cost serve ended with exit code {server.returncode}:\n{last_lines(_text(log))}")
            return found.group(1) if found else None

        yield until(announced, START_S, lambda: f"otel-cost serve does not listen:\n{last_lines(_text(log))}")


def run_app(directory: Path, environment: Mapping[str, str], tick: Callable[[], None]) -> str:
    """Run the sample app under ``opentelemetry-instrument``; what it printed. ``tick`` is called while it runs.

    Raises:
        DemoFailed: it failed, or did not end in time.
    """
    log = directory / "app.log"
    # A copy, alone in its directory: Python puts a script's directory on the path, and the demo's has modules in it.
    shutil.copyfile(APP, directory / APP.name)
    command = [sys.executable, "-c", _INSTRUMENT, sys.executable, APP.name]
    with _started(command, log, directory, environment) as app:

        def ended() -> bool:
            tick()
            return app.poll() is not None

        until(ended, RUN_S, lambda: f"the sample app does not end:\n{last_lines(_text(log))}")
    if app.returncode:
        raise DemoFailed(f"the sample app ended with exit code {app.returncode}:\n{last_lines(_text(log))}")
    return _text(log)


def last_lines(text: str, number: int = 25) -> str:
    return "\n".join(text.splitlines()[-number:])


@contextmanager
def _started(
    command: Sequence[str], log: Path, directory: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    # A session of its own: Ctrl-C reaches the demo alone, which then stops what it started, in order.
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(condition: Callable[[], T | None], timeout_s: float, complaint: Callable[[], str]) -> T:
    """The first true value of ``condition``, asked twenty times a second.

    Raises:
        DemoFailed: with what ``complaint`` says then, after ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise DemoFailed(complaint())
        time.sleep(0.05)
    return value


def _text(log: Path) -> str:
    return log.read_text(errors="replace")
