"""What a reader sees of the watch: within a scope, and for a gateway the budgets that one call would count against."""

from datetime import datetime, timedelta
from typing import NamedTuple

from allocation.scope import EVERYTHING, Scope
from finops.periods import Period
from forecasting import watch_budgets, watch_caps, watch_policies, watch_states
from forecasting.calc.watch import ALLOW, STOP, WARN
from forecasting.watch_caps import Held, Watched
from forecasting.watch_hours import WINDOW
from forecasting.watch_states import State

_STRICTEST = (STOP, WARN, ALLOW)


class Asked(NamedTuple):
    """Which budgets: of one Budget (id; None: of all), and those that a call of this owner, provider and model counts against."""

    budget: int | None = None
    cost_centre: str = ""
    provider: str = ""
    model: str = ""


class Queries(NamedTuple):
    """Caps and bands of the last weeks."""

    days: Period
    caps: list[Held]
    bands: list[Watched]


def states(scope: Scope, now: datetime, asked: Asked | None = None) -> list[State]:
    """Budgets that run now, as they stand. The whole is of those who see everything."""
    return watch_states.states(_running(scope, now, asked or Asked()), watch_policies.in_force(), now)


def judged(scope: Scope, now: datetime, asked: Asked) -> tuple[list[State], str]:
    """``states``, and what a gateway is told: the strictest verdict; of none: allow.

    A call counts against the whole too, so its verdict does, also where the whole's figures are not shown.
    """
    found = states(scope, now, asked)
    wholes = [] if scope.everything else [one for one in _running(EVERYTHING, now, asked) if one.subject.code is None]
    said = {one.verdict for one in (*found, *watch_states.states(wholes, watch_policies.in_force(), now))}
    return found, next((one for one in _STRICTEST if one in said), ALLOW)


def _running(scope: Scope, now: datetime, asked: Asked) -> list[watch_budgets.Running]:
    codes = None if scope.everything else scope.cost_centres
    runs = watch_budgets.running(now.date(), since=now.date() - timedelta(days=WINDOW), codes=codes)
    runs = [one for one in runs if asked.budget is None or asked.budget in one.budgets]
    return [one for one in runs if _counts(one.subject, asked)]


def _counts(subject: watch_budgets.Subject, asked: Asked) -> bool:
    pairs = ((subject.code or "", asked.cost_centre), (subject.provider, asked.provider), (subject.model, asked.model))
    return all(not wanted or mine in ("", wanted) for mine, wanted in pairs)


def queries(scope: Scope, now: datetime) -> Queries:
    """Caps and bands of the window that the watch looks back."""
    days = _window(now)
    seen = watch_caps.bands(scope, days, watch_policies.in_force(), now.date())
    return Queries(days, watch_caps.held(scope, days), seen)


def queries_of_caps(scope: Scope, now: datetime) -> list[Held]:
    """Caps of the window that the watch looks back, the oldest first."""
    return watch_caps.held(scope, _window(now))


def _window(now: datetime) -> Period:
    return Period(now.date() - timedelta(days=WINDOW), now.date() + timedelta(days=1))
