"""Changes of prices: which pass, which are reported, which wait for a person; and timelines that never overlap."""

import csv
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.calc.price_changes import HELD, PASSED, REPORTED, changes, counts, guarded, judge
from ingest.calc.price_timelines import check_no_overlaps, end_of, laid_over, with_catalogue, without
from ingest.calc.prices import ALWAYS, PriceError
from tests.ingest.calc.pricing import ROOT

START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number):
    return START + timedelta(days=number)


def price(rate, since=0, until=None, **fields):
    return {
        "book": "snapshot", "provider": "openai", "model": "m", "price_class": "input_uncached", "mode": "sync",
        "service_tier": "", "region": "", "variant": "", "context_over": 0, "reprices_whole": True, "window_start": None,
        "window_end": None, "valid_from": day(since), "valid_to": None if until is None else day(until), "currency": "USD",
        "rate": Decimal(rate), "per": 1_000_000, "source": "", "note": "",
    } | fields  # fmt: skip


def spans(rows):
    return [(row["rate"], row["valid_from"], row["valid_to"]) for row in rows]


@pytest.mark.parametrize(
    ("old", "new", "state"),
    [
        ("1", "1", PASSED), ("1", "1.999", PASSED), ("1", "0.501", PASSED), ("1", "2", REPORTED), ("1", "0.5", REPORTED),
        ("1", "2.999999", REPORTED), ("0.1", "0.3", HELD), ("3", "1", HELD), ("10", "2", HELD), ("0", "1", HELD),
        ("1", "0", HELD), ("0", "0", PASSED),
    ],
)  # fmt: skip
def test_three_times_waits_two_times_is_reported(old, new, state):
    assert judge(price(old), price(new)).state == state


@pytest.mark.parametrize(
    ("old", "new", "fields", "slip"),
    [
        ("1.63", "0.163", {}, "x10: a decimal place"),
        ("0.0375", "0.38", {}, "x10: a decimal place"),  # within rounding
        ("1.25", "0.00125", {}, "x1,000: per 1k for per 1M tokens, or per token for per 1k"),
        ("0.00000125", "1.25", {}, "x1,000,000: per token for per 1M tokens"),
        ("0.006", "0.36", {"price_class": "audio_second", "per": 1}, "x60: per minute for per second"),
        ("3.6", "0.001", {"price_class": "gpu_hour", "per": 1}, "x3,600: per hour for per second"),
        ("1", "5", {}, ""),
        ("1", "11", {}, ""),
    ],
)
def test_a_slip_of_units_is_named(old, new, fields, slip):
    verdict = judge(price(old, **fields), price(new, **fields))
    assert verdict.state == HELD
    assert ("slip of units" in verdict.reason) == bool(slip)
    assert slip in verdict.reason


def test_prices_per_another_unit_are_compared_per_one():
    assert judge(price("1"), price("0.001", per=1_000)).state == PASSED


def test_another_currency_is_a_persons_business():
    assert judge(price("1"), price("1", currency="EUR")) == (HELD, None, "from USD to EUR")


def test_a_band_that_changes_its_kind_is_reported():
    verdict = judge(price("1", context_over=9), price("1", context_over=9, reprices_whole=False))
    assert verdict == (REPORTED, 1, "the band now prices only the excess")


def recorded():
    with (ROOT / "tests" / "samples" / "prices" / "llm_price_changes.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_of_189_recorded_changes_every_one_of_3x_or_more_is_held_and_every_one_below_2x_passes():
    found = {HELD: set(), REPORTED: set(), PASSED: set()}
    factors = {}
    for number, row in enumerate(recorded()):
        pairs = [[Decimal(row[f"{side}_{age}"]) for age in ("old", "new")] for side in ("input", "output")]
        states = [judge(price(old), price(new)).state for old, new in pairs]
        found[max(states, key=[PASSED, REPORTED, HELD].index)].add(number)
        ratios = [1 if a == b else max(a / b, b / a) if a and b else Decimal("inf") for a, b in pairs]
        factors[number] = max(ratios)
    assert len(factors) == 189
    assert found[HELD] == {n for n, factor in factors.items() if factor >= 3}
    assert found[PASSED] == {n for n, factor in factors.items() if factor < 2}
    # 105 are 3x or more as floats; 0.1 -> 0.3 is 3x exactly and 2.9999999999999996x as a float.
    assert (len(found[HELD]), len(found[REPORTED]), len(found[PASSED])) == (106, 24, 59)


def test_held_prices_keep_the_former_one_and_the_others_change():
    live = [price("1"), price("4", price_class="output_visible")]
    new = [price("5", 10), price("1", 0, 10), price("5", price_class="output_visible")]
    rows, found = guarded(live, new)
    assert spans(row for row in rows if row["price_class"] == "input_uncached") == [(1, day(0), None)]
    assert spans(row for row in rows if row["price_class"] == "output_visible") == [(5, day(0), None)]
    (held,) = [change for change in found if change.verdict.state == HELD]
    assert (held.row["rate"], held.since, held.former["rate"]) == (5, day(10), 1)
    assert counts(found) == {"added": 0, "removed": 0, "changed": 2, "reported": 0, "held": 1}


def test_a_price_that_comes_back_after_a_gap_is_compared_with_the_last_one():
    rows, (change,) = guarded([price("1", 0, 10)], [price("1", 0, 10), price("9", 20)])
    assert (change.kind, change.verdict.state) == ("added", HELD)
    assert spans(rows) == [(1, day(0), day(10)), (1, day(20), None)]


def test_a_price_that_ends_is_told_as_removed():
    (change,) = changes([price("1")], [price("1", 0, 5)])
    assert (change.kind, change.since) == ("removed", day(5))


def test_catalogues_hold_until_the_next_in_whatever_order_they_arrive():
    days = {day(0): [price("1")], day(10): [price("1")], day(20): [price("2")], day(30): []}
    for order in ([0, 10, 20, 30], [30, 20, 10, 0], [10, 30, 0, 20]):
        rows, known = [], []
        for number in order:
            known.append(day(number))
            rows = with_catalogue(rows, days[day(number)], day(number), known)
        assert spans(sorted(rows, key=lambda row: row["valid_from"])) == [(1, day(0), day(20)), (2, day(20), day(30))]


SPANS = st.tuples(
    st.integers(0, 60), st.integers(1, 30) | st.none(), st.sampled_from(["1", "2", "2.5", "4", "10", "0"])
)
ROWS = st.lists(SPANS, max_size=6).map(
    lambda found: laid_over(
        [], [price(rate, since, None if size is None else since + size) for since, size, rate in found]
    )
)


def at(rows, number):
    return next((row["rate"] for row in rows if row["valid_from"] <= day(number) < end_of(row)), None)


@given(ROWS, ROWS)
def test_what_is_laid_over_wins_and_nothing_overlaps(rows, over):
    found = laid_over(rows, over)
    check_no_overlaps(found)
    for number in range(100):
        above = at(over, number)
        assert at(found, number) == (at(rows, number) if above is None else above)


@given(ROWS, ROWS)
def test_the_guard_changes_nothing_but_what_it_holds(live, new):
    rows, found = guarded(live, new)
    check_no_overlaps(rows)
    held = [change for change in found if change.verdict.state == HELD]
    for number in range(100):
        change = next((c for c in held if c.since <= day(number) < c.until), None)
        assert at(rows, number) == (at(new, number) if change is None else change.former["rate"])
    again, more = guarded(rows, new)  # loading the same again holds the same
    assert (spans(again), [c[3:] for c in more if c.verdict.state == HELD]) == (spans(rows), [c[3:] for c in held])


@given(ROWS, st.integers(0, 60), st.integers(1, 40))
def test_a_span_cut_out_leaves_the_rest(rows, since, size):
    found = without(rows, day(since), day(since + size))
    for number in range(100):
        assert at(found, number) == (None if since <= number < since + size else at(rows, number))


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        (("08:00", "12:00"), ("11:59", "13:00"), True), (("08:00", "12:00"), ("12:00", "13:00"), False),
        (("22:00", "02:00"), ("01:00", "03:00"), True), (("22:00", "02:00"), ("02:00", "22:00"), False),
        (("08:00", "12:00"), None, False), (None, None, True),
    ],
)  # fmt: skip
def test_windows_of_the_day_that_overlap_are_refused(first, second, clash):
    rows = []
    for window in (first, second):
        start, end = (None, None) if window is None else map(time.fromisoformat, window)
        rows.append(price("1", window_start=start, window_end=end, valid_from=ALWAYS))
    if not clash:
        check_no_overlaps(rows)
        return
    with pytest.raises(PriceError, match="openai m input_uncached overlaps"):
        check_no_overlaps(rows)
