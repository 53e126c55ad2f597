"""The watch on a real ledger: hours that add up, budgets as they stand, caps counted exactly, alerts told once."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from allocation.models import CostDaily
from allocation.scope import EVERYTHING, Scope
from finops.models import AuditEvent
from finops.periods import Period
from forecasting import (
    selectors,
    watch,
    watch_alerts,
    watch_budgets,
    watch_caps,
    watch_hours,
    watch_policies,
    watch_queries,
    watch_series,
    watch_states,
)
from forecasting.models import Alert, AlertNotice, SpendDay, SpendHour
from forecasting.watch_alerts import AlertProblem
from forecasting.watch_states import State
from tests.forecasting.watched import NOW, budgeted, call, days, forecast, owned, steady, taken
from tests.web.ledger import Usage, centre, load

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
TODAY = NOW.date()


def states(now: datetime = NOW) -> dict[str, State]:
    runs = watch_budgets.running(now.date(), since=now.date() - timedelta(days=watch_hours.WINDOW))
    return {one.running.subject.label: one for one in watch_states.states(runs, watch_policies.in_force(), now)}


def alerts() -> dict[str, Alert]:
    return {row.label: row for row in Alert.objects.filter(ended_at=None)}


def test_hours_lie_where_calls_lay_and_add_up_to_the_days_cost_to_the_last_digit(tmp_path: Path) -> None:
    owned()
    hour = datetime(2026, 9, 18, 7, 30, tzinfo=UTC)
    taken(tmp_path, [call(hour, "0.25"), call(hour + timedelta(hours=2), "0.75"), call(hour, "3", "chat")])
    load(Usage("10", "CC-100", day=date(2026, 9, 18)))  # known by day alone: it has no calls
    watch_hours.refresh(NOW)
    rows = SpendHour.objects.order_by("hour", "cost_centre__code").values_list(
        "hour__hour", "cost_centre__code", "cost"
    )
    assert list(rows) == [
        (7, "CC-100", D("0.25")),
        (7, "CC-200", D(3)),
        (9, "CC-100", D("0.75")),
        (None, "CC-100", D(10)),
    ]
    of_day = CostDaily.objects.values_list("cost_centre__code").annotate(n=Sum("effective_cost"))
    assert dict(SpendHour.objects.values_list("cost_centre__code").annotate(n=Sum("cost"))) == dict(of_day)


def test_a_day_whose_cost_stands_is_not_read_again_and_one_that_moved_is_scanned_once(tmp_path: Path) -> None:
    owned()
    hour = datetime(2026, 9, 18, 7, 30, tzinfo=UTC)
    taken(tmp_path, [call(hour - timedelta(days=n), "1") for n in range(3)])
    assert watch_hours.refresh(NOW) == (3, 0)
    with CaptureQueriesContext(
        connection,
    ) as caught:
        assert watch_hours.refresh(NOW) == (0, 0)
    assert not [each for each in caught.captured_queries if "usage_event" in each["sql"]]
    taken(tmp_path, [call(hour, "5", number=n) for n in range(40)])
    with CaptureQueriesContext(connection) as caught:
        assert watch_hours.refresh(NOW) == (1, 0)
    assert len([each for each in caught.captured_queries if "usage_event" in each["sql"]]) == 1


def test_a_budget_is_what_the_page_says_and_unpriced_usage_counts_at_its_proxy_price() -> None:
    centre("CC-100")
    budgeted(("CC-100", "300"), ("CC-200", "50")) if centre("CC-200") else None
    budgeted(("CC-100", "30"), name="More")
    load(Usage("100", "CC-100", day=date(2026, 9, 3)), Usage(None, "CC-100", day=date(2026, 9, 4), estimate="7"),
         Usage("11", "CC-100", day=TODAY), Usage("5", None, day=date(2026, 9, 3)))  # fmt: skip
    found = states()
    assert {name: one.running.amount for name, one in found.items()} == {
        "The whole": D(380), "CC-100": D(330), "CC-200": D(50),
    }  # fmt: skip
    page = {row.code or "The whole": row for row in selectors.against_actual(EVERYTHING, Period.month("2026-09"))}
    assert {name: one.actual for name, one in found.items()} == {name: page[name].actual for name in found}
    one = found["CC-100"]
    assert (one.actual, one.unpriced) == (D(111), D(7))
    assert (one.standing.counted, one.standing.left) == (D(118), D(212))
    assert one.standing.close is None
    assert one.standing.reason == "there is no forecast in USD yet"
    assert one.verdict == "allow"


def test_at_close_has_the_months_own_quantiles_and_the_probability_of_a_breach() -> None:
    centre("CC-100")
    budgeted(("CC-100", "225"))
    load(*(Usage("5", "CC-100", day=day) for day in days(date(2026, 9, 1), date(2026, 9, 19))))  # 95
    forecast("CC-100", "11", spread="1", actual="95")  # 95 + 11 days of 11 = 216, percentile n: 216 + n - 50
    one = states()["CC-100"]
    close = one.standing.close
    assert close is not None
    assert close.middle == D(216)
    assert (close.low, close.high) == (D(176), D(256))
    assert round(close.probability or 0, 9) == round(D(40) / 99, 9)  # above 225: percentiles 60 to 99
    assert (one.standing.state, one.verdict) == ("ok", "allow")
    load(
        Usage("90", "CC-100", day=date(2026, 9, 19), feature="a")
    )  # the rest of the month is as it was forecast: 185 + 121 = 306
    one = states()["CC-100"]
    assert one.standing.close is not None
    assert one.standing.close.probability == 1
    assert (one.standing.state, one.verdict) == ("breach_likely", "warn")
    assert one.breach_on == date(2026, 9, 23)  # 185 + 3 x 11 = 218, + 4 x 11 = 229
    load(Usage("60", "CC-100", day=TODAY))
    assert states()["CC-100"].verdict == "stop"


def test_how_many_queries_it_takes_depends_on_neither_budgets_nor_events_and_no_event_is_read(tmp_path: Path) -> None:
    owned()
    budgeted(("CC-100", "1000"))
    forecast("CC-100", "10")
    taken(tmp_path, steady(days(date(2026, 9, 18), date(2026, 9, 19)), "0.5"))
    watch_hours.refresh(NOW)
    counts = []
    for more in ((), ("CC-200", "CC-300", "CC-400")):
        for code in more:
            centre(code)
            forecast(code, "3")
        if more:
            budgeted(*((code, "70") for code in more), name="others")
            taken(tmp_path, steady(days(date(2026, 9, 19), date(2026, 9, 19)), "0.25", "chat"))
        with CaptureQueriesContext(connection) as caught:
            assert len(states()) == 2 + len(more)
        assert not [each for each in caught.captured_queries if "usage_event" in each["sql"]]
        counts.append(len(caught))
    assert counts[0] == counts[1] <= 20


def looped(folder: Path) -> datetime:
    """Two weeks of $1 an hour, then a loop of $30 an hour from six o'clock on; ends at noon."""
    owned()
    budgeted(("CC-100", "720"))
    taken(folder, steady(days(date(2026, 9, 6), date(2026, 9, 19)), "1"))
    at = datetime(2026, 9, 20, 0, 30, tzinfo=UTC)
    taken(folder, [call(at + timedelta(hours=n), "30" if n >= 6 else "1") for n in range(12)])
    return NOW


def test_a_loop_is_told_once_and_answered_and_told_again_only_as_it_grows(tmp_path: Path) -> None:
    now = looped(tmp_path)
    assert watch.run(now) is not None
    one = alerts()["CC-100"]
    assert one.severity == "page"
    assert "fast" in one.rules
    assert one.money > 100
    burn = AlertNotice.objects.filter(alert=one)
    assert [notice.kind for notice in burn.all()] == ["opened"]
    again = watch.run(now)
    assert again is not None
    assert again.told == 0
    watch.run(now + timedelta(minutes=61))  # nobody has answered for an hour: the next level is told
    assert [(notice.kind, notice.level) for notice in burn.order_by("pk")] == [("opened", 1), ("unanswered", 2)]
    watch_alerts.acknowledge(EVERYTHING, one.pk, by="ann", now=now + timedelta(minutes=62), note="looking")
    watch.run(now + timedelta(hours=3))
    assert burn.all().count() == 2
    one.refresh_from_db()
    assert (one.acknowledged_by, one.acknowledged_note) == ("ann", "looking")
    told = AuditEvent.objects.filter(action__startswith="alert.", subject=one.subject)
    assert list(told.order_by("pk").values_list("action", "actor")) == [
        ("alert.opened", "system"), ("alert.unanswered", "system"), ("alert.acknowledge", "ann"),
    ]  # fmt: skip


def test_an_alert_ends_after_a_day_of_quiet_and_that_is_told(tmp_path: Path) -> None:
    watch.run(looped(tmp_path))
    one = alerts()["CC-100"]
    taken(tmp_path, steady(days(date(2026, 9, 21), date(2026, 9, 26)), "1"))
    for day in range(21, 28):
        watch.run(datetime(2026, 9, day, 23, 59, tzinfo=UTC))
    one.refresh_from_db()
    assert one.ended_at is not None
    assert AlertNotice.objects.filter(alert=one).order_by("pk").last().kind == "ended"  # type: ignore[union-attr]
    with pytest.raises(AlertProblem, match="nothing to acknowledge"):
        watch_alerts.acknowledge(EVERYTHING, one.pk, by="ann", now=NOW)


def test_a_silence_holds_notices_back_and_what_is_still_so_is_told_when_it_ends(tmp_path: Path) -> None:
    now = looped(tmp_path)
    watch.run(now - timedelta(hours=5))
    subject = Alert.objects.get(label="CC-100").subject
    AlertNotice.objects.all().delete()
    Alert.objects.all().delete()
    with pytest.raises(AlertProblem, match="no alert"):
        watch_alerts.silence(EVERYTHING, subject, ends=now + timedelta(hours=2), by="ann", now=now, reason="test")
    every: dict[str, Any] = {"ends": now + timedelta(hours=2), "by": "ann", "now": now - timedelta(hours=1)}
    with pytest.raises(AlertProblem, match="say why"):
        watch_alerts.silence(EVERYTHING, "*", reason=" ", **every)
    with pytest.raises(AlertProblem, match="only who sees everything"):
        watch_alerts.silence(Scope(), "*", reason="mine", **every)
    held = watch_alerts.silence(EVERYTHING, "*", reason="a planned load test", **every)
    passed = watch.run(now)
    assert passed is not None
    assert (passed.told, alerts()["CC-100"].told_at) == (0, None)
    watch_alerts.end_silence(EVERYTHING, held.pk, by="ann", now=now + timedelta(minutes=1))
    later = watch.run(now + timedelta(minutes=2))
    assert later is not None
    assert later.told == later.open > 0


def test_thresholds_are_told_once_a_period_and_never_again() -> None:
    centre("CC-100")
    budgeted(("CC-100", "100"))
    load(Usage("55", "CC-100", day=date(2026, 9, 3)))
    watch.run(NOW)
    subjects = set(Alert.objects.values_list("subject", flat=True))
    assert "budget:CC-100:USD:2026-09:0.5" in subjects
    for day in range(1, 9):
        watch.run(NOW + timedelta(days=day))
    half = AlertNotice.objects.filter(alert__subject="budget:CC-100:USD:2026-09:0.5")
    assert [notice.kind for notice in half] == ["opened"]
    load(Usage("30", "CC-100", day=date(2026, 9, 28)))
    watch.run(NOW + timedelta(days=9))
    assert "budget:CC-100:USD:2026-09:0.8" in set(Alert.objects.values_list("subject", flat=True))


def test_planted_breaches_of_a_cap_are_counted_exactly_with_the_money_above_it(tmp_path: Path) -> None:
    owned()
    at = datetime(2026, 9, 19, 9, 0, tzinfo=UTC)
    costs = ["0.05", "0.1", "0.1", "0.10001", "0.105", "0.111", "0.5", "2"]  # 0.1 to 0.112 are one bin
    taken(tmp_path, [call(at + timedelta(minutes=n), cost, number=n) for n, cost in enumerate(costs)])
    taken(tmp_path, [call(at, "9", "chat")])
    cap = watch.create_cap(EVERYTHING, by="ann", most="0.1", cost_centre="CC-100")
    watch_caps.refresh(TODAY)
    (held,) = watch_caps.held(EVERYTHING, Period.month("2026-09"))
    above = D("0.00001") + D("0.005") + D("0.011") + D("0.4") + D("1.9")
    assert (held.found.queries, held.found.low, held.found.high) == (8, 5, 5)
    assert held.found.above_low == held.found.above_high == above
    watch.run(NOW)
    one = alerts()["CC-100: at most 0.1"]
    assert (one.kind, one.subject, one.severity, one.money) == ("cap", cap.subject, "ticket", above)
    assert one.why == "CC-100: 5 of 8 queries cost more than 0.1: 2.32 above it, on 2026-09-19"
    tighter = watch.create_cap(EVERYTHING, by="ann", most="0.104", feature="")
    watch_caps.refresh(TODAY)
    found = {each.cap.pk: each.found for each in watch_caps.held(EVERYTHING, Period.month("2026-09"))}
    assert (found[tighter.pk].low, found[tighter.pk].high) == (5, 5)  # 0.105, 0.111, 0.5, 2 and chat's 9


def test_a_cap_of_a_use_case_counts_the_queries_that_bins_do_not_tell_apart(tmp_path: Path) -> None:
    owned()
    at = datetime(2026, 9, 19, 9, 0, tzinfo=UTC)
    taken(tmp_path, [call(at, "0.2", number=1), call(at, "0.4", number=2, key="key-b")])
    found = watch_queries.queries_of(date(2026, 9, 19), None)
    assert sorted((one.each, one.centre, one.tier != "") for one in found) == [
        (D("0.2"), "CC-100", True),
        (D("0.4"), "CC-100", True),
    ]
    cap = watch.create_cap(EVERYTHING, by="ann", most="0.3", feature="nothing of the kind")
    watch_caps.refresh(TODAY)
    (held,) = watch_caps.held(EVERYTHING, Period.month("2026-09"))
    assert (held.cap, held.found.queries, held.newest) == (cap, 0, None)


def test_a_trace_is_one_query_and_what_it_goes_on_to_the_next_day_counts_to_it(tmp_path: Path) -> None:
    owned()
    at = datetime(2026, 9, 18, 23, 50, tzinfo=UTC)
    taken(
        tmp_path,
        [call(at, "0.06", trace="t"), call(at + timedelta(minutes=20), "0.05", trace="t"), call(at, "0.1", number=1)],
    )
    watch.create_cap(EVERYTHING, by="ann", most="0.1")
    watch_caps.refresh(TODAY)
    (held,) = watch_caps.held(EVERYTHING, Period.month("2026-09"))
    assert (held.found.queries, held.found.low, held.found.high, held.found.above_low) == (2, 1, 1, D("0.01"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"most": "0"}, "most: an amount above 0"), ({"most": "NaN"}, "most:"), ({"most": "x"}, "not 'x'"),
        ({"most": "1e99"}, "most:"), ({"most": "1", "severity": "loud"}, "severity: one of"),
        ({"most": "1", "tier": "huge"}, "tier: one of"), ({"most": "1", "cost_centre": "CC-9"}, "there is no 'CC-9'"),
    ],
)  # fmt: skip
def test_what_is_no_cap_is_named(given: dict[str, str], told: str) -> None:
    with pytest.raises(AlertProblem, match=told):
        watch.create_cap(EVERYTHING, by="ann", **given)


def test_a_tier_whose_queries_became_dearer_than_its_band_is_told(tmp_path: Path) -> None:
    owned()
    calls = [call(datetime(2026, 9, 18, 9, n % 60, n // 60, tzinfo=UTC), "0.005", number=n) for n in range(40)]
    calls += [call(datetime(2026, 9, 19, 9, n % 60, n // 60, tzinfo=UTC), "0.02", number=n) for n in range(40)]
    taken(tmp_path, calls)
    seen = watch_caps.bands(EVERYTHING, Period.month("2026-09"), watch_policies.in_force(), TODAY)
    (moderate,) = [one for one in seen if one.bands]
    assert [(band.low, band.queries, band.cost) for band in moderate.bands or ()] == [
        (None, 40, D("0.2")), (D("0.01"), 40, D("0.8")), (D("0.10"), 0, 0),
    ]  # fmt: skip
    watch.run(NOW)
    one = Alert.objects.get(kind="band")
    assert one.money == D("0.8") - 40 * D("0.01")
    assert one.why == f"a query of {moderate.name} cost 0.0200 on 2026-09-19, above 0.01: 40 queries"


def test_what_states_only_days_is_spread_over_them_and_leaves_the_running_day_unknown() -> None:
    import numpy as np

    centre("CC-100")
    budgeted(("CC-100", "720"))
    load(*(Usage("24", "CC-100", day=day) for day in days(date(2026, 9, 10), TODAY)))
    watch_hours.refresh(NOW)
    assert SpendDay.objects.count() == 11
    seen = watch_series.window(NOW)
    assert seen is not None
    assert seen.end == datetime(2026, 9, 20, tzinfo=UTC)  # nothing tells an hour of today
    runs = watch_budgets.running(TODAY)
    held = watch_series.watched_of(runs, seen, watch_policies.in_force())
    for one in runs:
        assert np.allclose(held[one.subject].spend, 1)
    assert states()["CC-100"].rates == {1: 1.0, 6: 1.0, 24: 1.0, 72: 1.0}
