"""Finding provider modules, wrapping lazily, and leaving alone what does not look as expected."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import logging
import subprocess
import sys

import pytest

import otel_cost_instrumentation
from otel_cost import shield
from otel_cost_instrumentation import _install
from otel_cost_instrumentation._base import Provider
from otel_cost_instrumentation._install import Installation
from otel_cost_instrumentation._releases import Gate, Since
from tests.support.world import World
from tests.unit.instrumentation import fake_sdk


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_module_that_is_imported_later_is_wrapped_then(world: World) -> None:
    installation = Installation()
    installation.add(fake_sdk.provider())
    try:
        with fake_sdk.Importing() as sdk:
            before = sdk.Client.ask
            _notify(sdk)
            assert sdk.Client.ask is not before
            assert sdk.Client(lambda: "answer").ask("gpt-4o") == "answer"
    finally:
        installation.remove()

    assert len(world.finished()) == 1


def _notify(module: object) -> None:
    import wrapt

    wrapt.notify_module_loaded(module)


def test_removing_gives_the_sdk_back_as_it_was(world: World) -> None:
    with fake_sdk.Importing() as sdk:
        before = vars(sdk.Client)["ask"]
        installation = Installation()
        installation.add(fake_sdk.provider())
        installation.remove()

        assert vars(sdk.Client)["ask"] is before


def test_what_others_wrapped_on_top_stays(world: World) -> None:
    with fake_sdk.Importing() as sdk:
        installation = Installation()
        installation.add(fake_sdk.provider())
        ours = sdk.Client.ask
        sdk.Client.ask = theirs = lambda self, model: ours(self, model)
        installation.remove()

        assert sdk.Client.ask is theirs


def test_a_hook_that_outlives_its_activation_does_nothing(world: World) -> None:
    installation = Installation()
    installation.add(fake_sdk.provider())
    installation.remove()
    with fake_sdk.Importing() as sdk:
        before = vars(sdk.Client)["ask"]
        _notify(sdk)

        assert vars(sdk.Client)["ask"] is before


@pytest.mark.parametrize("name", ["Client.gone", "Gone.ask"])
def test_an_sdk_that_changed_is_left_alone_with_one_line(
    name: str, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with fake_sdk.Importing() as sdk, caplog.at_level(logging.WARNING, "otel_cost"):
        before = dict(vars(sdk.Client))
        Installation().add(fake_sdk.provider(name=name))

        assert dict(vars(sdk.Client)) == before

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert name in caplog.text


@pytest.mark.parametrize(("oldest", "wrapped"), [("9999", False), ("1.2", True), (None, True)])
def test_a_release_that_is_too_old_is_left_alone_with_one_line(
    oldest: str | None, wrapped: bool, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    provider = fake_sdk.provider()
    since = None if oldest is None else Since("pytest", oldest, fake_sdk.NAME)
    with fake_sdk.Importing() as sdk, caplog.at_level(logging.WARNING, "otel_cost"):
        before = vars(sdk.Client)["ask"]
        installation = Installation()
        installation.add(dataclasses.replace(provider, methods=provider.methods * 2, since=since))

        assert (vars(sdk.Client)["ask"] is not before) is wrapped
        installation.remove()
    assert len(caplog.records) == (not wrapped)
    assert wrapped or f"pytest {importlib.metadata.version('pytest')} is older than 9999" in caplog.text


def test_a_release_that_nobody_knows_is_not_too_old(world: World) -> None:
    """In an app that is one file there is no metadata."""
    assert Gate(Since("no-such-package", "1", "x")).is_open


def test_a_method_that_came_later_is_not_missed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    provider = fake_sdk.provider(name="Client.gone")
    later = tuple(dataclasses.replace(method, later=True) for method in provider.methods)
    with fake_sdk.Importing(), caplog.at_level(logging.WARNING, "otel_cost"):
        Installation().add(dataclasses.replace(provider, methods=later))

    assert not caplog.records


def test_a_place_for_headers_that_is_not_there_is_left_out(world: World) -> None:
    provider = fake_sdk.provider()
    passing = tuple(dataclasses.replace(method, responds="gone") for method in provider.methods)
    with fake_sdk.Importing() as sdk:
        installation = Installation()
        installation.add(dataclasses.replace(provider, methods=passing))
        sdk.Client(lambda: "answer").ask("gpt-4o")
        installation.remove()

    assert len(world.finished()) == 1


def test_a_provider_module_that_cannot_be_loaded_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shield.set_strict(False)
    entry = importlib.metadata.EntryPoint("broken", "no_such_module_anywhere", _install.ENTRY_POINTS)
    monkeypatch.setattr(_install.importlib.metadata, "entry_points", lambda group: [entry])

    found = {provider.name for provider in _install.providers()}
    assert {"anthropic", "openai"} <= found
    assert "broken" not in found
    assert "no_such_module_anywhere" in caplog.text


def test_providers_of_other_packages_are_found_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = importlib.metadata.EntryPoint("theirs", "their_provider", _install.ENTRY_POINTS)
    monkeypatch.setattr(_install.importlib.metadata, "entry_points", lambda group: [entry])
    monkeypatch.setitem(sys.modules, "their_provider", type(sys)("their_provider"))
    sys.modules["their_provider"].PROVIDER = Provider("theirs", ())  # type: ignore[attr-defined]

    assert "theirs" in {provider.name for provider in _install.providers()}


def test_activating_twice_wraps_once(world: World) -> None:
    import openai

    otel_cost_instrumentation.activate()
    once = vars(openai._base_client.SyncAPIClient)["post"]
    otel_cost_instrumentation.activate()
    assert vars(openai._base_client.SyncAPIClient)["post"] is once
    otel_cost_instrumentation.deactivate()

    assert vars(openai._base_client.SyncAPIClient)["post"] is once.__wrapped__


def test_an_app_without_the_sdks_does_not_import_them() -> None:
    loaded = run(
        "import sys, otel_cost_instrumentation as o; o.activate();"
        "print([name for name in ('openai', 'anthropic', 'httpx', 'pydantic_core') if name in sys.modules])"
    )

    assert "openai" not in loaded
    assert "anthropic" not in loaded


def test_importing_the_sdk_starts_loading_prices() -> None:
    said = run(
        "from opentelemetry.sdk.trace import TracerProvider; import otel_cost, otel_cost_instrumentation as o;"
        "installed = otel_cost.install(TracerProvider()); asked = [];"
        "installed.prices_needed = lambda: asked.append(1); o.activate(); before = len(asked);"
        "import anthropic; print(before, bool(asked))"
    )

    assert said == "0 True"
