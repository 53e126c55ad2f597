"""What the pages of scenarios show of a run, and of several: cards, a sentence, rows of tables."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.urls import reverse

from forecasting.calc.scenario_parameters import BY_NAME
from forecasting.calc.scenario_results import TOTAL
from forecasting.models import ScenarioRun
from forecasting.scenarios_selectors import Comparison, Shown, result
from web import formats
from web.dimensions import tier_name
from web.pages import scenarios_charts as charts
from web.scenario_files import total_of

YEAR = 12  # months
LOW, MEDIAN, HIGH = 0, 2, 4  # places in quantiles
SHOWN = 10  # bars of a tornado
LIKELY = 0.5


def line(one: Shown) -> dict[str, Any]:
    """A scenario as a row of the list."""
    found: dict[str, Any] = {"one": one, "address": reverse("forecast-scenario", args=[one.name])}
    if one.run is not None:
        told = result(one.run)
        total = total_of(told)
        band, median = charts.spark(total)
        found |= {
            "currency": told["currency"], "start": _fan(total[0]), "end": _fan(total[-1]), "band": band, "median": median,
            "times": _times(total), "over": _most([month["over"] for month in told["outlook"][1:]]),
            "month": total[-1]["month"], "at": one.run,
        }  # fmt: skip
    return found


def run(row: ScenarioRun, tier: str) -> dict[str, Any]:
    """All that a page says of a run; ``tier``: whose fan is drawn."""
    told = result(row)
    currency, tiers = told["currency"], sorted({fan["tier"] for fan in told["fans"]} - {TOTAL}, key=_order(told))
    chosen = tier if tier in tiers else TOTAL
    fans, total = total_of(told, chosen), total_of(told)
    budgets = told["budgets"] if chosen == TOTAL and any(one is not None for one in told["budgets"][1:]) else []
    months = [_month(*each) for each in zip(total, fans, told["outlook"], told["budgets"], strict=True)]
    return {
        "told": told, "currency": currency, "row": row, "chosen": chosen, "chosen_name": _name(chosen), "budgeted": bool(budgets),
        "tiers": [(name, _name(name)) for name in (TOTAL, *tiers)], "fan": charts.fan(fans, budgets, currency),
        "months": months, "by_tier": [_tier(told, name) for name in (*tiers, TOTAL)], "last": months[-1],
        "a_year": months[min(YEAR, len(months) - 1)], "tasks": [_task(told, name) for name in tiers],
        "tornado": _tornado(told), "sentence": _sentence(told), "over": _most([one["over"] for one in told["outlook"][1:]]),
        "gpus": told["outlook"][0]["gpus_needed"], "hardware": _hardware(told), "notes": [*told["notes"], *row.notes],
    }  # fmt: skip


def comparison(found: Comparison) -> dict[str, Any]:
    """Scenarios beside each other."""
    currency = found.start.origin.currency
    rows = []
    for number, one in enumerate(found.rows):
        year, last = one.total[min(YEAR, len(one.total) - 1)], one.total[-1]
        rows.append(
            {
                "one": one, "series": number + 1, "year": year, "last": last, "over_all": one.over_all,
                "address": reverse("forecast-scenario", args=[one.name]),
                "dearer": None if one.over_all is None else _share(one.over_all.dearer),
                "times": formats.times(last.quantiles[MEDIAN] / one.total[0].quantiles[MEDIAN]),
            }
        )  # fmt: skip
    months = [
        {"month": each[0].month, "fans": each, "apart": [one.differences[number] for one in found.rows[1:]]}
        for number, each in enumerate(zip(*(one.total for one in found.rows), strict=True))
    ]
    for month in months:
        month["cells"] = [
            {"median": fan.quantiles[MEDIAN], "dearer": _share(apart.dearer) if apart else None}
            for fan, apart in zip(month["fans"], [None, *month["apart"]], strict=True)
        ]
    drawn = charts.medians([(one.title, one.total) for one in found.rows], currency)
    return {
        "rows": rows, "months": months, "drawn": drawn, "currency": currency, "start": found.start, "asked": found.asked,
        "sentence": _apart(found, currency),
    }  # fmt: skip


def _apart(found: Comparison, currency: str) -> list[tuple[str, str]]:
    first = found.rows[0]
    said: list[tuple[str, str]] = []
    for one in found.rows[1:]:
        whole = one.over_all
        if whole is None:
            continue
        middle = whole.quantiles[MEDIAN]
        tone, word = ("up", "more") if middle > 0 else ("down", "less")
        said += [
            (f"{one.title} costs ", ""), (f"{formats.money_short(abs(middle), currency)} {word}", tone if middle else ""),
            (f" than {first.title} over {len(one.total) - 1} months in the median, and is dearer with a probability of ", ""),
            (_share(whole.dearer), ""), (". ", ""),
        ]  # fmt: skip
    return said


def _month(total: Any, fan: Any, outlook: Any, budget: str | None) -> dict[str, Any]:
    tone = "up" if (outlook["over"] or 0) > LIKELY else ""
    return {
        "month": date.fromisoformat(total["month"]), "total": _fan(total), "fan": _fan(fan), "outlook": outlook, "tone": tone,
        "budget": None if budget is None else Decimal(budget), "over": _share(outlook["over"]),
        "over_to_date": _share(outlook["over_to_date"]), "uncontracted": _share(outlook["uncontracted"]),
        "short": outlook["short_hours"], "lost": Decimal(outlook["lost"]), "spilled": Decimal(outlook["spilled"]),
        "gpu_price": outlook["gpu_price"],
    }  # fmt: skip


def _tier(told: Mapping[str, Any], tier: str) -> dict[str, Any]:
    fans, whole = total_of(told, tier), total_of(told)
    start, year, last = fans[0], fans[min(YEAR, len(fans) - 1)], fans[-1]
    middle = Decimal(whole[-1]["quantiles"][MEDIAN])
    return {
        "tier": tier, "name": _name(tier), "start": _fan(start), "year": _fan(year), "last": _fan(last), "times": _times(fans),
        "share": formats.percent(Decimal(last["quantiles"][MEDIAN]) / middle) if middle else formats.NONE,
    }  # fmt: skip


def _task(told: Mapping[str, Any], tier: str) -> dict[str, Any]:
    rows = [one["quantiles"] for one in told["tasks"] if one["tier"] == tier]
    ends = {"start": rows[0], "year": rows[min(YEAR, len(rows) - 1)], "last": rows[-1]}
    return {"tier": tier, "name": _name(tier), **{name: _of_task(one) for name, one in ends.items()}}


def _of_task(quantiles: Sequence[float] | None) -> dict[str, Decimal | None]:
    """None: no task is completed."""
    if quantiles is None:
        return dict.fromkeys(("low", "median", "high"))
    return {name: Decimal(repr(quantiles[at])) for name, at in (("low", LOW), ("median", MEDIAN), ("high", HIGH))}


def _tornado(told: Mapping[str, Any]) -> dict[str, Any] | None:
    found = told["tornado"]
    rows = [(one["parameter"], Decimal(one["low"]), Decimal(one["high"])) for one in found["swings"]]
    effects = {one["parameter"]: one for one in told["effects"]}
    moving = [row for row in rows if row[1] != row[2] or effects[row[0]]["total"]]
    if not moving:
        return None
    bars, middle = charts.swings([row[1:] for row in moving[:SHOWN]], Decimal(found["median"]))
    lines = [
        {
            "name": name, "title": BY_NAME[name].title, "low": low, "high": high, "bar": bar,
            "first": effects[name]["first"], "total": effects[name]["total"], "error": effects[name]["error"],
        }
        for (name, low, high), bar in zip(moving[:SHOWN], bars, strict=True)
    ]  # fmt: skip
    return {
        "median": Decimal(found["median"]),
        "middle": middle,
        "lines": lines,
        "more": len(moving) - len(lines),
        "still": len(rows) - len(moving),
    }


def _hardware(told: Mapping[str, Any]) -> bool:
    """Whether month 0 has own hardware: then its capacity is worth a column."""
    return any(one["gpus_needed"] for one in told["outlook"]) or any(one["short_hours"][1] for one in told["outlook"])


def _sentence(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    total, currency = total_of(told), told["currency"]
    start, last = _fan(total[0]), _fan(total[-1])
    word = "up" if last["median"] > start["median"] else "down"
    said = [
        (f"From {formats.money_short(start['median'], currency)} a month to ", ""),
        (formats.money_short(last["median"], currency), word),
        (f" in {_said(total[-1]['month'])} in the median, and nine times in ten between ", ""),
        (f"{formats.money_short(last['low'], currency)} and {formats.money_short(last['high'], currency)}", ""), (". ", ""),
    ]  # fmt: skip
    likely = [one["month"] for one in told["outlook"][1:] if one["over"] is not None and one["over"] > LIKELY]
    if likely:
        said += [("Over budget more likely than not from ", ""), (_said(likely[0]), "up"), (". ", "")]
    top = told["effects"][:1]
    if top and top[0]["total"] > 0:
        said.append(
            (f"Most of the spread is {BY_NAME[top[0]['parameter']].title.partition(',')[0].lower()} "
             f"({formats.percent(Decimal(repr(min(top[0]['total'], 1.0))), 0)} of the variance).", "")
        )  # fmt: skip
    return said


def _fan(one: Mapping[str, Any]) -> dict[str, Decimal]:
    amounts = [Decimal(value) for value in one["quantiles"]]
    return {"low": amounts[LOW], "median": amounts[MEDIAN], "high": amounts[HIGH], "mean": Decimal(one["mean"])}


def _times(fans: Sequence[Mapping[str, Any]]) -> str:
    start, last = (Decimal(one["quantiles"][MEDIAN]) for one in (fans[0], fans[-1]))
    return formats.times(last / start) if start else formats.NONE


def _share(value: float | None) -> str:
    return formats.NONE if value is None else formats.percent(Decimal(repr(value)), 0)


def _most(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return _share(max(known)) if known else formats.NONE


def _name(tier: str) -> str:
    return tier_name(tier) if tier else "All, with what is fixed"


def _order(told: Mapping[str, Any]) -> Any:
    names = [fan["tier"] for fan in told["fans"]]
    return names.index


def _said(month: str) -> str:
    return formats.month_name(date.fromisoformat(month))
