"""Reads of statements, each within a scope: those who see the books see all, owners their own cost centres' (CONTRACTS 7)."""

from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, Exists, OuterRef, Sum
from django.db.models.functions import Collate

from allocation.models import Grant, Statement
from allocation.scope import EVERYTHING, Scope
from finops.money import minor_digits
from finops.periods import Period

_SEE_THE_BOOKS = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE, Grant.Role.AUDITOR})


class Total(NamedTuple):
    """Statements of a month in one currency, kind and state: how many, and their amounts added up."""

    currency: str
    kind: str
    state: str
    statements: int
    amount: Decimal


def scope_for(user: Any) -> Scope:
    """Which statements somebody may read: viewers and admins none, for a statement is between its owner and finance."""
    if not getattr(user, "is_authenticated", False) or not user.is_active:
        return Scope()
    grants = list(Grant.objects.filter(user=user).values_list("role", "cost_centre_id"))
    if any(role in _SEE_THE_BOOKS for role, _ in grants):
        return EVERYTHING
    return Scope(cost_centres=frozenset(centre for role, centre in grants if role == Grant.Role.OWNER and centre))


def of(period: Period, scope: Scope) -> list[Statement]:
    """The statements of a month's newest version, by cost centre and currency."""
    rows = _seen(scope).filter(month=period.start, replaced=False)
    return list(rows.order_by(Collate("cost_centre__code", "C"), "currency"))


def listing(
    scope: Scope,
    *,
    period: Period | None = None,
    state: str = "",
    code: str = "",
    before: int | None = None,
    limit: int,
) -> list[Statement]:
    """Statements of every version, the newest first; ``before``: those with a lower id."""
    rows = _seen(scope).order_by("-pk")
    rows = rows.filter(month=period.start) if period else rows
    rows = rows.filter(state=state) if state else rows
    rows = rows.filter(cost_centre__code=code) if code else rows
    rows = rows.filter(pk__lt=before) if before is not None else rows
    return list(rows[:limit])


def one(scope: Scope, number: int) -> Statement | None:
    """A statement by its id; None where there is none, or not for this scope."""
    held: Statement | None = _seen(scope).filter(pk=number).first()
    return held


def found(scope: Scope, period: Period, code: str, currency: str = "") -> list[Statement]:
    """What a cost centre was told of a month, every version, the newest first; of all currencies unless one is named."""
    rows = _seen(scope).filter(month=period.start, cost_centre__code=code)
    rows = rows.filter(currency=currency) if currency else rows
    return list(rows.order_by("-version", "currency"))


def totals(period: Period, scope: Scope) -> list[Total]:
    """The statements of a month's newest version, added up by currency, kind and state."""
    rows = _seen(scope).filter(month=period.start, replaced=False).order_by("currency", "kind", "state")
    sums = rows.values_list("currency", "kind", "state").annotate(Count("pk"), Sum("amount"))
    return [Total(code, kind, state, size, at_minor_unit(whole, code)) for code, kind, state, size, whole in sums]


def months(scope: Scope) -> list[date]:
    """The months that have statements, newest first."""
    return sorted(set(_seen(scope).order_by().values_list("month", flat=True)), reverse=True)


def at_minor_unit(amount: Decimal, currency: str) -> Decimal:
    """An amount of a statement with the decimals that its currency has."""
    return amount.quantize(Decimal(1).scaleb(-minor_digits(currency))) + 0  # 0.00, not -0.00


class Charged(NamedTuple):
    """What a cost centre pays, and the rate from the statement's currency (None: it is its own)."""

    amount: str
    currency: str
    rate: str | None
    rate_day: str | None
    rate_source: str | None


def charged(statement: Statement) -> Charged:
    """What is paid, as the statement's document says."""
    own = statement.document.get("own")
    if own is None:
        amount = str(at_minor_unit(statement.amount, statement.currency))
        return Charged(amount, statement.currency, None, None, None)
    return Charged(own["amount"], own["currency"], own["rate"], own["rate_day"], own["rate_source"])


def may_answer(user: Any, statement: Statement) -> bool:
    """Whether somebody may accept or dispute: an owner of its cost centre, and finance (CONTRACTS 7)."""
    grants = Grant.objects.filter(user=user).values_list("role", "cost_centre_id")
    return any(
        role == Grant.Role.FINANCE or (role == Grant.Role.OWNER and centre == statement.cost_centre_id)
        for role, centre in grants
    )


def _seen(scope: Scope) -> Any:
    later = Statement.objects.filter(
        month=OuterRef("month"), cost_centre=OuterRef("cost_centre"), currency=OuterRef("currency"),
        version__gt=OuterRef("version"),
    )  # fmt: skip
    return scope.of(Statement.objects.select_related("cost_centre").annotate(replaced=Exists(later)))
