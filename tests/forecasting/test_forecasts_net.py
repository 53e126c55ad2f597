"""Histories that are hard, through the service and on a real ledger: what is given away, thin, empty, gappy, zero, corrected."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from allocation.scope import EVERYTHING
from finops.models import User
from forecasting import advice, backtests, forecasts, watch_policies, watch_selectors
from forecasting import forecast_selectors as selectors
from forecasting.calc import watch
from forecasting.models import Forecast, ForecastSeries
from tests.forecasting.watched import budgeted
from tests.web.ledger import Usage, bearer, centre, load, person

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
BEFORE = date(2026, 9, 20)
DAYS = [BEFORE - timedelta(days=number) for number in range(142, 0, -1)]  # from the first of May on
NOON = datetime(2026, 9, 20, 12, tzinfo=UTC)


def around(amount: int, dice: Random) -> str:
    return f"{D(amount) * dice.randint(95, 105) / 100:f}"


def shared_out() -> None:
    """The platform costs about 100 a day and gives 40 of it to the search, as splits do: from another kind of its cost."""
    dice, rows = Random(3), []
    for day in DAYS:
        part = around(40, dice)
        rows += [
            Usage(around(100, dice), "CC-390", day=day, tier="complex"),
            Usage(f"-{part}", "CC-390", day=day, model="shared-model"),
            Usage(part, "CC-210", day=day, model="shared-model"),
        ]
    load(*rows)


def made(**given: Any) -> Forecast:
    return forecasts.make(by="ann", before=BEFORE, **{"horizon": 28} | given)


def of(found: Forecast, *key: str) -> ForecastSeries:
    return found.series.get(level=["x_CostCentre"] if key else [], key=list(key))


def test_a_cost_centre_that_gives_two_fifths_away_is_forecast_at_its_net_and_raises_no_alarm() -> None:
    """60 a day are 1,800 in September, within its budget of 2,000; what it spends before the split, 3,000, would be over it."""
    shared_out()
    budgeted(("CC-390", "2000"), ("CC-210", "1500"))
    found = made()
    platform, search = of(found, "CC-390"), of(found, "CC-210")
    assert (platform.method, platform.refusal) == ("sum of its series", "")
    (september, *_) = selectors.months(found, [platform])[platform.pk]
    assert float(september.row.point) == pytest.approx(1_800, rel=0.03)
    assert september.over == 0
    assert float(search.months.get(month=date(2026, 9, 1)).point) == pytest.approx(1_200, rel=0.03)
    whole = of(found).months.get(month=date(2026, 9, 1))
    assert float(whole.point) == pytest.approx(3_000, rel=0.03), "the split moves cost, and makes none"
    state = next(one for one in watch_selectors.states(EVERYTHING, NOON) if one.running.subject.code == "CC-390")
    assert state.standing.close is not None
    assert float(state.standing.close.middle) == pytest.approx(float(september.row.point), rel=0.001)
    assert (state.standing.close.probability, state.standing.state) == (0, "watch")  # half of it is spent: no breach
    assert [one.rule for one in watch.signals("b", "2026-09", state.standing, watch_policies.in_force(), ())] == [
        "threshold"
    ]
    assert any("they recur, so its net is forecast" in note for note in found.notes)


def test_watch_page_and_advisor_tell_one_median_of_the_same_futures() -> None:
    shared_out()
    budgeted(("CC-390", "2000"))
    found = made()
    platform = of(found, "CC-390")
    month = platform.months.get(month=date(2026, 9, 1))
    state = next(one for one in watch_selectors.states(EVERYTHING, NOON) if one.running.subject.code == "CC-390")
    assert state.standing.close is not None
    assert float(state.standing.close.middle) == pytest.approx(float(month.point), abs=1e-6)
    said = advice.advise(advice.asked({"kind": "spend", "discount": "0.1", "x_CostCentre": "CC-390", "days": 11}))
    assert float(said.demand[50]) == pytest.approx(float(month.point - month.actual), abs=1e-6)


def test_where_no_interval_is_stated_watch_and_advisor_say_so_and_give_no_odds() -> None:
    load(*(Usage("100", "CC-100", day=day) for day in DAYS[-63:]))
    budgeted(("CC-100", "3100"))
    found = made()
    row = of(found, "CC-100")
    ((month, *_),) = selectors.months(found, [row]).values()
    assert (month.low_80, month.high_80, month.over) == (None, None, None)
    assert float(month.row.point) == pytest.approx(3_000, rel=0.01)
    state = next(one for one in watch_selectors.states(EVERYTHING, NOON) if one.running.subject.code == "CC-100")
    assert (state.standing.close, state.standing.state) == (None, "watch")  # 1,900 of 3,100 are spent: more than half
    assert state.standing.reason.startswith("fewer than 4 past forecasts as long as this one are known")
    with pytest.raises(
        selectors.NoForecast, match=r"The forecast of CC-100 cannot weigh an offer: fewer than 4 past forecasts"
    ):
        advice.advise(advice.asked({"kind": "spend", "discount": "0.1", "x_CostCentre": "CC-100"}))


HARD = ("CC-THIN", "CC-GAPS", "CC-ZERO", "CC-FIX", "CC-SAME", "CC-ENDED", "CC-BACK", "CC-NEW")


def hard() -> None:
    """Ten days that nobody recorded; and of one cost centre each: three days, days without a price, nothing at all, one
    correction of -500, the same every day, an end three weeks ago, credits alone, a launch of ten days."""
    dice, rows = Random(5), []
    for number, day in enumerate(DAYS):
        ago = len(DAYS) - number
        if 60 < ago <= 70:
            continue
        rows += [
            Usage(around(80, dice), "CC-OK", day=day),
            Usage(None if ago % 9 == 0 else around(50, dice), "CC-GAPS", day=day, estimate="50"),
            Usage("0", "CC-ZERO", day=day), Usage("7", "CC-SAME", day=day),
            Usage("-500" if ago == 33 else around(20, dice), "CC-FIX", day=day), Usage("-3", "CC-BACK", day=day),
        ]  # fmt: skip
        rows += [Usage("9", "CC-THIN", day=day)] * (ago <= 3) + [Usage("9", "CC-NEW", day=day)] * (ago <= 10)
        rows += [Usage(around(30, dice), "CC-ENDED", day=day)] * (ago > 21)
    load(*rows)


def test_every_hard_history_is_refused_with_its_reason_or_forecast_sanely_on_page_and_api() -> None:
    hard()
    budgeted(*((code, "1000") for code in HARD))
    person("ann", "analyst")
    found = made()
    backtests.make(by="ann", before=BEFORE, horizon=14, origins=3)
    october = {code: _a_day(of(found, code)) for code in HARD}
    assert {code for code, cost in october.items() if cost is None} == {"CC-THIN", "CC-ZERO", "CC-NEW"}
    leaf = {row.key[0]: row.refusal for row in found.series.filter(level=list(forecasts.DIMENSIONS))}
    assert leaf["CC-THIN"].startswith("3 days of history; a forecast needs 7 days")
    assert leaf["CC-ZERO"] == "nothing was spent in the history"
    assert "10 days of history; a forecast needs 14 days" in leaf["CC-NEW"]
    for code, expected in (("CC-GAPS", 50), ("CC-FIX", 20), ("CC-SAME", 7), ("CC-BACK", -3)):
        assert october[code] == pytest.approx(expected, rel=0.06), code
    ended = october["CC-ENDED"]
    assert ended is not None
    assert 0 <= ended < 3
    assert any("CC-FIX" in note and "(-500 in all): corrections, left out" in note for note in found.notes)

    client, user = Client(), User.objects.get(username="ann")
    client.force_login(user)
    header: Any = bearer(user)
    for code in ("", *HARD):
        answer = client.get("/forecast/", {"cost_centre": code} if code else {})
        assert answer.status_code == 200, code
        text = re.sub(r'nonce="[^"]*"', "", answer.content.decode()).lower()
        assert "nan" not in text.replace("finance", "").replace("governance", "")
        query = {"group_by": "x_CostCentre", "granularity": "day", "filter[x_CostCentre]": code} if code else {}
        told = Client().get("/api/v1/forecasts", query, **header)
        assert told.status_code == 200, code
        (row,) = json.loads(told.content, parse_constant=_no_number)["results"]
        assert bool(row["method"]) != (code in {"CC-THIN", "CC-ZERO", "CC-NEW"})
        assert row["method"] or (row["refusal"], row["months"]) != ("", [])
    assert client.get("/forecast/accuracy/").status_code == 200
    assert client.get("/budgets/watch/").status_code == 200


def _a_day(row: ForecastSeries) -> float | None:
    """The mean of its days."""
    points = [float(point) for point in row.days.values_list("point", flat=True)]
    return sum(points) / len(points) if points else None


def _no_number(text: str) -> float:
    raise AssertionError(f"{text} is no JSON")


def test_a_ledger_without_anything_has_no_forecast_and_page_and_api_say_so() -> None:
    person("ann", "analyst")
    centre("CC-100")
    client, user = Client(), User.objects.get(username="ann")
    client.force_login(user)
    header: Any = bearer(user)
    for address in ("/forecast/", "/forecast/accuracy/", "/forecast/commitments/", "/forecast/scenarios/"):
        assert client.get(address).status_code == 200, address
    said = Client().get("/api/v1/forecasts", **header).json()
    assert (said["forecast"], said["results"]) == (None, [])
    assert "There is no forecast in USD yet" in said["notes"][0]
    with pytest.raises(Exception, match="nothing was spent in USD before today"):
        call_command("forecast")
