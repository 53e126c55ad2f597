"""Prices as the page Prices shows them: a line per model and conditions, a page of models at a time."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q
from django.db.models.functions import Collate

from ingest.calc.prices import ALWAYS, BOOKS, PRICE_CLASSES
from ingest.models import Price, PriceBookVersion
from ingest.price_selectors import described_rows
from ingest.selectors import price_book

MODELS = 25  # of a page
SHOWN = ("input_uncached", "cache_read", "output_visible")  # columns of their own


class Asked(NamedTuple):
    """What of the books is wanted; '' is everything."""

    text: str = ""  # a part of the model's name
    provider: str = ""
    price_class: str = ""
    book: str = ""


@dataclass
class PriceLine:
    """A model under one set of conditions: its rates in force by class, of one currency, unit, book and beginning each."""

    provider: str
    model: str
    conditions: str
    rates: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def of(self) -> dict[str, Any]:
        """The row that the line is dated by: the newest."""
        return max(self.rates.values(), key=lambda row: (row["valid_from"], row["price_class"]))

    @property
    def books(self) -> list[str]:
        """Which books say it, in their order."""
        said = {row["book"] for row in self.rates.values()}
        return [book for book in BOOKS if book in said]

    @property
    def since(self) -> datetime | None:
        """From when the newest of its rates holds; None: always."""
        return None if self.of["valid_from"] <= ALWAYS else self.of["valid_from"]

    @property
    def unit(self) -> str:
        """What the rate is for."""
        return per(self.of)

    @property
    def more(self) -> int:
        """Classes that have no column of their own and another rate than those that have one."""
        told = {(row["rate"], row["per"]) for name, row in self.rates.items() if name in SHOWN}
        return sum((row["rate"], row["per"]) not in told for name, row in self.rates.items() if name not in SHOWN)


def lines(
    asked: Asked, *, at: datetime, after: tuple[str, str] | None
) -> tuple[list[PriceLine], tuple[str, str] | None]:
    """A page of models by provider and name, and the place after which the next page begins (None: it is the last)."""
    found = _models(asked, at)
    if after is not None:
        found = found.filter(Q(p__gt=after[0]) | Q(p=after[0], m__gt=after[1]))
    names = list(found.order_by("p", "m").values_list("p", "m").distinct()[: MODELS + 1])
    page = names[:MODELS]
    if not page:
        return [], None
    (first_provider, first), (last_provider, last) = page[0], page[-1]
    rows = _models(asked, at).filter(Q(p__gt=first_provider) | Q(p=first_provider, m__gte=first))
    rows = rows.filter(Q(p__lt=last_provider) | Q(p=last_provider, m__lte=last)).order_by("p", "m", "id")
    described = described_rows(rows, price_book(), at)
    return _lines(described, asked), page[-1] if len(names) > MODELS else None


def rows(asked: Asked, *, at: datetime, limit: int) -> list[dict[str, Any]]:
    """Prices in force that are asked for (ingest.price_selectors.described_rows), by provider, model and class."""
    found = _models(asked, at).annotate(c=Collate("price_class", "C")).order_by("p", "m", "c", "id")
    described = described_rows(found[:limit], price_book(), at)
    return [row for row in described if row["in_force"] or asked.book]


def counts(asked: Asked, at: datetime) -> tuple[int, int]:
    """How many models and providers have a price in a live book."""
    pairs = set(_models(asked, at).values_list("provider", "model").distinct())
    return len(pairs), len({provider for provider, _ in pairs})


def providers() -> list[str]:
    """Whose prices there are, for the filter."""
    found = Price.objects.filter(version__live=True).annotate(p=Collate("provider", "C"))
    return list(found.order_by("p").values_list("p", flat=True).distinct())


def books() -> list[PriceBookVersion]:
    """The versions in force, in the order in which they are asked."""
    return sorted(PriceBookVersion.objects.filter(live=True), key=lambda version: BOOKS.index(version.book))


def per(row: dict[str, Any]) -> str:
    """The unit of a rate: ``1M tokens``, ``1k searches``, ``image``."""
    name = row["price_class"]
    unit = name.replace("_", " ") if PRICE_CLASSES.index(name) >= _UNITS_FROM else "tokens"
    sizes = {1_000_000: "1M", 1_000: "1k", 1: ""}
    return f"{sizes.get(row['per'], format(row['per'], ','))} {unit}".strip()


_UNITS_FROM = PRICE_CLASSES.index("request")


def _models(asked: Asked, at: datetime) -> Any:
    """Prices of live books that are valid at an instant and asked for, with p and m to order by."""
    found: Any = Price.objects.annotate(p=Collate("provider", "C"), m=Collate("model", "C"))
    found = found.filter(version__live=True, valid_from__lte=at).filter(Q(valid_to=None) | Q(valid_to__gt=at))
    if asked.provider:
        found = found.filter(provider=asked.provider)
    if asked.text:
        found = found.filter(model__icontains=asked.text)
    if asked.price_class:
        found = found.filter(price_class=asked.price_class)
    if asked.book:
        found = found.filter(book=asked.book)
    return found


def _lines(rows: Iterable[dict[str, Any]], asked: Asked) -> list[PriceLine]:
    found: dict[tuple[str, str, str], PriceLine] = {}
    for row in rows:
        if not row["in_force"] and not asked.book:  # a book that is asked for is shown with what another one overrides
            continue
        place = (row["provider"], row["model"], row["conditions"])
        line = found.setdefault(place, PriceLine(*place))
        known = line.rates.get(row["price_class"])
        if known is None or row["in_force"]:
            line.rates[row["price_class"]] = row
    return list(found.values())
