"""What the page and the API say about how far the figures can be trusted; sources, runs and money in one read."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
from django.conf import settings

from allocation import selectors
from allocation.failed_days import failed_days
from allocation.layer_selectors import SeveralSources, layer_matches, several_sources
from allocation.scope import EVERYTHING
from allocation.selectors import CostQuery
from finops.money import total
from finops.periods import Period
from ingest import health_selectors
from ingest.health_selectors import Behind
from ingest.source_status import Status
from web import verified
from web.layers_seen import Seen, seen
from web.verified import Verified

DAYS, RUN_DAYS = 30, 7
WANTING = ("failing", "late")


@dataclass(frozen=True)
class Unpriced:
    """Usage of one model that no price fits: its tokens, and what the dearest comparable price would make of them."""

    provider: str
    model: str
    tokens: int
    estimate: Decimal


@dataclass(frozen=True)
class Facts:
    """One reading."""

    now: datetime
    period: Period
    months: list[str]
    currency: str
    sources: list[Status]
    verified: Verified
    quarantined: list[dict[str, Any]]
    unpriced: list[Unpriced]
    bill_priced_tokens: int  # without a price, and a bill states their money
    tokens: int  # of the period, all
    cost: Decimal
    unallocated: Decimal
    unknown_fields: list[dict[str, Any]]
    dropped_tags: list[dict[str, Any]]
    runs: dict[date, dict[str, int]]
    behind: Behind
    failed: list[tuple[date, str]]  # days that cannot be charged, and why
    matches: pd.DataFrame  # of layers; see allocation.layer_selectors
    several: list[SeveralSources]

    @property
    def layers(self) -> list[Seen]:
        """Accounts of which several systems speak."""
        return seen(self.matches, self.currency)

    @property
    def month(self) -> str:
        """As in addresses."""
        return f"{self.period.start:%Y-%m}"

    @property
    def wanting(self) -> list[Status]:
        """Sources that somebody should look at."""
        return [status for status in self.sources if status.connection and status.state in WANTING]

    @property
    def rejected(self) -> int:
        """Quarantined records."""
        return sum(row["count"] for row in self.quarantined)

    @property
    def unpriced_tokens(self) -> int:
        """Tokens without a price."""
        return sum(row.tokens for row in self.unpriced)

    @property
    def estimate(self) -> Decimal:
        """What they might cost."""
        return sum((row.estimate for row in self.unpriced), Decimal(0))


def read(now: datetime, month: str = "", currency: str = "") -> Facts:
    """Everything; money of a month (default: the newest with cost) in a currency. Raises PeriodError."""
    months = selectors.months(EVERYTHING)
    period = Period.month(month or (months[0] if months else f"{now:%Y-%m}"))
    currency = currency or settings.REPORT_CURRENCY
    since = now - timedelta(days=DAYS)
    frame = selectors.costs(
        EVERYTHING, CostQuery(period, ("ServiceProviderName", "x_Model", "x_CostCentre"), currency=currency)
    )
    return Facts(
        now, period, months, currency,
        sources=health_selectors.statuses(now),
        verified=verified.last(),
        quarantined=health_selectors.quarantined(since),
        unpriced=unpriced_models(frame),
        bill_priced_tokens=int(frame["x_BillPricedTokens"].sum()),
        tokens=int(frame["x_Tokens"].sum()),
        cost=total(frame["EffectiveCost"]),
        unallocated=total(frame[frame["x_CostCentre"].isna()]["EffectiveCost"]),
        unknown_fields=health_selectors.noted_since("unknown_fields", since),
        dropped_tags=health_selectors.noted_since("dropped_tags", since),
        runs=health_selectors.run_days(now - timedelta(days=RUN_DAYS)),
        behind=health_selectors.behind(),
        failed=failed_days(),
        matches=layer_matches(EVERYTHING, period),
        several=several_sources(EVERYTHING, period, currency),
    )  # fmt: skip


def unpriced_models(frame: pd.DataFrame) -> list[Unpriced]:
    """The models without a price of a frame of costs by provider and model, the dearest estimate first."""
    lacking = frame[frame["x_UnpricedTokens"] > 0]
    rows = [
        Unpriced(str(provider), str(model), int(part["x_UnpricedTokens"].sum()), total(part["x_UnpricedEstimate"]))
        for (provider, model), part in lacking.groupby(["ServiceProviderName", "x_Model"], dropna=False)
    ]
    return sorted(rows, key=lambda row: (-row.estimate, -row.tokens, row.provider, row.model))
