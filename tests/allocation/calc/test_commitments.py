"""Commitments: what people write about them, seats, and how credits burn down."""

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.commitments import Commitment, seats_of
from allocation.calc.commitments_credits import burn_down, pools, shortfall, worth
from allocation.calc.commitments_entries import parse
from allocation.calc.contracts_fields import AgreementError

D = Decimal


def load(text: str) -> list[Commitment]:
    return list(parse(yaml.safe_load(text)).commitments)


PTU = """
- code: ptu
  kind: provisioned_throughput
  provider: azure
  from: 2026-01-01
  to: 2027-01-01
  units: "100"
  unit_price: "73"
  capacity: "1500"
  weights: {input: "1", cache_read: "0", output: "4", reasoning: "5"}
"""


def test_throughput_has_units_times_capacity_in_an_hour_and_weights_of_classes() -> None:
    (ptu,) = load(PTU)
    assert ptu.capacity is not None
    assert ptu.capacity.per_hour == 150_000
    assert ptu.capacity.weights == {"input_uncached": 1, "cache_read": 0, "output_visible": 4, "output_reasoning": 5}
    # 7,300 over 365 days.
    assert (ptu.price, ptu.cost(date(2026, 5, 1)).steps) == (7300, 24)
    assert sum(ptu.cost(date(2026, 1, 1) + timedelta(days=n)).cost for n in range(365)) == 7300
    assert [ptu.purchased(date(2026, 1, day)) for day in (1, 2)] == [7300, 0]


def test_what_is_paid_by_the_day_is_covered_by_the_hour_unless_the_day_is_said() -> None:
    text = PTU.replace("  to: 2027-01-01\n", "  per: day\n").replace('"73"', '"0.5"')
    for more, step in (("", "hour"), ("  step: hour\n", "hour"), ("  step: day\n", "day")):
        (ptu,) = load(text + more)
        assert (ptu.step, ptu.paid_by) == (step, "day")
        # 100 units at 0.5 a day, whichever day it is
        assert (ptu.cost(date(2026, 3, 29)).cost, ptu.cost(date(2026, 5, 1)).steps, ptu.hours(date(2026, 5, 1))) == (
            50,
            1,
            24,
        )
        assert ptu.purchased(date(2026, 5, 1)) == 50


def test_what_is_paid_by_the_hour_goes_on_and_is_billed_as_it_is_consumed() -> None:
    (ptu,) = load(PTU.replace("  to: 2027-01-01\n", "  per: hour\n").replace('"73"', '"0.5"'))
    assert (ptu.cost(date(2030, 2, 28)).cost, ptu.purchased(date(2030, 2, 28))) == (24 * 50, 24 * 50)


def test_an_end_of_what_is_paid_by_the_hour_leaves_nothing_to_be_posted() -> None:
    (ptu,) = load(PTU.replace("  to: 2027-01-01\n", "  per: hour\n  terminated: 2026-03-01\n"))
    assert ptu.cost(date(2026, 3, 1)) == (0, 0, 0)
    assert ptu.cost(date(2026, 2, 28)).cost == 24 * 7300


def test_an_early_end_posts_the_rest_of_what_is_paid_and_pays_no_more() -> None:
    monthly = PTU + "  per: month\n  terminated: 2026-03-11\n"
    (ptu,) = load(monthly)
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    assert sum(ptu.purchased(day) for day in days) == 3 * 7300 == ptu.price
    assert sum(ptu.cost(day).cost + ptu.cost(day).rest for day in days) == 3 * 7300
    # March has 31 days of 24 hours, of which 10 are over: hours are rounded down at 12 decimals.
    hour = D("9.811827956989")  # 7300 / 744
    assert ptu.cost(date(2026, 3, 11)).rest == 7300 - 240 * hour


@pytest.mark.parametrize("kind", ["reserved_gpu", "provisioned_throughput"])
def test_gpus_cover_gpu_hours_and_throughput_covers_tokens(kind: str) -> None:
    text = f'[{{code: a, kind: {kind}, from: 2026-01-01, to: 2027-01-01, units: "8", price: "1", capacity: "1"}}]'
    capacity = load(text)[0].capacity
    assert capacity is not None
    assert ("gpu_hour" in capacity.weights) == (kind == "reserved_gpu")
    assert ("output_visible" in capacity.weights) == (kind == "provisioned_throughput")


SEATS = """
- code: code-team
  kind: seats
  provider: anthropic
  from: 2026-02-01
  price: "28"
  seats: 5
  assigned:
    - {who: ada, cost_centre: CC-1}
    - {who: bob, cost_centre: CC-1, to: 2026-02-15}
    - {who: eve, cost_centre: CC-2, team: red, from: 2026-02-15}
"""


def test_seats_cost_who_has_them_and_the_rest_is_unused() -> None:
    (seats,) = load(SEATS)
    # 5 seats x 28 in 28 days: one a day for each seat.
    assert seats_of(seats, date(2026, 2, 14)) == [(("CC-1", ""), 2, 2), (None, 3, 3)]
    assert seats_of(seats, date(2026, 2, 15)) == [(("CC-1", ""), 1, 1), (("CC-2", "red"), 1, 1), (None, 3, 3)]
    assert seats_of(seats, date(2026, 1, 31)) == []


def test_all_days_of_seats_cost_what_is_paid_for_them() -> None:
    (seats,) = load(SEATS.replace("  seats: 5", "  seats: 5\n  to: 2026-07-10\n  terminated: 2026-06-20"))
    days = [date(2026, 1, 25) + timedelta(days=n) for n in range(200)]
    spent = sum(cost for day in days for _, _, cost in seats_of(seats, day))
    assert spent == sum(seats.purchased(day) for day in days) == 5 * 140


def test_a_subscription_is_a_seat_of_its_owner() -> None:
    (plan,) = load("[{code: a, kind: subscription, from: 2026-02-01, price: '28', owner: {cost_centre: CC-1}}]")
    assert seats_of(plan, date(2026, 2, 3)) == [(("CC-1", ""), 1, 1)]


def credit(code: str, first: str, last: str, face: str, price: str | None = None, **more: Any) -> dict[str, Any]:
    given = {"code": code, "kind": "prepaid_credit", "from": first, "to": last, "face": face, **more}
    return given | ({} if price is None else {"price": price})


def test_credits_burn_down_earliest_expiry_first_and_what_is_left_expires() -> None:
    # Written by hand: b expires first, so it is consumed first although a is older.
    book = parse([credit("a", "2026-01-01", "2026-01-10", "100"), credit("b", "2026-01-03", "2026-01-05", "50")])
    (pool,) = pools(book.commitments)
    demands = {date(2026, 1, day): D(amount) for day, amount in ((2, 30), (3, 20), (4, 10), (6, 90))}
    rows = [
        (row.code, row.day.day, row.opening, row.purchased, row.consumed, row.expired, row.closing)
        for row in burn_down(pool, demands, date(2026, 1, 31))
    ]
    assert rows == [
        ("a", 1, 0, 100, 0, 0, 100),
        ("a", 2, 100, 0, 30, 0, 70),
        ("b", 3, 0, 50, 20, 0, 30),
        ("b", 4, 30, 0, 10, 0, 20),
        ("b", 5, 20, 0, 0, 20, 0),
        ("a", 6, 70, 0, 70, 0, 0),  # 20 of 90 are not paid by credits
        ("a", 10, 0, 0, 0, 0, 0),
    ]


def test_a_credit_bought_below_its_face_value_is_worth_what_was_paid() -> None:
    (half,) = load(yaml.safe_dump([credit("a", "2026-01-01", "2027-01-01", "300", "100")]))
    # 100 / 3 cannot be written exactly: the parts still sum to the price.
    parts = [worth(half, D(before), D(100)) for before in (0, 100, 200)]
    assert parts == [D("33.333333333333"), D("33.333333333334"), D("33.333333333333")]
    assert sum(parts) == 100


DEMANDS = st.dictionaries(st.integers(0, 60), st.decimals("-5", "80", places=3), max_size=25)
CREDITS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 40), st.decimals("1", "300", places=2), st.decimals("0", "300", places=2)),
    min_size=1, max_size=4,
)  # fmt: skip


@given(CREDITS, DEMANDS)
def test_ar15_a_balance_is_what_was_there_and_bought_less_consumed_and_expired_and_never_negative(
    bought: Any, demanded: Any
) -> None:
    start = date(2024, 2, 1)

    def day(number: int) -> date:
        return start + timedelta(days=number)

    book = parse(
        [credit(f"c{n}", str(day(a)), str(day(a + b)), str(c), str(p)) for n, (a, b, c, p) in enumerate(bought)]
    )
    (pool,) = pools(book.commitments)
    demands = {day(number): amount for number, amount in demanded.items()}
    rows = burn_down(pool, demands, day(100))
    for one in pool:
        mine = [row for row in rows if row.code == one.code]
        balance = D(0)
        for row in mine:
            assert row.opening == balance
            assert min(row.consumed, row.expired, row.closing) >= 0
            balance = row.closing
        assert sum(row.consumed + row.expired for row in mine) == one.amount
        # AR12: what was consumed and what expired cost what was paid.
        costs, before = D(0), D(0)
        for row in mine:
            costs += worth(one, before, row.consumed)
            before += row.consumed
        assert costs + worth(one, before, one.amount - before) == one.price
    for at in {row.day for row in rows}:
        assert sum(row.consumed for row in rows if row.day == at) <= max(demands.get(at, D(0)), D(0))


def test_what_is_missing_of_a_commit_is_its_shortfall_and_nothing_where_it_is_spent() -> None:
    assert shortfall(D(1000), D(400)) == 600
    assert shortfall(D(1000), D(1001)) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{code: a, kind: lease}]", "a: kind is 'lease', must be one of provisioned_throughput"),
        ("[{code: a, kind: seats, price: '1', seats: 1}]", "a: from is missing"),
        ("[{code: a, kind: prepaid_credit, from: 2026-01-01, face: '1'}]", "a: to is missing"),
        (PTU.replace("2027", "2025"), "ptu: to must be after from"),
        (PTU.replace("  unit_price", "  price: '1'\n  unit_price"), "ptu: price or unit_price must be given"),
        (PTU.replace('"1500"', '"0"'), "ptu: capacity times units must be above 0"),
        (PTU.replace("reasoning", "thinking"), "ptu: weights.thinking is no token class or unit"),
        (PTU.replace("units:", "seats: 5\n  units:"), "ptu: unknown field 'seats'"),
        (PTU + "  zone: Mars/Base\n", "ptu: zone 'Mars/Base' is no time zone"),
        (PTU + "  terminated: 2027-01-01\n", "ptu: terminated must lie after from and before to"),
        (PTU + "  owner: FIN\n", "ptu: owner must be {cost_centre: CODE"),
        (PTU + "  currency: euro\n", "ptu: currency is wrong"),
        (PTU + "  step: day\n  per: hour\n", "ptu: per hour needs step: hour"),
        (PTU.replace("from: 2026-01-01", "from: 2026-01-01 10:00"), "ptu: from is an instant without an offset"),
        (PTU.replace("from: 2026-01-01", "from: 2026-01-01T10:00Z\n  step: day"), "ptu: from must be a date: a provis"),
        (SEATS.replace("5\n", "1\n"), "code-team: assigned 2 seats are assigned on 2026-02-01, but 1 are bought"),
        (SEATS.replace("bob", "ada"), "code-team: assigned ada has two seats on 2026-02-01"),
        (SEATS.replace("who: eve, ", ""), "code-team: assigned 3 needs who and cost_centre"),
        (SEATS.replace("from: 2026-02-15", "from: 2026-01-15"), "code-team: assigned 3: from and to must lie in order"),
        (SEATS + "  covers: everything\n", "code-team: covers must name dimensions"),
        (
            yaml.safe_dump([credit("a", "2026-01-01", "2027-01-01", "1", provider="openai"),
                            credit("b", "2026-06-01", "2027-06-01", "1", model="gpt-*")]),
            "b: may pay for some of the usage of a",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_the_entry_and_the_field(text: str, said: str) -> None:
    with pytest.raises(AgreementError, match=re.escape(said)):
        load(text)


def test_a_document_is_the_same_after_it_was_stored_as_json() -> None:
    import json

    text = PTU + SEATS.replace("from: 2026-02-01", "from: 2026-02-01") + "  covers: {source: [codex]}\n"
    document = yaml.safe_load(text)
    assert parse(json.loads(json.dumps(document, default=str))) == parse(document)
