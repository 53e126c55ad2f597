"""Month 0 of a scenario: the run rate that the ledger states, by tier and by who serves it.

One row a tier: what API calls and own hardware cost in a month (EffectiveCost), how many queries each of the two answers, and
what is known of the shape of a query. What does not grow with queries (seats, subscriptions, credits) is ``fixed``.
Money is Decimal, exact; everything else is a measurement.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from finops.money import minor_digits
from forecasting.calc.capacity import CapacityError, profile
from forecasting.calc.drivers import Array

ZERO = Decimal(0)


class ScenarioError(ValueError):
    """A scenario cannot be read or run; the message names the place and what would do."""


@dataclass(frozen=True)
class TierOrigin:
    """One tier in month 0. Costs in units of currency, at least 0; shares 0 to 1.

    ``input_share``: of its cost, what is input; ``reasoning_share``: of its queries, those that reason, at
    ``reasoning_multiplier`` times a single pass; ``resolved``: of its tasks, those that end well.
    """

    tier: str
    api_cost: Decimal = ZERO
    own_cost: Decimal = ZERO
    api_queries: float = 0.0
    own_queries: float = 0.0
    input_share: float = 0.0
    cached_share: float = 0.0
    reasoning_share: float = 1.0
    reasoning_multiplier: float = 1.0
    agents: float = 1.0
    calls: float = 1.0
    resolved: float = 1.0


@dataclass(frozen=True)
class Origin:
    """Month 0: its first day, the tiers, and own hardware. Raises ScenarioError.

    ``gpus``: GPUs that own cost pays for, 0: not known; ``contract_share``: of them, those under contract until
    ``contract_end``, exclusive; ``energy_share``: of own cost; ``profile``: demand by hour of a typical day or week, UTC;
    ``headroom``: usable capacity over the busiest hour; ``api_committed``: API cost a month under a commitment, until
    ``api_commitment_end``.
    """

    month: date
    currency: str
    tiers: tuple[TierOrigin, ...]
    fixed: Decimal = ZERO
    gpus: float = 0.0
    contract_share: float = 0.0
    contract_end: date | None = None
    energy_share: float = 0.0
    profile: tuple[float, ...] = field(default=(1.0,))
    headroom: float = 1.0
    api_committed: Decimal = ZERO
    api_commitment_end: date | None = None

    def __post_init__(self) -> None:
        minor_digits(self.currency)
        if self.month.day != 1:
            raise ScenarioError(f"month 0 is named by its first day, not {self.month}")
        names = [one.tier for one in self.tiers]
        if not names or len(set(names)) < len(names):
            raise ScenarioError("month 0 needs one row for each of its tiers: there is none, or one stands twice")
        for row in self.tiers:
            _check(f"tier {row.tier}", asdict(row), least={"agents": 1, "calls": 1, "reasoning_multiplier": 1})
            for route, cost, queries in (
                ("api", row.api_cost, row.api_queries),
                ("own", row.own_cost, row.own_queries),
            ):
                if cost and not queries:
                    raise ScenarioError(
                        f"tier {row.tier}: {route}_cost is {cost} without a query; what no query causes is fixed"
                    )
        _check(
            "month 0",
            {name: value for name, value in asdict(self).items() if name not in ("fixed", "profile")},
            least={"headroom": 1},
        )
        if not self.fixed.is_finite():
            raise ScenarioError(f"month 0: fixed must be an amount, not {self.fixed}")
        if self.total <= 0:
            raise ScenarioError(f"month 0 costs {self.total} {self.currency}: there is no run rate to start from")
        try:
            profile(self.profile)
        except CapacityError as wrong:
            raise ScenarioError(f"month 0: {wrong}") from None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tiers, in order."""
        return tuple(one.tier for one in self.tiers)

    @property
    def total(self) -> Decimal:
        """The run rate, exactly."""
        return self.fixed + sum((one.api_cost + one.own_cost for one in self.tiers), ZERO)

    def cost_of(self, tier: str) -> Decimal:
        """The run rate of a tier, exactly."""
        return next(one.api_cost + one.own_cost for one in self.tiers if one.tier == tier)

    def column(self, name: str) -> Array:
        """A field of the tiers as numbers of shape (1, tiers, 1)."""
        return np.array([float(getattr(one, name)) for one in self.tiers]).reshape(1, -1, 1)

    def digest(self) -> str:
        """SHA-256 over all of it: the version of the data that a run rests on."""
        return digest_of(asdict(self))


def digest_of(content: Any) -> str:
    """SHA-256 of content as canonical JSON: keys sorted, Decimals without trailing zeros, dates as YYYY-MM-DD."""
    return hashlib.sha256(canonical(content)).hexdigest()


def canonical(content: Any) -> bytes:
    """Content as JSON bytes that only depend on what it says."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain, allow_nan=False).encode()


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _check(where: str, values: dict[str, Any], least: dict[str, int]) -> None:
    for name, value in values.items():
        if not isinstance(value, (int, float, Decimal)):
            continue
        low, high = least.get(name, 0), 1 if name in _SHARES else None
        finite = value.is_finite() if isinstance(value, Decimal) else bool(np.isfinite(value))
        if not finite or value < low or (high is not None and value > high):
            bounds = f"from {low} to {high}" if high else f"at least {low}"
            raise ScenarioError(f"{where}: {name} must be {bounds}, not {value}")


_SHARES = {"input_share", "cached_share", "reasoning_share", "resolved", "contract_share", "energy_share"}
