"""A month of calls, what a gateway, a provider and its bill say of them, and discrepancies planted call by call.

Independent of the engine: what a discrepancy is worth is summed over the calls it was done to. It counts at the step of
the waterfall where it shows: from the gateway's calls to the provider's usage (where there is one), from there to the bill.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from allocation.calc.reconcile_rows import Evidence, Offer, Row

D = Decimal
START, END = date(2026, 9, 1), date(2026, 10, 1)
LAST = END - timedelta(days=1)
CLASSES = ("input_uncached", "cache_read", "output_visible")
PRICES = {  # per million
    "alpha": (D("3"), D("0.3"), D("15")), "beta": (D("0.25"), D("0.025"), D("2")), "gamma": (D("1.25"), D("0.125"), D("10")),
    "delta": (D("5"), D("0.5"), D("25")),
}  # fmt: skip
TIMES = {("sync", ""): D(1), ("batch", ""): D("0.5"), ("sync", "priority"): D("1.75")}
OURS = D("0.91")
KINDS = (
    "missing day", "cache counted twice", "batch as sync", "priority asked, default served", "cut-off", "credit", "tax",
    "fx", "unpriced model", "duplicate rows",
)  # fmt: skip
PROFILES = ("usage, daily", "daily", "usage, monthly", "daily, no quantities", "monthly", "usage, report, totals")


def price(model: str, price_class: str, mode: str, tier: str) -> Decimal:
    return PRICES[model][CLASSES.index(price_class)] * TIMES[mode, tier] / 1_000_000


@dataclass
class Call:
    model: str
    day: date
    hour: int
    mode: str
    tier: str  # as it was served
    tokens: dict[str, int]
    # as the gateway has it
    seen: int = 1  # how often
    seen_mode: str = ""
    seen_tier: str = ""
    twice: bool = False  # cached tokens are in its input, too
    billed: bool = True

    def __post_init__(self) -> None:
        self.seen_mode, self.seen_tier = self.mode, self.tier

    def seen_tokens(self) -> dict[str, int]:
        extra = self.tokens["cache_read"] if self.twice else 0
        return self.tokens | {"input_uncached": self.tokens["input_uncached"] + extra}

    def cost(self) -> Decimal:
        return sum((n * price(self.model, c, self.mode, self.tier) for c, n in self.tokens.items()), D(0))

    def seen_cost(self, tokens: dict[str, int] | None = None) -> Decimal:
        counted = (tokens or self.seen_tokens()).items()
        return sum((n * price(self.model, c, self.seen_mode, self.seen_tier) for c, n in counted), D(0))


@dataclass
class World:
    seed: int
    profile: str
    kinds: list[str]
    calls: list[Call] = field(default_factory=list)
    extra: list[Row] = field(default_factory=list)
    unpriced: set[str] = field(default_factory=set)
    rate: Decimal | None = None  # the issuer's, where it bills in euros
    rate_stated: bool = False
    planted: list[tuple[str, str]] = field(default_factory=list)  # kind, model
    cents: bool = False
    next_bill: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._make_calls()
        self.cents = self.random.random() < 0.5
        self.next_bill = self.random.random() < 0.5
        self.has_usage = self.profile.startswith("usage")
        same = self.random.choice(list(PRICES)) if self.random.random() < 0.5 else None
        for kind in self.kinds:
            self._plant(kind, same or self.random.choice(list(PRICES)))

    def _make_calls(self) -> None:
        r = self.random
        for model in PRICES:
            for offset in range(30):
                for _ in range(r.randint(4, 9)):
                    treatment = r.choices([("sync", ""), ("batch", ""), ("sync", "priority")], (6, 3, 1))[0]
                    tokens = {
                        "input_uncached": r.randint(20_000, 900_000), "cache_read": r.choice([0, r.randint(20_000, 2_000_000)]),
                        "output_visible": r.randint(5_000, 300_000),
                    }  # fmt: skip
                    self.calls.append(Call(model, START + timedelta(days=offset), r.randint(0, 23), *treatment, tokens))

    def _of(self, model: str, day: date | None = None) -> list[Call]:
        return [call for call in self.calls if call.model == model and day in (None, call.day)]

    def _plant(self, kind: str, model: str) -> None:
        day = START + timedelta(days=self.random.randint(0, 28))  # not the last: cut-off has it
        if kind in ("credit", "tax", "fx"):
            self._plant_on_the_bill(kind)
            model = ""
        elif kind == "unpriced model":
            self.unpriced.add(model)
        elif kind in ("missing day", "duplicate rows", "cut-off"):
            self._plant_in_captures(kind, model, day)
        else:
            self._plant_in_treatments(kind, self.random.choice([self._of(model, day), self._of(model)]))
        self.planted.append((kind, model))

    def _plant_on_the_bill(self, kind: str) -> None:
        r = self.random
        if kind == "fx":
            self.rate = OURS * D(r.choice([n for n in range(950, 1051) if n != 1000])) / 1000
            self.rate_stated = r.random() < 0.5
            return
        amount = D(r.randint(1, 90_000)) / 100
        line = _row("invoice", "", "", None, None, -amount if kind == "credit" else amount)
        self.extra.append(line._replace(category=kind.capitalize()))

    def _plant_in_captures(self, kind: str, model: str, day: date) -> None:
        r = self.random
        if kind == "missing day":
            for call in self._of(model, day):
                call.seen = 0
        elif kind == "duplicate rows":
            for call in r.sample(self._of(model, day), r.randint(1, 3)):
                call.seen = min(call.seen * 2, 2)
        else:
            hour = r.randint(8, 23)
            for call in self._of(model, LAST):
                call.billed = call.billed and call.hour < hour

    def _plant_in_treatments(self, kind: str, calls: list[Call]) -> None:
        for call in calls:
            if kind == "cache counted twice":
                call.twice = bool(call.tokens["cache_read"])
            elif kind == "batch as sync":
                call.seen_mode = "sync"
            elif (call.mode, call.tier) == ("sync", "") and self.random.random() < 0.4:
                call.seen_tier = "priority"

    # what the levels say

    def currency(self) -> str:
        return "EUR" if self.rate else "USD"

    def rows(self) -> list[Row]:
        rows = self._computed(self.calls)
        if self.has_usage:
            rows += self._usage()
        if self.profile == "usage, report, totals":
            rows += [row._replace(level="cost_report", quantity=None, cost=self._true(row)) for row in self._usage()]
        rows += self._bill([call for call in self.calls if call.billed])
        rows += [row._replace(currency=self.currency()) for row in self.extra]
        self.random.shuffle(rows)
        return rows

    def _computed(self, calls: list[Call], times: int | None = None) -> list[Row]:
        sums: dict[Any, int] = defaultdict(int)
        for call in calls:
            for name, count in call.seen_tokens().items():
                place = call.model, name, call.day, call.seen_mode, call.seen_tier
                sums[place] += count * (call.seen if times is None else times)
        return [self._priced("computed", *place, count) for place, count in sums.items() if count]

    def _usage(self) -> list[Row]:
        sums: dict[Any, int] = defaultdict(int)
        for call in self.calls:
            for name, count in call.tokens.items():
                sums[call.model, name, call.day, call.mode, call.tier] += count
        return [self._priced("provider_usage", *place, count) for place, count in sums.items() if count]

    def _priced(self, level: str, model: str, name: str, day: date, mode: str, tier: str, count: int) -> Row:
        cost = None if model in self.unpriced else count * price(model, name, mode, tier)
        return _row(level, model, name, day, D(count), cost)._replace(mode=mode, tier=tier, band=0)

    def _true(self, row: Row) -> Decimal:
        return (row.quantity or D(0)) * price(row.model, row.price_class, row.mode or "", row.tier or "")

    def _bill(self, calls: list[Call]) -> list[Row]:
        sums: dict[Any, list[Decimal]] = defaultdict(lambda: [D(0), D(0)])
        totals = self.profile == "usage, report, totals"
        for call in calls:
            for name, count in call.tokens.items():
                if count:
                    day = call.day if "daily" in self.profile else None
                    place = (
                        (call.model, "", None, None, None) if totals else (call.model, name, day, call.mode, call.tier)
                    )
                    sums[place][0] += count
                    sums[place][1] += count * price(call.model, name, call.mode, call.tier)
        rows = []
        for (model, name, day, mode, tier), (count, cost) in sums.items():
            quantity = None if totals or "no quantities" in self.profile else count
            amount = cost * (self.rate or 1)
            amount = round(amount, 2) if self.cents else round(amount, 12)
            row = _row("invoice", model, name, day, quantity, amount)
            rows.append(row._replace(mode=mode, tier=tier, currency=self.currency(),
                                     rate=self.rate if self.rate_stated else None))  # fmt: skip
        return rows

    def evidence(self) -> Evidence:
        def offered(offer: Offer) -> Decimal | None:
            known = offer.model in PRICES and offer.model not in self.unpriced and offer.price_class in CLASSES
            treatment = offer.mode, offer.tier
            return price(offer.model, offer.price_class, *treatment) if known and treatment in TIMES else None

        def copies(_provider: str, _account: str, day: date) -> list[Row]:
            return self._computed([call for call in self.calls if call.day == day and call.seen > 1], 1)

        def hours(level: str, _provider: str, _account: str, day: date) -> list[tuple[int, Row]]:
            found = []
            for call in self.calls:
                if call.day == day and (call.seen or level != "computed"):
                    if level != "computed":
                        call = replace(call)  # __post_init__ undoes what the gateway got wrong
                        call.twice = False
                    found += [(call.hour, row) for row in self._computed([call], 1)]
            return found

        late = [row._replace(level="invoice") for row in self._late()] if self.next_bill else []
        return Evidence(START, END, offered, lambda _base, _quote, _day: OURS, copies, hours, late)

    def _late(self) -> list[Row]:
        return [
            _row("invoice", call.model, name, call.day, D(count), count * price(call.model, name, call.mode, call.tier))
            ._replace(mode=call.mode, tier=call.tier)
            for call in self.calls if not call.billed for name, count in call.tokens.items() if count
        ]  # fmt: skip

    # what is right

    def expected(self) -> dict[tuple[str, str], Decimal]:
        """(model, cause) -> amount in the bill's currency; '' is no model's."""
        found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        ours = OURS if self.rate else D(1)
        for call in self.calls:
            for cause, amount in self._of_call(call):
                found[call.model, cause] += amount * ours
            if self.rate and call.billed:
                found["", "fx"] += call.cost() * (self.rate - OURS)
        for row in self.extra:
            found["", row.category.lower()] += row.cost or 0
        return {place: amount for place, amount in found.items() if amount}

    def _of_call(self, call: Call) -> list[tuple[str, Decimal]]:
        if call.model in self.unpriced:
            return [("unpriced", call.cost() if call.billed else D(0))]
        found = []
        if call.seen > 1:
            found.append(("duplicate", -call.seen_cost()))
        if not call.billed and not self.has_usage and not self.next_bill and call.seen:
            return [*found, ("cut_off", -call.seen_cost())]
        if not call.seen:
            found.append(("not_captured", call.cost()))
        else:
            found.append(("wrong_token_class", call.seen_cost(call.tokens) - call.seen_cost()))
            found.append(("service_tier", call.cost() - call.seen_cost(call.tokens)))
        if not call.billed:
            found.append(("cut_off", -call.cost()))
        return found

    def room(self) -> Decimal:
        """What cents hide of one model's amounts."""
        if not self.cents:
            return D("0.000001")
        lines = len(self._bill(self.calls)) / len(PRICES)
        return D("0.005") * int(lines + 1)


def _row(level: str, model: str, name: str, day: date | None, quantity: Decimal | None, cost: Decimal | None) -> Row:
    return Row(level, "acme", "org-1", model, name, day, quantity, cost, "USD", scope="")
