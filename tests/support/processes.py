"""Child processes that a test starts and that never outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import waiting

_INHERITED = ("HOME", "LANG", "PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CACHE_HOME")


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment without anybody's OTEL_*, OTEL_COST_*, proxy or API key settings, plus ``extra``."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**kept, **(extra or {})}


@dataclass(frozen=True)
class Running:
    """A started process and the file that its output goes to."""

    process: subprocess.Popen[bytes]
    name: str
    log: Path

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def check_alive(self) -> None:
        """Raises AssertionError, with the end of its output, if the process has ended."""
        code = self.process.poll()
        if code is not None:
            raise AssertionError(f"{self.name} ended with exit code {code}:\n{self.output()[-4000:]}")

    def stop(self, timeout_s: float = 20.0) -> int:
        """Ask it to end, insist if it does not, and return its exit code. Idempotent."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL, to the process and its children: no chance to flush anything."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)


@contextmanager
def running(
    command: Sequence[str | Path], *, name: str, directory: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run ``command`` in ``directory``, in a process group of its own, output to ``directory/<name>.log``."""
    log = directory / f"{name}.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=directory,
            env=dict(environment) if environment is not None else clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    child = Running(process, name, log)
    try:
        yield child
    finally:
        child.stop()


def until_answers(child: Running, url: str, *, timeout_s: float = 60.0) -> None:
    """Wait until ``url`` answers 2xx; fail at once, with its output, if the process ends before that."""
    from tests.support.http import answers

    def ready() -> bool:
        child.check_alive()
        return answers(url)

    waiting.until(ready, f"{child.name} to answer at {url}", timeout_s=timeout_s)
