"""Anomalies on a real ledger: found with their cause, kept once, gated by money, and moved by what people say."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import connection
from django.db.utils import IntegrityError

from allocation.derived import refresh
from allocation.models import AllocatedCost, Charge, CostDaily
from allocation.scope import EVERYTHING, scope_of
from allocation.selectors import CostQuery, costs
from finops.models import AuditEvent, User
from finops.money import total
from finops.periods import Period
from forecasting import anomalies, anomalies_gate
from forecasting import anomalies_selectors as selectors
from forecasting.anomalies_selectors import Asked
from forecasting.models import Anomaly, AnomalyDay, AnomalyFeedback
from ingest import price_approvals
from ingest.models import UsageKey
from ingest.prices import load_overrides
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.web.ledger import Usage, load, person

pytestmark = pytest.mark.usefixtures("ledger")
BEFORE = date(2026, 9, 20)
FIRST = date(2026, 7, 1)  # 81 days
DAYS = [FIRST + timedelta(days=number) for number in range((BEFORE - FIRST).days)]
SPIKED = date(2026, 9, 15)
LEAF = ("CC-100", "openai", "gpt-5", "simple")


def usual(day: date, owner: str = "CC-100", model: str = "gpt-5", times: int = 1, **changes: Any) -> Usage:
    """100 on a Monday, a tenth more each weekday after, of as many queries and ten times the tokens."""
    cost = 10 * (10 + day.weekday()) * times
    return Usage(str(cost), owner, model=model, day=day, **{"queries": cost, "tokens": cost * 10} | changes)


def spent(*spikes: date, times: int = 4, days: list[date] = DAYS) -> None:
    """Two cost centres of equal cost; CC-100 asks ``times`` as much on the days of spikes."""
    load(
        *(usual(day, times=times if day in spikes else 1) for day in days),
        *(usual(day, "CC-200", "o5") for day in days),
    )


def run(before: date = BEFORE) -> anomalies.Run:
    return anomalies.run(before=before)


def of(*key: str) -> Anomaly:
    return Anomaly.objects.get(key=list(key))


def test_a_spike_is_found_at_every_node_with_its_money_and_the_cause() -> None:
    spent(SPIKED)
    found = run()
    assert (found.found, found.new, found.nodes) == (4, 4, 1 + 2 + 2 + 2)
    whole, centre, leaf = of(), of("CC-100"), of(*LEAF)
    assert {row.level == list(anomalies.DIMENSIONS)[: len(row.key)] for row in (whole, centre, leaf)} == {True}
    tuesday = 110
    for row, actual in ((whole, tuesday * 5), (centre, tuesday * 4), (leaf, tuesday * 4)):
        assert (row.kind, row.first_day, row.last_day, row.state) == ("spike", SPIKED, SPIKED, "open")
        assert row.actual == actual
        assert row.impact == row.actual - row.expected == pytest.approx(tuesday * 3, rel=Decimal("0.02"))
        assert row.cause == "volume"
        assert Decimal(row.effects["volume"]) == tuesday * 3  # four times the queries, nothing else
        assert row.usual == row.actual - sum(map(Decimal, row.effects.values()))
    asked = CostQuery(Period.through(SPIKED, SPIKED), filters={"x_CostCentre": ("CC-100",)})
    assert total(costs(EVERYTHING, asked)["EffectiveCost"]) == centre.actual


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"tokens": 4_400}, "output_tokens"),
        ({"tokens": 4_400, "price_class": "output_reasoning"}, "reasoning_tokens"),
        ({"queries": 440, "tokens": 4_400}, "volume"),
        ({"tokens": 1_100}, "price"),
        ({"queries": 440, "tokens": 4_400, "feature": "agent"}, "keys"),
    ],
)
def test_the_cause_is_what_changed(changes: dict[str, Any], cause: str) -> None:
    usually = {"price_class": changes["price_class"]} if "price_class" in changes else {}
    load(*(usual(day, **usually) for day in DAYS if day != SPIKED))
    load(Usage("440", "CC-100", day=SPIKED, **{"queries": 110} | changes))
    run()
    assert of(*LEAF).cause == cause
    assert of(*LEAF).feature == changes.get("feature", "")


def test_days_around_it_are_kept_with_what_was_usual() -> None:
    spent(SPIKED)
    run()
    days = {row.day: row for row in AnomalyDay.objects.filter(anomaly=of("CC-100"))}
    assert sorted(days) == [SPIKED + timedelta(days=n) for n in range(-28, 5)]
    assert [day for day, row in days.items() if row.inside] == [SPIKED]
    assert days[SPIKED].high is not None
    assert days[SPIKED].high < days[SPIKED].actual == 440
    quiet = days[SPIKED - timedelta(days=7)]
    assert quiet.low is not None
    assert quiet.low <= quiet.actual == 110 <= (quiet.high or 0)


def test_the_same_data_leave_the_same_rows() -> None:
    spent(SPIKED)
    run()

    def rows() -> list[Any]:
        return [list(table.objects.order_by("pk").values()) for table in (Anomaly, AnomalyDay)]  # type: ignore[attr-defined]

    before, again = rows(), run()
    assert (again.new, again.closed) == (0, 0)
    assert rows() == before


def test_an_episode_that_grows_is_the_same_row() -> None:
    spent(SPIKED, SPIKED + timedelta(days=1), times=4)
    run(SPIKED + timedelta(days=1))
    first = of("CC-100")
    assert first.last_day == SPIKED
    run()
    grown = of("CC-100")
    assert (grown.pk, grown.first_day, grown.last_day) == (first.pk, SPIKED, SPIKED + timedelta(days=1))
    assert grown.actual == 4 * (110 + 120)
    assert Anomaly.objects.filter(key=["CC-100"]).count() == 1


def test_data_that_come_late_close_it_with_the_reason_and_may_bring_it_back() -> None:
    spent(SPIKED, times=0)  # CC-100 cost nothing that day
    run()
    row = of("CC-100")
    assert (row.kind, row.impact < 0) == ("drop", True)
    load(usual(SPIKED, feature="late"))
    assert run().closed == 4
    row.refresh_from_db()
    assert (row.state, row.why, row.told) == ("closed", "data that came later shows it no more", False)
    assert run().closed == 0
    late = list(UsageKey.objects.filter(feature="late").values_list("pk", flat=True))
    AllocatedCost.objects.filter(charge__usage_key_id__in=late).delete()
    Charge.objects.filter(usage_key_id__in=late).delete()
    CostDaily.objects.filter(feature="late").delete()
    run()
    row.refresh_from_db()
    assert (row.state, row.why) == ("open", "")


def test_what_is_older_than_what_is_judged_stands_and_is_closed() -> None:
    spent(SPIKED)
    run()
    later = [BEFORE + timedelta(days=number) for number in range(100)]
    load(*(usual(day) for day in later), *(usual(day, "CC-200", "o5") for day in later))
    run(later[-1])
    row = of("CC-100")
    assert (row.state, row.why) == ("closed", "nobody said what it is within 91 days")
    load(Usage("5000", "CC-100", day=SPIKED, feature="late"))
    run(later[-1])
    assert of("CC-100").actual == row.actual == 440


def test_an_episode_that_goes_on_after_what_is_judged_began_is_still_one_row() -> None:
    early = FIRST + timedelta(days=40)
    days = [FIRST + timedelta(days=number) for number in range(40 + anomalies.JUDGED + 3)]
    spent(early, early + timedelta(days=4), days=days)
    run(early + timedelta(days=2))
    run(days[-1] + timedelta(days=1))  # judged from the day after ``early`` on
    rows = Anomaly.objects.filter(key=["CC-100"])
    assert [(row.first_day, row.last_day) for row in rows] == [(early, early + timedelta(days=4))]


def test_a_price_step_is_no_anomaly_and_one_hidden_in_it_is(tmp_path: Path) -> None:
    priced(tmp_path, ("2026-01-01", "2026-09-12", "1"), ("2026-09-12", None, "3"))
    calls = [(day, "b", 1 + 3 * (day == SPIKED)) for day in DAYS]
    imported(tmp_path, calls)
    run()
    row = of()
    assert (row.first_day, row.last_day) == (SPIKED, SPIKED)
    assert row.actual == row.expected * 4 == pytest.approx(row.actual, rel=Decimal("0.05"))
    assert Anomaly.objects.filter(first_day__lt=SPIKED).count() == 0
    model = Anomaly.objects.get(level__len=3)
    assert model.changes == ["its list prices rose by 200.0% on 2026-09-12, which is expected"]


def priced(folder: Path, *rates: tuple[str, str | None, str]) -> None:
    entries = [
        {"provider": "openai", "model": "gpt-5", "valid_from": first, **({"valid_to": last} if last else {}),
         "prices": {"input": price, "output": price}}
        for first, last, price in rates
    ]  # fmt: skip
    (folder / "prices.yaml").write_text(yaml.safe_dump(entries))
    load_overrides(folder / "prices.yaml", actor="ann")
    for asked in price_approvals.pending():
        price_approvals.approve(asked["id"], by="bob")


def imported(folder: Path, calls: list[tuple[date, str, int]]) -> None:
    """So many calls of a day, of one size."""
    lines = [
        payload(f"{name}{day}{number}", model="gpt-5", model_group="gpt-5", at=f"{day}T13:00:00Z")
        for day, name, count in calls for number in range(count)
    ]  # fmt: skip
    ingest_file(Import(write_lines(folder / "calls.jsonl", lines), "litellm"))
    refresh()


def test_a_key_that_begins_is_new_and_not_a_spike_and_the_first_ones_are_neither() -> None:
    spent()
    began = SPIKED - timedelta(days=5)
    load(*(usual(day, "CC-300", "new") for day in DAYS if day >= began))
    run()
    row = of("CC-300")
    assert (row.kind, row.first_day, row.last_day) == ("new_key", began, began + timedelta(days=6))
    assert (row.expected, row.score, row.usual, row.cause) == (0, None, None, "")
    assert row.actual == sum(10 * (10 + (began + timedelta(days=n)).weekday()) for n in range(7))
    assert not Anomaly.objects.filter(key__0__in=["CC-100", "CC-200"]).exists()


def test_it_is_told_at_the_highest_node_one_sees_when_the_money_passes_the_gate() -> None:
    spent(SPIKED)
    run()
    gate = anomalies_gate.gate("USD")
    assert gate.least == Decimal("60.98")  # 25 / 0.41
    assert [(row.key, row.told, row.told_owner) for row in Anomaly.objects.order_by("pk")] == [
        ([], True, False), (["CC-100"], False, True), (["CC-100", "openai", "gpt-5"], False, False), (list(LEAF), False, False)
    ]  # fmt: skip
    olga = scope_of(person("olga", "owner", "CC-100"))
    other = scope_of(person("otto", "owner", "CC-200"))
    told = [row.key for row in selectors.listed(olga, Asked("USD", told=True))]
    assert told == [["CC-100"]]
    assert selectors.listed(other, Asked("USD")).count() == 0
    assert [row.key for row in selectors.below(EVERYTHING, of())] == [
        row.key for row in Anomaly.objects.order_by("pk")
    ][1:]
    seen = selectors.summary(EVERYTHING, Asked("USD"))
    assert (seen.open, seen.dearer, seen.cheaper, seen.below, seen.closed) == (1, of().impact, 0, 3, 0)


def test_what_is_cheap_is_kept_below_the_gate() -> None:
    load(*(usual(day, times=1, queries=1) if day != SPIKED else Usage("165", day=day) for day in DAYS))
    run()
    row = of()
    assert row.impact == pytest.approx(55, rel=Decimal("0.05"))
    assert (row.told, row.told_owner, row.state) == (False, False, "open")


def test_what_people_say_closes_it_moves_the_precision_and_the_gate_and_is_in_the_audit_trail() -> None:
    spent(SPIKED)
    run()
    ann = person("ann", "analyst")
    row = anomalies_gate.say(EVERYTHING, of().pk, "real", by=ann, note="the loop of team search")
    assert (row.state, row.told) == ("closed", True)
    gate = anomalies_gate.gate("USD")
    used = (1 + 10 * 0.41) / 11
    assert (gate.precision.share, gate.precision.judged) == (1.0, 1)
    assert gate.precision.used == pytest.approx(used)
    assert gate.least == pytest.approx(Decimal(25) / Decimal(used), abs=Decimal("0.01"))
    anomalies_gate.say(EVERYTHING, row.pk, "wrong", by=ann)  # the last word counts, and both are kept
    assert anomalies_gate.gate("USD").precision.share == 0
    assert anomalies_gate.gate("USD").least > 61
    assert AnomalyFeedback.objects.count() == 2
    said = AuditEvent.objects.filter(action="anomalies.feedback").earliest("pk")
    assert (said.actor, said.details["verdict"]) == ("ann", "real")
    run()
    row.refresh_from_db()
    assert row.state == "closed", "a night later too"


def test_many_wrong_ones_raise_the_gate_over_an_open_one() -> None:
    load(*(usual(day, times=1) if day != SPIKED else Usage("180", day=day) for day in DAYS))
    run()
    assert of().told, "70 is more than 60.98"
    ann = person("ann", "analyst")
    judged = [
        Anomaly.objects.create(
            currency="USD", level=["x_CostCentre"], key=[f"CC-{number}"], kind="spike", first_day=FIRST, last_day=FIRST,
            history=30, expected=0, actual=1, impact=1, unknown=0, changed_at="2026-09-20T00:00:00Z",
        )
        for number in range(4)
    ]  # fmt: skip
    for row in judged:
        anomalies_gate.say(EVERYTHING, row.pk, "wrong", by=ann)
    assert anomalies_gate.gate("USD").least == Decimal("85.37")  # 25 / (10 x 0.41 / 14)
    assert not of().told


def test_below_an_expected_one_nothing_is_told_in_its_stead() -> None:
    spent(SPIKED)
    run()
    anomalies_gate.say(EVERYTHING, of().pk, "expected", by=person("ann", "analyst"))
    run()
    assert selectors.listed(EVERYTHING, Asked("USD", state="open", told=True)).count() == 0


@pytest.mark.parametrize(
    ("role", "code", "told"), [("owner", "CC-100", ""), ("viewer", "CC-100", "needs the role"), ("auditor", "", "needs the role")]
)  # fmt: skip
def test_who_may_say_what_it_is(role: str, code: str, told: str) -> None:
    spent(SPIKED)
    run()
    user = person("vera", role, code)
    number = of("CC-100").pk
    if told:
        with pytest.raises(PermissionError, match=told):
            anomalies_gate.say(scope_of(user), number, "real", by=user)
    else:
        assert anomalies_gate.say(scope_of(user), number, "real", by=user).state == "closed"
    with pytest.raises(anomalies_gate.FeedbackError, match="expected one of: real, expected, wrong"):
        anomalies_gate.say(EVERYTHING, number, "maybe", by=person("ann", "analyst"))


def test_an_owner_does_not_say_it_of_another_cost_centre_nor_of_the_whole() -> None:
    spent(SPIKED)
    run()
    otto: User = person("otto", "owner", "CC-200")
    for key in ((), ("CC-100",)):
        with pytest.raises(Anomaly.DoesNotExist):
            anomalies_gate.say(scope_of(otto), of(*key).pk, "real", by=otto)
    assert AnomalyFeedback.objects.count() == 0


def test_what_was_said_is_never_changed() -> None:
    spent(SPIKED)
    run()
    anomalies_gate.say(EVERYTHING, of().pk, "real", by=person("ann", "analyst"))
    with pytest.raises(IntegrityError, match="what people said is never changed"):
        AnomalyFeedback.objects.update(verdict="wrong")
    with pytest.raises(IntegrityError, match="is never changed"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM forecasting_anomalyfeedback")


def test_an_empty_ledger_is_refused_with_the_reason() -> None:
    with pytest.raises(anomalies.AnomalyError, match="nothing was spent in USD before today"):
        run()


def _thin() -> None:
    load(*(usual(day) for day in DAYS[-5:]))


def _gappy() -> None:
    spent(days=[day for day in DAYS if day.day % 3])


def _zero() -> None:
    load(*(Usage("0", day=day) for day in DAYS))


def _negative() -> None:
    spent()
    load(Usage("-5000", "CC-100", feature="correction", day=SPIKED))


def _unpriced() -> None:
    spent()
    load(*(Usage(None, "CC-100", feature="untold", tokens=10**6, day=day) for day in DAYS[40:]))


def _back() -> None:
    load(*(usual(day) for day in (*DAYS[:20], *DAYS[70:])))
    load(*(usual(day, "CC-200", "o5") for day in DAYS))


def _huge() -> None:
    load(*(Usage("0.000000000001", day=day) for day in DAYS[:-3]), Usage("900000000000", day=DAYS[-2]))


@pytest.mark.parametrize("history", [_thin, _gappy, _zero, _negative, _unpriced, _back, _huge])
def test_any_history_is_judged_or_left_alone_but_never_crashes(history: Callable[[], None]) -> None:
    history()
    found = run()
    for row in Anomaly.objects.all():
        assert row.impact == row.actual - row.expected
        assert row.score is None or not row.score.is_nan()
    if history in (_thin, _gappy, _zero):
        assert found.found == 0, "five days, gaps and nothing are no anomaly"
    if history is _negative:
        assert found.found == 0, "a correction is not known cost, and no drop"
    if history is _back:
        assert (of("CC-100").kind, of("CC-100").first_day) == ("spike", DAYS[70])
    if history is _huge:
        assert of().score is None, "too far off for a number of scales"
    assert run().new == 0


def test_unpriced_days_of_one_series_are_no_drop_of_what_it_is_part_of() -> None:
    _unpriced()
    run()
    assert not Anomaly.objects.filter(kind__in=["drop", "level_down"]).exists()
