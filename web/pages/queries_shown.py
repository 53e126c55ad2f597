"""What the pages Queries and Query show of their figures: menus, columns of days, steps, and rows of files."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from allocation import selectors
from allocation.close import statement_views
from allocation.models import CostCentre
from allocation.scope import Scope
from allocation.selectors import CostQuery
from allocation.statement_selectors import state_of
from allocation.value.one_query import Query, Single
from allocation.value.query_parts import Part
from allocation.value.query_rows import Listed, Row
from finops.periods import Period
from finops.tokens import ALL_OUTPUT_CLASSES, TOKEN_CLASSES
from web import formats
from web.dimensions import tier_name
from web.pages import explore_menus
from web.pages.charts import BOX
from web.pages.explore_menus import Menu
from web.tiering import bound

HEIGHT, CALLS = 100, 12
_SPANS = ("-20..4000", "-40..-21", "-60..-41", "-80..-61", "-4000..-81")  # decades of cost: from $0.1, $0.01, ...
CALL_COLUMNS = ("id", "day", "at", "ServiceProviderName", "x_Model", *TOKEN_CLASSES, "failed", "tool_calls", "ListCost", "priced",
                "reported_cost", "run")  # fmt: skip
STATES = {"open": "open", "preliminary": "preliminary", "soft_closed": "soft closed", "closed": "closed"}


def listed(view: Any, found: Listed) -> dict[str, Any]:
    """The list: rows, menus, the days of the month, and where the next page is."""
    most = max((cost for _, _, cost in view.days), default=Decimal(0))
    dropped = [name for name in ("x_Team", "x_Feature") if view.state.filters.get(name)]
    return {
        "rows": [_row(row, view.day) for row in found.rows], "found": found, "currency": _currency(found),
        "mean": found.cost / found.queries if found.queries else None, "menus": _menus(view), "columns": _columns(view, most),
        "box": BOX, "height": HEIGHT, "top": most, "days": list(reversed(view.days)), "ignored": dropped,
        "clear": view.address(bins="", filters={}) if view.bins or any(view.state.filters.values()) else "",
        "older": view.address(after=f"{found.after.cost:f}~{found.after.number}") if found.after else "",
        "months": [(each, f"?{urlencode({'month': each})}") for each in view.months],
    }  # fmt: skip


def api(view: Any) -> str:
    """The address of the same queries in the REST API."""
    pairs = [("day", f"{view.day}"), *([("bin", view.bins)] if view.bins else [])]
    pairs += [(f"filter[{column}]", ",".join(values)) for column, values in view.state.filters.items() if values]
    return f"/api/v1/queries?{urlencode(pairs, safe='[],*()')}"


def _currency(found: Listed) -> str:
    return next((row.currency for row in found.rows if row.currency), str(settings.REPORT_CURRENCY))


def _row(row: Row, day: Any) -> dict[str, Any]:
    number = row.found.query
    return {
        "row": row, "tokens": sum(row.found.tokens.values()),
        "output": sum(row.found.tokens.get(name, 0) for name in ALL_OUTPUT_CLASSES), "tier": tier_name(row.tier),
        "link": "" if number is None else f"{reverse('query', args=[str(number)])}?day={day}",
    }  # fmt: skip


def _menus(view: Any) -> list[Menu]:
    """Day and cost, then whose."""
    days = Menu("Day", f"{view.day.day} {view.day:%b %Y}", [
        (f"{day.day} {day:%b}: {formats.money_short(cost, settings.REPORT_CURRENCY)}", view.address(day), day == view.day)
        for day, _, cost in reversed(view.days)
    ])  # fmt: skip
    spans = [("Any", view.address(bins=""), not view.bins)]
    spans += [(_span(bins), view.address(bins=bins), bins == view.bins) for bins in (*_SPANS, "none")]
    chosen = _span(view.bins) if view.bins else "Any"
    filters = explore_menus.filters(view.scope, view.state, view.month)
    tail = view.address(filters={}).lstrip("?")
    kept = "&".join(pair for pair in tail.split("&") if pair.startswith(("day=", "bin=")))
    with_day = [
        menu._replace(options=[(text, f"{address}&{kept}", on) for text, address, on in menu.options])
        for menu in filters
    ]
    return [days, Menu("Cost", chosen, spans, bool(view.bins)), *with_day]


def _span(bins: str) -> str:
    """Bins of cost as a reader says them."""
    if bins == "none":
        return "nothing, or without a price"
    low, _, high = bins.partition("..")
    first, last = int(low), int(high or low)
    ends = [formats.unit_cost(bound(end), str(settings.REPORT_CURRENCY)) for end in (first, last + 1) if abs(end) < 300]
    if first <= -300:
        return f"below {ends[0]}" if ends else "any"
    return f"{ends[0]} and more" if last >= 300 else f"{ends[0]} to {ends[1]}"


def _columns(view: Any, most: Decimal) -> list[dict[str, Any]]:
    """What the queries of each day of the month cost."""
    days, known = view.month.days(), {day: (count, cost) for day, count, cost in view.days}
    days = list(days)
    step = BOX / len(days)
    found = []
    for place, day in enumerate(days):
        count, cost = known.get(day, (0, Decimal(0)))
        size = float(cost / most) * HEIGHT if most else 0.0
        told = f"{day.day} {day:%b}: {formats.whole(count)} queries, {formats.money(cost, settings.REPORT_CURRENCY)}"
        found.append(
            {"at": round(place * step + step * 0.1, 2), "width": round(step * 0.8, 2), "size": round(size, 2), "text": told,
             "chosen": day == view.day}
        )  # fmt: skip
    return found


def whole(scope: Scope, one: Query) -> dict[str, Any]:
    """The steps of one query, each with its figure."""
    month = Period.month_of(one.day)
    days = sorted({part.day for part in one.parts})
    charged = [part.charged for part in one.parts if part.charged and part.charged.effective is not None]
    currencies = {each.currency for each in charged}
    effective = sum((each.effective or Decimal(0) for each in charged), Decimal(0)) if len(currencies) == 1 else None
    output = sum(one.tokens.get(name, 0) for name in ALL_OUTPUT_CLASSES)
    list_page = {"day": f"{one.day}", "tier": one.way.tier}
    return {
        "one": one, "month": month, "currency": one.currency if len(one.currency) == 3 else str(settings.REPORT_CURRENCY),
        "first": one.calls[0].call, "last": one.calls[-1].call, "several_days": len(days) > 1,
        "calls": [_call(each) for each in _dearest(one)], "more_calls": max(len(one.calls) - CALLS, 0),
        "runs": _runs(one), "tokens": sum(one.tokens.values()), "output": output, "input": sum(one.tokens.values()) - output,
        "classes": [(_word(n), v) for n, v in one.tokens.items()],
        "parts": [_part(part) for part in one.parts], "tier": tier_name(one.way.tier),
        "evidence": [(name.replace("_", " "), number, name in one.way.condition) for name, number in one.evidence.items()],
        "effective": effective, "own_currency": next(iter(currencies), ""), "charged": bool(charged),
        "elsewhere": any(part.elsewhere for part in one.parts), "sees": scope.everything,
        "bearers": _bearers(one, currencies), "state": STATES[state_of(month)], **_statement(scope, one, month),
        "span": _span(str(one.bin)) if one.bin is not None else "", "listing": f"{reverse('queries')}?{urlencode(list_page)}",
        "distribution": f"{reverse('tiers')}?{urlencode({'month': f'{month}'})}",
        "csv": f"{reverse('query-calls-csv', args=[str(one.number)])}?day={one.day}",
        "api": f"/api/v1/queries/{one.number}?day={one.day}",
    }  # fmt: skip


def _word(name: str) -> str:
    return name.replace("_", " ")


def _dearest(one: Query) -> list[Single]:
    """The CALLS dearest calls, by time."""
    kept = sorted(range(len(one.calls)), key=lambda place: (-one.calls[place].cost, place))[:CALLS]
    return [one.calls[place] for place in sorted(kept)]


def _call(each: Single) -> dict[str, Any]:
    output = sum(each.call.tokens.get(name, 0) for name in ALL_OUTPUT_CLASSES)
    return {
        "each": each, "input": sum(each.call.tokens.values()) - output, "output": output,
        "units": ", ".join(f"{quantity.normalize():f} {_word(name)}" for name, quantity in each.units.items()),
    }  # fmt: skip


def _runs(one: Query) -> list[dict[str, Any]]:
    """The imports its calls came with."""
    found: dict[int, dict[str, Any]] = {}
    for each in one.calls:
        if each.run is not None:
            held = found.setdefault(each.run.pk, {"run": each.run, "calls": 0})
            held["calls"] += 1
    return list(found.values())


def _part(part: Part) -> dict[str, Any]:
    model = part.seen["model_served"] or part.seen["model_requested"]
    service = part.seen["service_tier_served"] or part.seen["service_tier_requested"]
    return {
        "part": part, "model": model, "provider": part.seen["provider"],
        "conditions": ", ".join(filter(None, (part.seen["mode"], service, part.seen["region"], part.seen["effort"]))),
        "lines": [
            {
                "line": line, "name": _word(line.name),
                "rate": {"rate": line.rate, "currency": part.currency} if line.rate is not None else None,
                "per": {1_000_000: "1M", 1_000: "1k", 1: ""}.get(line.per or 0, f"{line.per or 0:,}"),
                "since": None if line.price is None or line.price.valid_from.year < 2000 else line.price.valid_from,
                "link": line.price and f"{reverse('price-history')}?"
                f"{urlencode({'provider': part.seen['provider'], 'model': model})}",
            }
            for line in part.lines
        ],
        "differs": part.charged is not None and part.charged.effective_factor not in (None, 1),
    }  # fmt: skip


def _bearers(one: Query, currencies: set[str]) -> list[dict[str, Any]]:
    """Who bears it, over all parts: by cost centre and team."""
    found: dict[Any, dict[str, Any]] = {}
    for part in one.parts:
        for each in part.bearers:
            place = (each.cost_centre, each.team, each.foreign, part.rule)
            held = found.setdefault(place, {"each": each, "rule": part.rule, "cost": Decimal(0), "note": part.note})
            if each.effective is None or len(currencies) != 1:
                held["cost"] = None
            elif held["cost"] is not None:
                held["cost"] += each.effective
    return sorted(found.values(), key=lambda each: (each["each"].foreign, -(each["cost"] or 0)))


def _statement(scope: Scope, one: Query, month: Period) -> dict[str, Any]:
    """What its owner is charged in the month, and the statement that says so."""
    code = one.owner.cost_centre
    if code is None or not scope.of(CostCentre.objects.filter(code=code), "id").exists():
        return {"statement": None, "borne": None}
    query = CostQuery(month, filters={"x_CostCentre": (code,)}, currency=str(settings.REPORT_CURRENCY))
    told = statement_views.found(scope, month, code)
    return {
        "statement": told[0] if told else None, "site_currency": settings.REPORT_CURRENCY,
        "borne": Decimal(selectors.costs(scope, query)["EffectiveCost"].iloc[0]),
        "explored": f"{reverse('explore')}?{urlencode({'month': f'{month}', 'cost_centre': code})}",
    }  # fmt: skip


def call_rows(one: Query) -> list[list[Any]]:
    """Every call as a row of a file: CALL_COLUMNS."""
    return [
        [
            str(each.call.event_id), each.call.charge_date, each.call.occurred_at.isoformat(), each.provider, each.model,
            *(each.call.tokens.get(name, 0) for name in TOKEN_CLASSES), each.call.failed, each.call.tool_calls, each.cost,
            each.priced, each.call.reported_cost, each.run and each.run.pk,
        ]
        for each in one.calls
    ]  # fmt: skip
