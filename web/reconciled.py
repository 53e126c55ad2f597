"""What the page Reconciliation shows of a run: its waterfall, its accounts, and a page of its lines."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from allocation.calc.reconcile_rows import CAUSES, LEVELS
from allocation.models import Reconciliation, ReconciliationLine
from allocation.reconciliation_selectors import STATES

ZERO = Decimal(0)
UNEXPLAINED, SEVERAL = "unexplained", "several"
WORST = ("variance", "missing", "within_tolerance", "matched")  # of an account's lines the first one that occurs


class Filter(NamedTuple):
    """Which lines; '' and None are all. ``account`` None: any, '' is lines without one."""

    provider: str = ""
    account: str | None = None
    state: str = ""
    cause: str = ""
    currency: str = ""


@dataclass
class Account:
    """Lines of a provider, account and currency, summed. A level is None where it says nothing of the account."""

    provider: str
    account: str
    currency: str
    computed: Decimal = ZERO
    provider_usage: Decimal | None = None
    cost_report: Decimal | None = None
    invoice: Decimal | None = None
    causes: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    unexplained: Decimal = ZERO
    states: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    noted: int = 0

    @property
    def stated(self) -> Decimal:
        """By the highest level that speaks of it."""
        return next((amount for name in reversed(LEVELS) if (amount := getattr(self, name)) is not None), self.computed)

    @property
    def difference(self) -> Decimal:
        """stated - computed."""
        return self.stated - self.computed

    @property
    def billed_by(self) -> str:
        """The highest level that speaks of it; '' where nobody but us does."""
        return next((name for name in reversed(LEVELS[1:]) if getattr(self, name) is not None), "")

    @property
    def state(self) -> str:
        """The worst state of its lines."""
        return next(state for state in WORST if self.states.get(state))

    @property
    def explained(self) -> Decimal | None:
        """Of all differences, the share with a cause; None where there are none."""
        known = sum((abs(amount) for amount in self.causes.values()), ZERO)
        whole = known + abs(self.unexplained)
        return known / whole if whole else None

    @property
    def is_empty(self) -> bool:
        """No level has any money of it."""
        return not any(getattr(self, name) for name in LEVELS)


class Found(NamedTuple):
    """A run, read once: accounts by currency with the largest difference first, and the changes that lead to each level.

    ``changes``: currency -> level -> cause -> amount. Invariant: they add up to what the level states beyond the one below.
    """

    accounts: list[Account]
    changes: dict[str, dict[str, dict[str, Decimal]]]


def read(run: Reconciliation) -> Found:
    """All lines of a run, summed."""
    found: dict[tuple[str, str, str], Account] = {}
    changes: dict[str, Any] = defaultdict(lambda: defaultdict(lambda: defaultdict(Decimal)))
    names = ("provider", "billing_account", "currency", "state", *LEVELS, "causes", "unexplained", "owner", "note")
    for provider, name, currency, state, *rest in run.lines.order_by("pk").values_list(*names):
        *amounts, written, unexplained, owner, note = rest
        causes = {cause: Decimal(amount) for cause, amount in written.items()}
        one = found.setdefault((provider, name, currency), Account(provider, name, currency))
        for level, amount in zip(LEVELS, amounts, strict=True):
            if amount is not None:
                setattr(one, level, (getattr(one, level) or ZERO) + amount)
        for cause, amount in causes.items():
            one.causes[cause] += amount
        one.unexplained += unexplained
        one.states[state] += 1
        one.noted += bool(owner or note)
        for level, cause, amount in _changes(amounts, causes | {UNEXPLAINED: unexplained}):
            changes[currency][level][cause] += amount
    order = sorted(
        found.values(),
        key=lambda one: (one.currency, -abs(one.difference), -one.computed, one.provider, one.account),
    )
    return Found(order, changes)


def _changes(amounts: Sequence[Decimal | None], causes: dict[str, Decimal]) -> Iterable[tuple[str, str, Decimal]]:
    """(level, cause, amount) of a line. Causes are of its whole way: where several levels differ, none is told apart."""
    spoken = [(level, amount) for level, amount in zip(LEVELS, amounts, strict=True) if amount is not None]
    steps = [(upper[0], upper[1] - lower[1]) for lower, upper in pairwise(spoken) if upper[1] != lower[1]]
    if len(steps) == 1:
        return [(steps[0][0], cause, amount) for cause, amount in causes.items() if amount]
    if not steps and len(spoken) > 1:  # causes that cancel each other
        return [(spoken[-1][0], cause, amount) for cause, amount in causes.items() if amount]
    return [(level, SEVERAL, amount) for level, amount in steps]


class Rung(NamedTuple):
    """A row of the waterfall: a level, or a cause on the way to the next one."""

    name: str
    amount: Decimal
    level: bool


def waterfall(found: Found, currency: str) -> list[Rung]:
    """From computed to the highest level that speaks, of one currency, with the causes between.

    Of accounts of which a level says nothing, the level below goes on.
    """
    mine = [one for one in found.accounts if one.currency == currency]
    rungs = [Rung("computed", sum((one.computed for one in mine), ZERO), level=True)]
    at = rungs[0].amount
    for level in LEVELS[1:]:
        if all(getattr(one, level) is None for one in mine):
            continue
        causes = found.changes[currency][level] if currency in found.changes else {}
        for cause in (*CAUSES, SEVERAL, UNEXPLAINED):
            if amount := causes.get(cause, ZERO):
                rungs.append(Rung(cause, amount, level=False))
                at += amount
        rungs.append(Rung(level, at, level=True))
    return rungs


def lines(run: Reconciliation, wanted: Filter) -> "QuerySet[ReconciliationLine]":
    """The lines that are asked for, in the run's order."""
    found = run.lines.order_by("pk")
    if wanted.provider:
        found = found.filter(provider=wanted.provider)
    if wanted.account is not None:
        found = found.filter(billing_account=wanted.account)
    if wanted.state:
        found = found.filter(state=wanted.state)
    if wanted.currency:
        found = found.filter(currency=wanted.currency)
    if wanted.cause == UNEXPLAINED:
        found = found.exclude(unexplained=0)
    elif wanted.cause:
        found = found.filter(Q(causes__has_key=wanted.cause))
    return found


def sums(found: "QuerySet[ReconciliationLine]") -> list[dict[str, Any]]:
    """Totals of lines by currency, however many there are."""
    rows = found.order_by("currency").values("currency")
    stated = Coalesce(*reversed(LEVELS))
    sums = {f"all_{name}": Sum(name) for name in (*LEVELS, UNEXPLAINED)} | {"stated": Sum(stated)}
    totals: list[dict[str, Any]] = [dict(row) for row in rows.annotate(**sums)]
    return [row | {"difference": row["stated"] - row["all_computed"]} for row in totals]


__all__ = ["CAUSES", "LEVELS", "STATES", "Account", "Filter", "Found", "Rung", "lines", "read", "sums", "waterfall"]
