"""The ``otel-cost.yaml`` that the sample app runs with, and the limits in it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

SESSION_BUDGET: Final = "session-limit"
TEAM_BUDGET: Final = "team-month"

_YAML: Final = """\
labels:
  metrics: [team, agent]
budgets:
  - name: {session_budget}
    amount_usd: {session_usd}
    period: session          # one limit for each session
    action: block            # a call past it is not made: BudgetExceeded
  - name: {team_budget}
    amount_usd: {team_usd}
    period: month
    per: [team]              # one budget for each team
    thresholds: [50%, 80%, 100%]
    action: alert
    overrides:
      support: {{amount_usd: {support_usd}}}
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """In USD. A session is stopped at its limit; a team's month only alerts."""

    session: Decimal
    team: Decimal
    support: Decimal

    def yaml(self) -> str:
        return _YAML.format(
            session_budget=SESSION_BUDGET,
            team_budget=TEAM_BUDGET,
            session_usd=self.session,
            team_usd=self.team,
            support_usd=self.support,
        )


STAND_IN_LIMITS: Final = Limits(Decimal("0.10"), Decimal("0.25"), Decimal("0.003"))
REAL_LIMITS: Final = Limits(Decimal("0.004"), Decimal("0.02"), Decimal("0.01"))
"""Small enough that ``--real`` cannot cost more than a few cents."""
