"""What examples/deploy has is valid, and says what the command understands: as far as that goes without containers."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import metadata
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml
from dockerfile_parse import DockerfileParser

from otel_cost.cli import main
from otel_cost.config import Config, load_config
from tests.support import ports, processes, tools
from tests.support.tools import unavailable

DEPLOY = tools.CHECKOUT / "examples" / "deploy"
MANIFESTS = DEPLOY / "kubernetes" / "otel-cost.yaml"
BIN = Path(sys.executable).parent


def understood(words: Sequence[str]) -> None:
    """Raises where the command line does not know a command, an option or a value."""
    command: click.Command = main
    context: click.Context | None = None
    rest = list(words)
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context, info_name=command.name)
        found = command.get_command(context, rest[0])
        assert found is not None, f"there is no command {rest[0]}"
        command, rest = found, rest[1:]
    command.make_context(command.name, rest, parent=context)


def settings_of(environment: Mapping[str, str]) -> Config:
    return load_config(None, env={name: value for name, value in environment.items() if name.startswith("OTEL_COST_")})


# --- systemd ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a command that is there."""
    text = (DEPLOY / "otel-cost.service").read_text()
    assert "/opt/otel-cost/bin/otel-cost serve" in text
    path = tmp_path / "otel-cost.service"
    path.write_text(text.replace("/opt/otel-cost/bin/otel-cost", str(BIN / "otel-cost")))
    return path


def _systemd(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        unavailable("no systemd-analyze here: install Debian's systemd")
    command = [program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_unit_is_valid(unit: Path) -> None:
    done = _systemd("verify", "--man=no", unit)
    about_it = [line for line in done.stderr.splitlines() if "otel-cost.service" in line]
    assert (done.returncode, about_it) == (0, [])


def test_the_unit_is_closed_to_what_it_does_not_need(unit: Path) -> None:
    """systemd's own exposure, 0 to 10: what is below 2 is as good as a service on the network gets."""
    done = _systemd("security", "--offline=yes", "--no-pager", "--threshold=20", unit)
    assert done.returncode == 0, done.stdout[-1500:]


def test_the_unit_says_what_the_command_understands() -> None:
    text = (DEPLOY / "otel-cost.service").read_text()
    (command,) = re.findall(r"^ExecStart=\S+ (.*)$", text, re.MULTILINE)
    understood(command.split())
    environment = dict(line.split("=", 1) for line in re.findall(r"^Environment=(.*)$", text, re.MULTILINE))
    assert settings_of(environment).server.database == "sqlite:////var/lib/otel-cost/otel-cost.db"
    # Longer than requests that are being answered, and closing the book, may take.
    (grace,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(grace) > 30


# --- the image --------------------------------------------------------------------------------------------------------


@pytest.fixture
def image() -> list[dict[str, Any]]:
    parser = DockerfileParser(fileobj=BytesIO((DEPLOY / "Dockerfile").read_bytes()))
    steps: list[dict[str, Any]] = [step for step in parser.structure if step["instruction"] != "COMMENT"]
    return steps


def _values(image: list[dict[str, Any]], instruction: str) -> list[str]:
    return [str(step["value"]) for step in image if step["instruction"] == instruction]


def _environment() -> dict[str, str]:
    parser = DockerfileParser(fileobj=BytesIO((DEPLOY / "Dockerfile").read_bytes()))
    found: dict[str, str] = dict(parser.envs)
    return found


def test_the_image_has_two_stages_and_no_root(image: list[dict[str, Any]]) -> None:
    assert len(_values(image, "FROM")) == 2
    assert _values(image, "USER") == ["10001:10001"]
    assert _values(image, "STOPSIGNAL") == ["SIGTERM"]
    after_last_from = [step["instruction"] for step in image][-12:]
    assert after_last_from.index("USER") > after_last_from.index("RUN"), "what is run as root comes before"


def test_the_image_installs_extras_that_there_are(image: list[dict[str, Any]]) -> None:
    (line,) = [value for value in _values(image, "RUN") if "pip install" in value]
    extras = re.findall(r"\[([\w,]+)\]", line)[0].split(",")
    assert set(extras) <= set(metadata("otel-cost").get_all("Provides-Extra") or ())


def test_the_image_runs_what_the_command_understands(image: list[dict[str, Any]]) -> None:
    (entry,), (command,) = _values(image, "ENTRYPOINT"), _values(image, "CMD")
    assert json.loads(entry) == ["otel-cost"]
    understood(json.loads(command))
    assert settings_of(_environment()).server.host == "0.0.0.0"


def test_what_is_in_the_image_starts_with_its_environment_and_its_healthcheck_sees_it(
    image: list[dict[str, Any]], tmp_path: Path
) -> None:
    (port,) = ports.free_ports(1)
    settings = {name: value for name, value in _environment().items() if name.startswith("OTEL_COST_")}
    settings.update(
        OTEL_COST_SERVER_DATABASE=f"sqlite:///{tmp_path / 'book.db'}",
        OTEL_COST_SERVER_PORT=str(port),
        OTEL_COST_SERVER_KEY="a-key-that-nobody-guesses",
    )
    (check,) = _values(image, "HEALTHCHECK")
    probe = [sys.executable, *json.loads(check.split("CMD", 1)[1])[1:]]
    environment = processes.clean_environment(settings)

    def healthy() -> bool:
        return subprocess.run(probe, env=environment, capture_output=True, check=False).returncode == 0

    assert not healthy()
    with processes.running(
        [BIN / "otel-cost", "serve"], name="s", directory=tmp_path, environment=environment
    ) as child:
        processes.until_answers(child, f"http://127.0.0.1:{port}/readyz")
        assert healthy()
        assert child.stop() == 0


# --- compose ----------------------------------------------------------------------------------------------------------


def test_compose_says_what_the_command_understands() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    server = services["server"]
    understood(server["command"])
    environment = {name: re.sub(r"\$\{\w+:\?[^}]*\}", "x" * 24, value) for name, value in server["environment"].items()}
    database = settings_of(environment).server.database
    assert re.fullmatch(r"postgresql://otel_cost:x+@postgres:5432/otel_cost", database)
    assert server["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert all(port.startswith("127.0.0.1:") for port in server["ports"])
    assert int(server["stop_grace_period"].rstrip("s")) > 5 + 30


# --- Kubernetes -------------------------------------------------------------------------------------------------------


def _manifests() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = list(yaml.safe_load_all(MANIFESTS.read_text()))
    return found


def _one(kind: str) -> dict[str, Any]:
    (found,) = [manifest for manifest in _manifests() if manifest["kind"] == kind]
    return found


def _containers(manifest: Any) -> Iterator[dict[str, Any]]:
    if isinstance(manifest, dict):
        yield from manifest.get("containers", ())
        for value in manifest.values():
            yield from _containers(value)


@pytest.mark.parametrize("version", ["1.30", "1.34"])
def test_the_manifests_are_valid(version: str) -> None:
    for manifest in _manifests():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_manifest_with_a_slip_is_not_valid() -> None:
    slipped = _one("Deployment")
    slipped["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(slipped, "1.34", strict=True)


def test_the_manifests_say_what_the_command_understands(tmp_path: Path) -> None:
    (server,) = _containers(_one("Deployment"))
    understood(server["args"])
    (backup,) = _containers(_one("CronJob"))
    script = re.sub(r"\$\([^)]*\)", "Mon", backup["args"][0])
    first = shlex.split(script.split("&&")[0])
    assert first[0] == "otel-cost"
    understood(first[1:])
    settings = tmp_path / "otel-cost.yaml"
    settings.write_text(_one("ConfigMap")["data"]["otel-cost.yaml"])
    named = {variable["name"]: "x" * 24 for variable in (*server["env"], *backup["env"])}
    assert load_config(settings, env=named).server.port == server["ports"][0]["containerPort"]


def test_replicas_are_probed_spread_and_given_time() -> None:
    spec = _one("Deployment")["spec"]
    (server,) = _containers(spec)
    assert spec["replicas"] == 3
    assert _one("PodDisruptionBudget")["spec"]["minAvailable"] < spec["replicas"]
    assert server["readinessProbe"]["httpGet"]["path"] == server["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert server["livenessProbe"]["httpGet"]["path"] == "/healthz", "a database that is away is no reason to be killed"
    drain = float(server["args"][server["args"].index("--drain") + 1])
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > drain + 30 - 1
    labels = spec["template"]["metadata"]["labels"]
    for selector in (spec["selector"]["matchLabels"], _one("Service")["spec"]["selector"]):
        assert selector.items() <= labels.items()
    assert _one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


def test_no_secret_is_written_down_anywhere() -> None:
    assert "Secret" not in {manifest["kind"] for manifest in _manifests()}
    for container in (*_containers(_one("Deployment")), *_containers(_one("CronJob"))):
        for variable in container["env"]:
            assert "secretKeyRef" in variable["valueFrom"], variable["name"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
