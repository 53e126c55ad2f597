"""What commitments were good for: utilisation and break-even, warnings ahead of an end, seats beside an API."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
import yaml

from allocation.calc.commitments_entries import parse
from allocation.calc.commitments_view import Use, commits, expiries, seat_uses
from allocation.calc.contracts import parse as parse_contracts

D = Decimal
TODAY = date(2026, 9, 8)


def use(used: str, unused: str, covered: str, uncovered: str = "0", expired: str = "0") -> Use:
    return Use(
        "a", "provisioned_throughput", "USD", D(720), D(used), D(unused), D(expired), D(0), D(covered), D(uncovered)
    )


def test_a_commit_to_spend_covers_no_usage_and_has_no_coverage() -> None:
    assert use("0", "0", "0", "900")._replace(kind="enterprise_commit").coverage is None
    assert use("0", "0", "0", "900").coverage == 0


@pytest.mark.parametrize(
    ("percent", "covered", "uncovered", "coverage", "saved"),
    [
        (0, "0", "0", None, "-720"),
        (63, "630", "0", D(1), "-90"),  # at full use it would have been worth 1,000
        (100, "1000", "0", D(1), "280"),
        (100, "1000", "600", D("0.625"), "280"),  # 160 %: 600 above capacity
    ],
)
def test_ar14_utilisation_coverage_and_saving_at_0_63_100_and_160_percent(
    percent: int, covered: str, uncovered: str, coverage: Decimal | None, saved: str
) -> None:
    used = D(720) * percent / 100
    found = use(str(used), str(720 - used), covered, uncovered)
    assert found.utilisation == D(percent) / 100
    assert found.coverage == coverage
    assert found.saved == D(saved)
    assert found.breakage == 720 - used
    # It pays from 72 % on, whatever the utilisation was: 720 for what would cost 1,000.
    assert found.break_even == (D("0.72") if percent else None)


def test_nothing_due_has_no_utilisation() -> None:
    assert use("0", "0", "0").utilisation is None


def test_what_ends_is_warned_of_180_90_and_30_days_ahead() -> None:
    ahead = {"late": 181, "far": 180, "near": 90, "soon": 30, "tomorrow": 1, "gone": 0}
    book = parse([
        {"code": code, "kind": "enterprise_commit", "from": "2026-01-01", "to": str(TODAY + timedelta(days=days)), "amount": "1"}
        for code, days in ahead.items()
    ] + [{"code": "plan", "kind": "subscription", "from": "2026-01-01", "price": "1"}])  # fmt: skip
    agreed = parse_contracts(
        [{"code": "frame", "valid_to": str(TODAY + timedelta(days=31))}, {"code": "open", "priority": 1}]
    )
    assert [(one.code, one.days, one.warning) for one in expiries(book.commitments, agreed.contracts, TODAY)] == [
        ("tomorrow", 1, 30), ("soon", 30, 30), ("frame", 31, 90), ("near", 90, 90), ("far", 180, 180), ("late", 181, None),
    ]  # fmt: skip


def test_a_commit_shows_what_is_missing_and_what_its_pace_leaves() -> None:
    entry = {"kind": "enterprise_commit", "from": "2026-09-01", "to": "2026-09-21", "amount": "1000"}
    book = parse([{"code": "a", **entry}, {"code": "b", **entry, "from": "2026-09-10"}])
    (found,) = commits(book.commitments, {"a": D(200)}, TODAY)
    # 200 in 8 of 20 days: 500 at the end.
    assert (found.missing, found.projected, found.provisional) == (800, 500, True)
    (found, _) = commits(book.commitments, {"a": D(1100)}, date(2026, 9, 21))
    assert (found.missing, found.projected, found.provisional) == (0, 0, False)


def test_a_seat_is_compared_with_what_its_persons_usage_would_have_cost() -> None:
    text = """
    - code: team
      kind: seats
      from: 2026-09-01
      to: 2026-10-01
      price: "30"
      seats: 4
      owner: {cost_centre: FIN}
      assigned: [{who: ada, cost_centre: A}, {who: bob, cost_centre: A}, {who: eve, cost_centre: B, from: 2026-09-21}]
    """
    days = [date(2026, 9, 1) + timedelta(days=n) for n in range(30)]
    worth = {("ada", "USD"): D("29.99"), ("bob", "USD"): D(30), ("eve", "EUR"): D(99)}
    rows = seat_uses(parse(yaml.safe_load(text)).commitments, days, worth)
    assert [(row.who, row.cost_centre, row.days, row.cost, row.worth, row.cheaper) for row in rows] == [
        ("", "FIN", 30, 50, None, ""), ("ada", "A", 30, 30, D("29.99"), "API"), ("bob", "A", 30, 30, 30, "seat"),
        ("eve", "B", 10, 10, None, ""),
    ]  # fmt: skip
    assert sum(row.cost for row in rows) == 4 * 30
