"""Sheet Detail: every allocated cost line of the month, as data; and what proves it: counts, sums, a hash."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any

from allocation.statement_selectors import Line
from web.exports.book import Book, Page
from web.exports.controls import Expression, exact_sum, text_of
from web.exports.sheets import Layout
from web.exports.statement_facts import Facts

# Column, style, width, field of the line; x_EffectiveCostExact is text, because a spreadsheet keeps 15 digits.
COLUMNS = (
    ("ChargeDate", "date", 12, "charge_date"), ("x_CostCentre", "text", 16, "cost_centre"),
    ("x_Team", "text", 16, "team"),
    ("ServiceProviderName", "text", 20, "provider"), ("SkuId", "text", 48, "sku_id"), ("x_Model", "text", 36, "model"),
    ("x_QueryTier", "text", 12, "tier"), ("x_PriceClass", "text", 18, "price_class"),
    ("ChargeClass", "text", 13, "charge_class"), ("ConsumedQuantity", "quantity", 18, "quantity"),
    ("ConsumedUnit", "text", 15, "unit"), ("ListUnitPrice", "rate", 14, "list_unit_price"),
    ("x_PricingUnit", "count", 13, "pricing_unit"), ("BillingCurrency", "text", 16, "currency"),
    ("ListCost", "exact", 16, "list_cost"), ("ContractedCost", "exact", 16, "contracted_cost"),
    ("EffectiveCost", "exact", 16, "effective_cost"), ("x_EffectiveCostExact", "digits", 24, None),
    ("x_Provenance", "text", 15, "provenance"), ("x_Cause", "text", 20, "cause"), ("x_Rule", "text", 12, "rule"),
    ("x_UnpricedEstimate", "exact", 16, "unpriced_estimate"),
)  # fmt: skip
SUMMED = ("ListCost", "ContractedCost", "EffectiveCost", "x_UnpricedEstimate")
ROWS_MAX = 1_000_000  # a sheet holds 1,048,576
_FIELDS = {name: field for name, _, _, field in COLUMNS}
_NAMES = [name for name, _, _, _ in COLUMNS]
_QUANTITY, _EXACT = _NAMES.index("ConsumedQuantity"), _NAMES.index("x_EffectiveCostExact")
_STYLES = [style for _, style, _, _ in COLUMNS]
_STYLES_OF_WHOLE = ["count" if style == "quantity" else style for style in _STYLES]
_WIDE = Context(prec=60)


@dataclass
class Result:
    """Rows written, sums by (currency, column), and SHA-256 over the rows as text in their order."""

    rows: int
    sums: dict[tuple[str, str], Decimal]
    sha256: str
    sheets: list[str]
    spans: list[dict[str, str]] = field(default_factory=list)  # of each sheet: column -> its cells, for formulas
    by_owner: dict[tuple[str, str | None], Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def sum_of(self, currency: str, column: str) -> Decimal:
        """Exact; 0 where there is no row."""
        return self.sums.get((currency, column), Decimal(0))

    def cost(self, currency: str, owner: str = "") -> Expression:
        """EffectiveCost of Detail in a currency, of one cost centre or of all, for an equation."""
        parts = []
        for spans in self.spans:
            amounts, currencies = spans["EffectiveCost"], spans["BillingCurrency"]
            if owner:
                parts.append(exact_sum(amounts, {spans["x_CostCentre"]: owner, currencies: currency}))
            else:
                parts.append(f"SUMIFS({amounts},{currencies},{text_of(currency)})")
        value = self.by_owner.get((currency, owner), Decimal(0)) if owner else self.sum_of(currency, "EffectiveCost")
        return Expression("+".join(parts), value)

    def ties(self, facts: Facts) -> bool:
        """Whether Detail adds up to the Summary, exactly."""
        return all(self.sum_of(money.currency, "EffectiveCost") == money.exact for money in facts.currencies)


def write(book: Book, facts: Facts, lines: Iterable[Line]) -> Result:
    """Write the lines as they come; a second sheet where one is full."""
    digest = hashlib.sha256()
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    result = Result(0, sums, "", [])
    page: Page | None = None
    for line in lines:
        if page is None or page.rows > ROWS_MAX:
            page = _page(book, facts, result, page)
        values = _values(line)
        page.row(values, _STYLES if isinstance(values[_QUANTITY], Decimal) else _STYLES_OF_WHOLE)
        digest.update(canonical(line).encode("utf-8", "surrogatepass"))
        for name in SUMMED:
            amount = getattr(line, _FIELDS[name] or "")
            if amount is not None:
                sums[line.currency, name] = _WIDE.add(sums[line.currency, name], amount)
        if line.effective_cost is not None:
            place = line.currency, line.cost_centre
            result.by_owner[place] = _WIDE.add(result.by_owner[place], line.effective_cost)
        result.rows += 1
    _filter(page or _page(book, facts, result, None), result)
    result.sha256 = digest.hexdigest()
    return result


def canonical(line: Line) -> str:
    """A line as the hash sees it: fields between 0x1F, amounts with 12 decimals, a line end."""
    return "\x1f".join(_written(value) for value in line) + "\n"


def _written(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.12f}" if isinstance(value, Decimal) else str(value)


def _page(book: Book, facts: Facts, result: Result, full: Page | None) -> Page:
    if full is not None:
        _filter(full, result)
    name = f"Detail {len(result.sheets) + 1}" if result.sheets else "Detail"
    result.sheets.append(name)
    widths = [width for _, _, width, _ in COLUMNS]
    layout = Layout(widths, f"Statement {facts.period}: {name}", facts.stamp, header_row=1, wide=True)
    page = book.page(book.sheet(name), layout)
    page.head([(name, style) for name, style, _, _ in COLUMNS], 30)
    return page


def _filter(page: Page, result: Result) -> None:
    page.table("Detail" if len(result.sheets) == 1 else f"Detail{len(result.sheets)}", 1, _NAMES)
    spans = {
        name: page.span(_NAMES.index(name) + 1, 2) for name in ("EffectiveCost", "BillingCurrency", "x_CostCentre")
    }
    result.spans.append(spans)


def _values(line: Line) -> list[Any]:
    values = [None if field is None else getattr(line, field) for _, _, _, field in COLUMNS]
    values[_QUANTITY] = _plain(line.quantity)
    values[_EXACT] = None if line.effective_cost is None else f"{line.effective_cost:.12f}"
    return values


def _plain(quantity: Decimal) -> Decimal | int:
    """Tokens as whole numbers: those a spreadsheet would change become text."""
    return int(quantity) if quantity == quantity.to_integral_value() else quantity.normalize()
