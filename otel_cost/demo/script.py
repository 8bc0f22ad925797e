"""What the stand-in answers to the sample app: the usage of each agent's calls, and which of them fail.

The app sends ordinary prompts; each is recognised by its opening words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_cost.demo.directives import last_text

_ANSWERS: Final = {
    "Plan the research for": 'usage:{"input": 1850, "output": 320, "cached": 1024} error:429*1',
    "sources on": 'usage:{"input": 640}',
    "Research these": 'usage:{"input": 6200, "output": 850, "cached": 2048, "cache_write": 1500, "web_searches": 2}',
    "Write the article": 'usage:{"input": 4100, "output": 1900, "cached": 2048, "reasoning": 1216} chunks:6',
    "Review and improve": 'usage:{"input": 3000, "output": 900}',
    "Classify this ticket": 'usage:{"input": 210, "output": 12}',
    "Draft a reply": 'usage:{"input": 900, "output": 260}',
    "Write a letter": 'usage:{"input": 480, "output": 390}',
}
_FAILING: Final = ("/v1/responses", "Write a letter")


def script(path: str, body: Mapping[str, object]) -> str:
    """The directives for one request of the sample app."""
    prompt = last_text(body.get("messages") or body.get("input"))
    for opening, directives in _ANSWERS.items():
        if prompt.startswith(opening):
            return directives + (" error:503" if (path, opening) == _FAILING else "")
    return ""
