"""A real PostgreSQL server for tests: on a free port of loopback, in a directory of its own, gone afterwards."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg

from tests.support import waiting
from tests.support.ports import free_ports
from tests.support.processes import clean_environment
from tests.support.tools import unavailable

HOW_TO_GET: Final = (
    "no PostgreSQL server here: pip install pgserver (Python up to 3.12), or install Debian's postgresql, or set"
    " POSTGRES_BIN to the directory that has initdb and postgres"
)
_NOBODY: Final = "nobody"
"""Who runs it when the tests run as root: PostgreSQL refuses to be root."""


@dataclass
class Postgres:
    """A server that can be stopped, frozen, killed and started again. ``durable``: whether it syncs to the disk."""

    binaries: Path
    directory: Path
    durable: bool = False
    port: int = field(default_factory=lambda: free_ports(1)[0])
    _process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://otel@127.0.0.1:{self.port}/{database}"

    def make(self) -> None:
        """Initialise its directory."""
        options = ["-U", "otel", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        done = self._as_user(["initdb", "-D", "data", *options])
        if done.wait(120):
            raise RuntimeError(f"initdb failed:\n{self.log()}")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            **({} if self.durable else {"fsync": "off", "full_page_writes": "off"}),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = self._as_user(["postgres", "-D", "data", "-p", str(self.port), *options])
        waiting.until(self._answers, f"PostgreSQL to answer on port {self.port}; its log: {self.directory}/log")

    def stop(self) -> None:
        """Stop it at once: clients are cut off, transactions under way are rolled back."""
        if self._process is not None:
            self._signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)
            self._process = None

    def kill(self) -> None:
        """SIGKILL to the server and all its processes."""
        assert self._process is not None
        pids = self._pids()
        self._signal(signal.SIGKILL)
        self._process.wait(60)
        self._process = None
        # An orphan would keep a new server from starting.
        waiting.until(lambda: not any(_alive(pid) for pid in pids), "PostgreSQL's processes to end")

    def freeze(self) -> None:
        """SIGSTOP: the kernel still accepts connections, and nobody ever answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def run(self, statement: str, *, database: str = "postgres") -> None:
        """One statement of the test's own."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")[-4000:]

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended at its start:\n{self.log()}")
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _as_user(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self.directory / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self.binaries / command[0]), *command[1:]],
                cwd=self.directory,
                env={**clean_environment(), "LC_ALL": "C", "HOME": str(self.directory)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=_NOBODY if os.geteuid() == 0 else None,
            )

    def _pids(self) -> list[int]:
        """The server and its children, each of which is a session of its own."""
        if self._process is None or self._process.poll() is not None:
            return []
        return [self._process.pid, *_children(self._process.pid)]

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[Postgres]:
    """A running server; skips the test where there is none to be had (in CI that fails)."""
    binaries = find_binaries()
    if binaries is None:
        unavailable(HOW_TO_GET)
    # Not below pytest's own directory: that is closed to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="otel-cost-postgres-") as folder:
        directory = Path(folder)
        if os.geteuid() == 0:
            os.chown(directory, pwd.getpwnam(_NOBODY).pw_uid, -1)
            binaries = _within_reach(binaries, directory)
        server = Postgres(binaries, directory, durable)
        server.make()
        try:
            server.start()
            yield server
        finally:
            server.stop()


def find_binaries() -> Path | None:
    """Named by POSTGRES_BIN, else pgserver's, else on PATH, else where Debian puts them."""
    named = os.environ.get("POSTGRES_BIN")
    package = importlib.util.find_spec("pgserver")
    on_path = shutil.which("initdb")
    candidates = [
        *([Path(named)] if named else []),
        *([Path(package.origin).parent / "pginstall" / "bin"] if package is not None and package.origin else []),
        *([Path(on_path).resolve().parent] if on_path else []),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
    ]
    return next((path for path in candidates if (path / "initdb").is_file() and (path / "postgres").is_file()), None)


def _within_reach(binaries: Path, directory: Path) -> Path:
    """The binaries where another user may run them: a virtual environment in root's home is closed to it."""
    if all(parent.stat().st_mode & 0o001 for parent in binaries.parents):
        return binaries
    installed = directory / "install" / "pgserver" / "pginstall"
    libraries = binaries.parents[2] / "pgserver.libs"
    if libraries.is_dir():  # a wheel's programs look for its libraries from where they are themselves
        shutil.copytree(libraries, directory / "install" / libraries.name)
    return Path(shutil.copytree(binaries.parent, installed)) / "bin"


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name, in brackets, may have spaces in it; the parent is the second field after it.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def _alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
