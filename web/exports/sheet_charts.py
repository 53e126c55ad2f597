"""Sheet Charts: cost by cost centre, by tier, and month by month, as charts of the spreadsheet program itself."""

from decimal import Decimal
from typing import Any, NamedTuple

from openpyxl.chart import BarChart, LineChart, Reference
from openpyxl.chart.marker import DataPoint
from openpyxl.chart.shapes import GraphicalProperties
from openpyxl.drawing.line import LineProperties

from allocation import selectors
from allocation.scope import Scope
from allocation.selectors import CostQuery
from finops.money import round_to_minor
from finops.periods import Period
from web.exports.book import Book, Page
from web.exports.sheets import ACCENT, LINE, TIER_COLOURS, Layout, money_style
from web.exports.statement_facts import OTHER, TOP, Facts, Part
from web.exports.statement_summary import Places

NAME = "Charts"
MONTHS = 13
_HIGH, _WIDE = 8.2, 24.0  # centimetres


class Rows(NamedTuple):
    """Where a table's figures are, what they add up to, and the smallest."""

    span: tuple[int, int]
    total: Decimal
    least: Decimal


def write(book: Book, sheet: Any, facts: Facts, scope: Scope, places: Places) -> None:
    """Fill the sheet: of the first currency, with the figures beside the charts."""
    money = facts.currencies[0]
    amount = money_style(money.currency)
    page = book.page(
        sheet, Layout((30, 18, 3, *[11] * 12), f"Statement {facts.period}: {NAME}", facts.stamp, one_page=True)
    )
    page.line(f"Cost in {money.currency}, {facts.period.start:%B %Y}", "title", 26)
    page.line("Charts of the tables beside them.", "subtitle", 18)
    centres = _table(page, "Cost centre", [(_name(part), part.charged) for part in _dearest(money.parts)], amount)
    tiers = _table(page, "Tier", [(part.key[0] or "none", part.charged) for part in money.tiers], amount)
    months = _table(page, "Month", _trend(scope, facts.period, money.currency), amount)
    unit = places.totals[money.currency][0]
    for name, rows in (("cost centre", centres), ("tier", tiers)):
        shown = page.sum(2, rows.span, rows.total)
        book.controls.tie(f"Charts, by {name} = Summary, {money.currency}", shown, unit)
    sheet.add_chart(_bars(sheet, "By cost centre", centres, across=True), "D3")
    sheet.add_chart(
        _bars(sheet, "By query tier", tiers, [TIER_COLOURS.get(part.key[0] or "", "AEB9C2") for part in money.tiers]),
        "D20",
    )
    sheet.add_chart(_line(sheet, "Month by month", months), "D37")


def _table(page: Page, first: str, rows: list[tuple[str, Decimal]], amount: str) -> Rows:
    page.head([(first, "text"), ("Charged", amount)])
    begin, shown = page.rows + 1, rows or [("none", Decimal(0))]
    for name, charged in shown:
        page.row([name, charged], ["text", amount])
    end, amounts = page.rows, [charged for _, charged in shown]
    page.gap()
    return Rows((begin, end), sum(amounts, Decimal(0)), min(amounts))


def _dearest(parts: list[Part]) -> list[Part]:
    ranked = sorted(parts, key=lambda part: -part.charged)
    rest = ranked[TOP:]
    if len(rest) < 2:
        return ranked
    other = Part((f"{OTHER} ({len(rest)})",), sum((part.charged for part in rest), Decimal(0)), Decimal(0), 0, 0)
    return [*ranked[:TOP], other]


def _name(part: Part) -> str:
    return part.key[0] or "Unallocated"


def _trend(scope: Scope, period: Period, currency: str) -> list[tuple[str, Decimal]]:
    """The months up to this one that have cost, the oldest first."""
    found, known = list[tuple[str, Decimal]](), set(selectors.months(scope))
    month = period
    for _ in range(MONTHS):
        if str(month) in known:
            frame = selectors.costs(scope, CostQuery(month, currency=currency))
            found.append((str(month), round_to_minor(frame["EffectiveCost"], currency).iloc[0]))
        month = month.previous()
    return found[::-1]


def _bars(sheet: Any, title: str, rows: Rows, colours: list[str] | None = None, *, across: bool = False) -> Any:
    chart = BarChart()
    chart.type = "bar" if across else "col"
    _filled(chart, sheet, title, rows)
    series = chart.series[0]
    series.graphicalProperties = GraphicalProperties(solidFill=ACCENT)
    for number, colour in enumerate(colours or []):
        series.dPt.append(DataPoint(idx=number, spPr=GraphicalProperties(solidFill=colour)))
    chart.gapWidth = 60
    if across:
        chart.x_axis.scaling.orientation = "maxMin"  # the dearest on top
    return chart


def _line(sheet: Any, title: str, rows: Rows) -> Any:
    chart = LineChart()
    _filled(chart, sheet, title, rows)
    series = chart.series[0]
    series.graphicalProperties.line.solidFill = ACCENT
    series.marker.symbol = "circle"
    series.smooth = False
    return chart


def _filled(chart: Any, sheet: Any, title: str, rows: Rows) -> None:
    chart.title, chart.legend, chart.height, chart.width = title, None, _HIGH, _WIDE
    chart.add_data(Reference(sheet, min_col=2, min_row=rows.span[0], max_row=rows.span[1]), titles_from_data=False)
    chart.set_categories(Reference(sheet, min_col=1, min_row=rows.span[0], max_row=rows.span[1]))
    chart.x_axis.delete = chart.y_axis.delete = False  # openpyxl hides them otherwise
    chart.y_axis.number_format = "#,##0"
    chart.y_axis.majorGridlines.spPr = GraphicalProperties(ln=LineProperties(solidFill=LINE, w=6_350))
    if rows.least >= 0:
        chart.y_axis.scaling.min = 0
