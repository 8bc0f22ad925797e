"""The API against its own description, with whatever comes to schemathesis's mind: no 5xx, and every answer is as
described."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.integration.server.serving import Server
from tests.support import processes

SCHEMATHESIS: Final = Path(sys.executable).parent / "schemathesis"
_CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
_NOT_RUN: Final = (
    "^/api/v1/costs/stream$",  # never ends
    "^/api/v1/budget-store/",  # bodies are otel-cost's own
    "^/api/v1/keys",  # the first key that it made would shut it out
    "^/v1/",  # bodies are OTLP's
)

_MOST_S: Final = 35
"""Of the whole run. On a machine of its own, all phases are through by then, with some 500 requests."""


def test_no_request_breaks_it_and_answers_are_as_described(own_shop: Server, tmp_path: Path) -> None:
    """Examples, coverage (each border of each parameter, right and wrong), fuzzing, and chains of calls, over a book
    with data. The seed is fixed."""
    command = [
        str(SCHEMATHESIS), "run", f"{own_shop.url}/openapi.json", "--phases", "examples,coverage,fuzzing,stateful",
        "--checks", ",".join(_CHECKS), "--max-examples", "3", "--max-time", str(_MOST_S), "--workers", "2",
        "--seed", "20260921", "--no-color", "--continue-on-failure", "--warnings", "off",
        "--exclude-path-regex", "|".join(_NOT_RUN),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, env=processes.clean_environment(), capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cases = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert cases is not None, done.stdout
    assert int(cases[1]) == int(cases[2]) > 30
    assert own_shop.http.get("/healthz").status_code == 200
