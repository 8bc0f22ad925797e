"""``python -m tests.integration.pages.settings_page``: writes ``docs/settings.md``, the table of all variables."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, get_type_hints

from otel_cost.budget_settings import BudgetSettings
from otel_cost.config import ENV_CONFIG, ENV_LIMITS, ENV_OF_LIMITS, ENV_SHORT, Config
from otel_cost.config_sources import setting_paths
from tests.support import tools

PAGE: Final = tools.CHECKOUT / "docs" / "settings.md"
_HEAD: Final = """\
# Settings

Nothing has to be set. What is set comes from arguments in code, over environment variables, over the file that
`OTEL_COST_CONFIG` names, over the defaults; [examples/otel-cost.yaml](../examples/otel-cost.yaml) is that file with
every key. `otel-cost config check FILE` says what is in effect, or what is wrong and where. An unknown variable that
begins with `OTEL_COST_` is an error too: a slip would otherwise be a limit that does not hold. An empty variable counts
as not set. (The tables are written by `python -m tests.integration.pages.settings_page`.)

Lists are separated by commas; what is nested is written as YAML:
`OTEL_COST_BUDGETS='[{name: all, amount_usd: 50, period: day}]'`.

## Limits without a file

```sh
OTEL_COST_DAILY_LIMIT=20 OTEL_COST_LIMIT_ACTION=block opentelemetry-instrument python app.py
```

| variable | default | what |
|---|---|---|
"""
_MIDDLE: Final = """
They come on top of the budgets of the settings. A session is what `otel_cost.labels(session=...)` or the `session.id`
attribute says; a day and a month are those of UTC. All processes share one limit where `OTEL_COST_BUDGET_STORE_URL`
says so; otherwise each process has its own. More about limits: [budgets.md](budgets.md).

## All variables

| variable | key in the file | default | what |
|---|---|---|---|
"""
_LIMITS: Final[Mapping[str, str]] = {
    "thresholds": "Shares of these limits at which there is an event: warning from 75 %, critical from 95 %.",
    "notify": "Who is notified of these limits.",
    "action": "What these limits do when they are reached: `alert`, `block` or `pause`.",
}


def render() -> str:
    """The page."""
    return _HEAD + "".join(map(_row, _limits())) + _MIDDLE + "".join(map(_row, _settings()))


def variables() -> list[str]:
    """Every variable that the page has."""
    return [row[0].strip("`") for row in (*_limits(), *_settings())]


def _limits() -> Iterator[tuple[str, ...]]:
    for variable, (name, period) in ENV_LIMITS.items():
        yield f"`{variable}`", "none", f"Limit in USD for each {period}: makes the budget `{name}`."
    defaults = {item.name: item.default for item in dataclasses.fields(BudgetSettings)}
    for variable, key in ENV_OF_LIMITS.items():
        yield f"`{variable}`", _shown(defaults[key]), _LIMITS[key]


def _settings() -> Iterator[tuple[str, ...]]:
    short = {path: variable for variable, path in ENV_SHORT.items()}
    yield f"`{ENV_CONFIG}`", "", "none", "The file."
    for variable, path in setting_paths().items():
        key = ".".join(path)
        says = _described(path)
        if path in short:
            yield f"`{short[path]}`", f"`{key}`", _shown(_default(path)), f"Short for `{variable}`."
        yield f"`{variable}`", f"`{key}`", _shown(_default(path)), says


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _default(path: tuple[str, ...]) -> object:
    value: object = Config()
    for key in path:
        value = getattr(value, key)
    return value


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`" if value else "none"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "none" if value in (None, "", {}) else f"`{value}`" if isinstance(value, str) else str(value)


def _described(path: tuple[str, ...]) -> str:
    """What stands under the field in the source."""
    owner: type = Config
    for key in path[:-1]:
        owner = get_type_hints(owner)[key]
    (found,) = (node for node in ast.parse(inspect.getsource(owner)).body if isinstance(node, ast.ClassDef))
    for field, text in zip(found.body, found.body[1:], strict=False):
        is_it = isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.target.id == path[-1]
        if is_it and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            return " ".join(str(text.value.value).replace("``", "`").split())
    return ""


def main(page: Path = PAGE) -> None:
    page.write_text(render())


if __name__ == "__main__":
    sys.exit(main())
