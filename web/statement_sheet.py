"""What a statement's page, its PDF and its mail say, from the document alone: one reading, three renderings."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from allocation.models import Statement
from finops.focus import TIERS
from finops.periods import Period
from web import formats

KINDS = {"chargeback": "Chargeback", "showback": "Showback, for information"}
BASES = {
    "direct": "Direct", "shared": "Shared", "idle": "Idle", "correction": "Corrections", "adjustment": "Adjustments",
    "variance": "Standard rate variance",
}  # fmt: skip


@dataclass(frozen=True)
class Driver:
    """One bar. ``part``: its length of the longest, 0 to 1, by size whatever the sign; ``colour``: a tier, idle or none."""

    label: str
    note: str
    amount: str
    share: str
    part: float
    colour: str


@dataclass(frozen=True)
class Part:
    """One line of the basis."""

    name: str
    words: str
    amount: str
    own: str


@dataclass(frozen=True)
class Plan:
    """Amount against its budget, of the month or of the year so far. ``budget`` empty: nothing was planned.

    ``variance`` = budget - actual, as on the page Budgets: what is left of it; ``over``: more was spent.
    """

    name: str
    amount: str
    budget: str
    variance: str
    over: bool


@dataclass(frozen=True)
class DetailLine:
    """One line of the detail."""

    basis: str
    team: str
    model: str
    tier: str
    queries: str
    tokens: str
    amount: str
    own: str


@dataclass(frozen=True)
class Sheet:
    """Everything that is said, as text.

    ``charged`` is what is paid: in the cost centre's ``own`` currency at ``rate``, where it has one ('' both: it has not);
    ``amount`` the group's.
    """

    number: str
    code: str
    name: str
    month: str
    kind: str
    showback: bool
    draft: bool
    charged: str
    own: str
    rate: str
    amount: str
    amount_short: str
    currency: str
    exact: str
    before: str
    before_month: str
    difference: str
    more: bool | None
    sentence: str
    drivers: list[Driver]
    other: str
    other_count: int
    parts: list[Part]
    plans: list[Plan]
    year_from: str
    issued: str
    dispute_until: str
    contact: str
    notes: list[str]
    lines: list[DetailLine]
    content_hash: str

    @property
    def title(self) -> str:
        """The cost centre as people call it."""
        return self.name or self.code

    @property
    def file_name(self) -> str:
        """Without its ending; safe in any header and file system."""
        code = "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "_" for char in self.code)
        return f"statement_{self.number.split(' ')[0]}_{code}" + ("" if self.currency == "" else f"_{self.currency}")


def read(statement: Statement) -> Sheet:
    """The sheet of a statement as it was issued, or as it was drafted."""
    said, currency = statement.document, statement.currency
    amount, change = Decimal(said["amount"]), said["change"]
    year, centre = said["year_to_date"], said["cost_centre"]
    difference, own = Decimal(change["difference"]), said.get("own")
    own_currency = own["currency"] if own else ""
    return Sheet(
        number=f"{said['month']} {centre['code']}" + (f" v{said['version']}" if said["version"] > 1 else ""),
        code=centre["code"], name=centre["name"], month=_month(said["month"]), kind=KINDS[said["kind"]],
        showback=said["kind"] == Statement.Kind.SHOWBACK, draft=said["issued_on"] is None,
        charged=formats.money(Decimal(own["amount"]), own_currency) if own else formats.money(amount, currency),
        own=own_currency, rate=_rate(own, currency) if own else "",
        amount=formats.money(amount, currency), amount_short=formats.money_short(amount, currency), currency=currency,
        exact=said["exact"], before="" if change["before"] is None else formats.money(Decimal(change["before"]), currency),
        before_month=_month(change["month"]), difference=formats.signed_money_exact(difference, currency),
        more=None if change["before"] is None or not difference else difference > 0, sentence=change["sentence"],
        drivers=_drivers(said, amount, currency), other=formats.money(Decimal(said["other"]["amount"]), currency),
        other_count=said["other"]["count"],
        parts=[Part(BASES.get(p["basis"], p["basis"]), p["words"], formats.money(Decimal(p["amount"]), currency),
                    _own(p, own_currency))
               for p in said["parts"]],
        plans=[
            _plan("This month", amount, said["budget"], currency),
            _plan("Year to date", Decimal(year["amount"]), year, currency),
        ],
        year_from=_month(year["from"]), issued=_day(said["issued_on"]), dispute_until=_day(said["dispute_until"]),
        contact=said["contact"], notes=[note["text"] for note in said["notes"]],
        lines=[_line(line, currency, own_currency) for line in said["lines"]], content_hash=statement.content_hash,
    )  # fmt: skip


def _drivers(said: dict[str, Any], amount: Decimal, currency: str) -> list[Driver]:
    costs = [Decimal(each["amount"]) for each in said["drivers"]]
    longest = max((abs(cost) for cost in costs), default=Decimal(1)) or Decimal(1)
    return [
        Driver(
            label=each["label"], note=_driver_note(each), amount=formats.money(cost, currency),
            share=formats.percent(cost / amount, 0) if amount > 0 <= cost else "", part=float(abs(cost) / longest),
            colour=each["tier"] if each["basis"] == "direct" and each["tier"] in TIERS else _colour(each["basis"]),
        )
        for each, cost in zip(said["drivers"], costs, strict=True)
    ]  # fmt: skip


def _colour(basis: str) -> str:
    return "idle" if basis == "idle" else "other"


def _driver_note(driver: dict[str, Any]) -> str:
    told = [
        driver["tier"],
        f"{formats.whole(driver['queries'])} queries" if driver["queries"] else "",
        driver["provider"],
    ]
    return ", ".join(part for part in told if part)


def _plan(name: str, amount: Decimal, said: dict[str, Any], currency: str) -> Plan:
    if said["budget"] is None:
        return Plan(name, formats.money(amount, currency), "", "", over=False)
    planned = Decimal(said["budget"])
    left = planned - amount  # documents that were issued at first have the variance the other way round
    return Plan(
        name, formats.money(amount, currency), formats.money(planned, currency), formats.signed_money_exact(left, currency),
        over=left < 0,
    )  # fmt: skip


def _own(said: dict[str, Any], currency: str) -> str:
    return formats.money(Decimal(said["own"]), currency) if currency else ""


def _rate(own: dict[str, Any], currency: str) -> str:
    """``152.03 JPY for 1 USD, 30 September 2026, ecb``."""
    return f"{own['rate']} {own['currency']} for 1 {currency}, {_day(own['rate_day'])}, {own['rate_source']}"


def _line(line: dict[str, Any], currency: str, own: str) -> DetailLine:
    return DetailLine(
        BASES.get(line["basis"], line["basis"]), line["team"], line["model"] or line["provider"], line["tier"],
        formats.whole(line["queries"]) if line["queries"] else "", formats.whole(line["tokens"]) if line["tokens"] else "",
        formats.money(Decimal(line["amount"]), currency), _own(line, own),
    )  # fmt: skip


def _month(text: str) -> str:
    return formats.month_name(Period.month(text).start)


def _day(text: str | None) -> str:
    return f"{(day := date.fromisoformat(text)).day} {day:%B %Y}" if text else ""
