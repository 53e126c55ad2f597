"""Contracts: what usage costs instead of its list price.

A list of entries; the first that matches by ``priority`` (lower first; 100 where none is given), then the one that names
more dimensions, holds for a usage key and class on a day::

    - code: openai-frame-2026
      provider: openai              # and/or model, billing_account, project, api_key, region, service_tier_served,
      model: ["gpt-5*", "o3"]       # tag.NAME, ..., price_class (a token class or unit): patterns or lists of them
      valid_from: 2026-01-01        # charge dates; default: always
      valid_to: 2027-01-01          # exclusive; default: open
      discount: "12.5"              # percent off the list price; or markup: "3" percent on it; default: none
      basis: list_cost              # what tiers count in a calendar month: list_cost, tokens or a unit (image, request)
      tiers:
        - {over: "10000", discount: "15"}   # what lies above 10,000 of the month's list cost
        - {over: "50000", discount: "20"}   # or rate: "1.10", for 1,000,000 tokens (per: 1000 for another unit size)
      applies: graduated            # each tier to what lies in it (default), or whole: the tier reached to all of it
      free: {web_search: "1000"}    # free in each month: of a basis as above
      currency: USD                 # default: any; with money in tiers or free USD: usage listed in another one is not meant
      priority: 10
      note: "contract 4711"

Prices of single models and classes are no contract but rows of the price book (ingest.calc.overrides, book: contract).
Thresholds and allowances are those of the whole contract and month: all its users get the month's blended rate, in
whatever order their usage came. Until the month is over and complete, that rate is provisional. Tiers and allowances of
tokens or a unit are about this usage only; the rest of the contract's usage has its plain discount.

Two entries of the same rank that may mean the same usage on the same day are refused. ContractedCost of a charge =
(1 - free share) x (list cost x blended factor + quantity x blended rate), rounded half-even once at 12 decimals;
usage without a list price stays without a contracted one.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from allocation.calc.contracts_fields import LOWEST, AgreementError, Fields, Match, entries, exact
from finops.tokens import TOKEN_CLASSES, UNITS

LIST_COST, TOKENS = "list_cost", "tokens"
BASES = (LIST_COST, TOKENS, *UNITS)
_KNOWN = (
    "code", "valid_from", "valid_to", "discount", "markup", "basis", "tiers", "applies", "free", "currency", "priority",
    "note",
)  # fmt: skip
_WHOLE, _WIDE = 10**12, Context(prec=60)
_MARKUP = 10**6  # percent
_TOKENS = frozenset(TOKEN_CLASSES)


class Tier(NamedTuple):
    """What holds above ``over`` of the month: a factor of the list cost, and a price for one of the basis."""

    over: Decimal
    factor: Fraction
    rate: Fraction


class Contract(NamedTuple):
    """One entry, parsed. ``tiers[0]`` holds from 0. Valid from ``valid_from`` up to, not including, ``valid_to``."""

    code: str
    match: Match
    priority: int
    valid_from: date | None
    valid_to: date | None
    currency: str  # '' is any
    basis: str
    tiers: tuple[Tier, ...]
    whole: bool
    free_basis: str  # '' is none
    free: Decimal

    def holds_on(self, day: date) -> bool:
        """Whether it is in force on that charge date."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)

    def bases(self) -> set[str]:
        """Of what it needs the month's sum."""
        return ({self.basis} if len(self.tiers) > 1 else set()) | ({self.free_basis} if self.free_basis else set())


class Contracts(NamedTuple):
    """A document, parsed: the contracts in the order in which they are asked."""

    contracts: tuple[Contract, ...]
    begins: date | None = None  # no contract costs anything on a day without usage

    def of(self, day: date, found: Mapping[str, Any], price_class: str, currency: str) -> Contract | None:
        """The contract of usage of a key and class listed in a currency on a day."""
        for contract in self.contracts:
            if (
                contract.holds_on(day)
                and contract.currency in ("", currency)
                and contract.match.holds(found, price_class)
            ):
                return contract
        return None


class Terms(NamedTuple):
    """A month's blended rate of a contract: contracted = paid x (list x factor + quantity x rate)."""

    factor: Fraction
    rate: Fraction
    paid: Fraction

    def cost(self, list_cost: Decimal, quantity: Decimal) -> Decimal:
        """The contracted cost of one charge, rounded half-even once at 12 decimals."""
        return rounded(self.paid * (Fraction(list_cost) * self.factor + Fraction(quantity) * self.rate))


def parse(document: Any) -> Contracts:
    """Contracts of their YAML form. Raises AgreementError naming the entry and the field."""
    found = [_contract(fields) for fields in entries(document, "contracts")]
    ordered = sorted(found, key=lambda contract: (*_rank(contract), contract.code))
    for number, contract in enumerate(ordered):
        for other in ordered[number + 1 :]:
            if _rank(other) == _rank(contract) and _together(contract, other) and contract.match.meets(other.match):
                raise AgreementError(
                    f"{other.code}: may mean the same usage as {contract.code} on the same day; give one of them another "
                    "priority, or dimensions or dates that keep them apart"
                )
    return Contracts(tuple(ordered))


def _rank(contract: Contract) -> tuple[int, int]:
    return contract.priority, -len(contract.match.wanted)


def _together(one: Contract, two: Contract) -> bool:
    apart = any(
        first.valid_to is not None and second.valid_from is not None and first.valid_to <= second.valid_from
        for first, second in ((one, two), (two, one))
    )
    return not apart and (one.currency == two.currency or "" in (one.currency, two.currency))


def _contract(fields: Fields) -> Contract:
    fields.only(_KNOWN)
    first, last = fields.day("valid_from"), fields.day("valid_to")
    if first and last and last <= first:
        raise fields.wrong("valid_to", "must be after valid_from")
    basis = fields.one_of("basis", BASES)
    tiers = (Tier(Decimal(0), _factor(fields, fields.entry, ""), Fraction(0)), *_tiers(fields, basis))
    free_basis, free = _free(fields)
    in_money = (len(tiers) > 1 and basis == LIST_COST) or free_basis == LIST_COST
    return Contract(
        fields.code, fields.match(), fields.whole("priority", LOWEST), first, last,
        fields.currency() if in_money or fields.given("currency") else "", basis, tiers,
        fields.one_of("applies", ("graduated", "whole")) == "whole", free_basis, free,
    )  # fmt: skip


def _factor(fields: Fields, entry: Mapping[str, Any], place: str) -> Fraction:
    if entry.get("discount") is not None and entry.get("markup") is not None:
        raise fields.wrong(f"{place}discount", "and markup exclude each other")
    if entry.get("markup") is not None:
        return 1 + Fraction(exact(entry["markup"], f"{fields.code}: {place}markup", most=_MARKUP)) / 100
    if entry.get("discount") is None:
        return Fraction(1)
    discount = exact(entry["discount"], f"{fields.code}: {place}discount")
    if discount > 100:
        raise fields.wrong(f"{place}discount", f"is a percentage of at most 100, not {discount}")
    return 1 - Fraction(discount) / 100


def _tiers(fields: Fields, basis: str) -> list[Tier]:
    given = fields.entry.get("tiers") or []
    if not isinstance(given, list):
        raise fields.wrong("tiers", 'must be a list, such as [{over: "10000", discount: "15"}]')
    found: list[Tier] = []
    for number, tier in enumerate(given, start=1):
        place = f"tiers {number}: "
        if not isinstance(tier, Mapping) or not {"over"} < set(tier) <= {"over", "discount", "markup", "rate", "per"}:
            raise fields.wrong("tiers", f"{number} needs over and one of discount, markup and rate (with per)")
        over = exact(tier["over"], f"{fields.code}: {place}over")
        if over <= (found[-1].over if found else 0):
            raise fields.wrong("tiers", f"{number} must begin above the one before it (the first above 0)")
        found.append(Tier(over, *_tier_price(fields, tier, basis, place)))
    return found


def _tier_price(fields: Fields, tier: Mapping[str, Any], basis: str, place: str) -> tuple[Fraction, Fraction]:
    if tier.get("rate") is None:
        if tier.get("per") is not None:
            raise fields.wrong(f"{place}per", "belongs to a rate")
        return _factor(fields, tier, place), Fraction(0)
    if basis == LIST_COST:
        raise fields.wrong(f"{place}rate", "is a price for tokens or a unit: the basis must be one of these")
    if tier.get("discount") is not None or tier.get("markup") is not None:
        raise fields.wrong(f"{place}rate", "takes the place of discount and markup")
    per = tier.get("per", 1_000_000 if basis == TOKENS else 1)
    if type(per) is not int or per < 1:
        raise fields.wrong(f"{place}per", f"must be a whole number of at least 1, not {per!r}")
    return Fraction(0), Fraction(exact(tier["rate"], f"{fields.code}: {place}rate", most=_WHOLE)) / per


def _free(fields: Fields) -> tuple[str, Decimal]:
    given = fields.entry.get("free")
    if given is None:
        return "", Decimal(0)
    if not isinstance(given, Mapping) or len(given) != 1 or (basis := next(iter(given))) not in BASES:
        raise fields.wrong("free", f'must name one amount, such as {{tokens: "1000000"}}; of {", ".join(BASES)}')
    return basis, exact(given[basis], f"{fields.code}: free.{basis}")


def counts(basis: str, price_class: str, quantity: Decimal, list_cost: Decimal | None) -> Decimal | None:
    """What a charge adds to a basis; None where the basis is not about its class."""
    if basis == LIST_COST:
        return list_cost or Decimal(0)
    return quantity if price_class == basis or (basis == TOKENS and price_class in _TOKENS) else None


def blended(contract: Contract, sums: Mapping[str, Decimal], price_class: str) -> Terms:
    """The rate of a class under a contract, given the month's sums of its bases (one not given is 0).

    Whoever's usage it is, and in whatever order it came: the rate hangs on the sums alone.
    """
    factor, rate, paid = contract.tiers[0].factor, Fraction(0), Fraction(1)
    if len(contract.tiers) > 1 and counts(contract.basis, price_class, Decimal(0), None) is not None:
        for share, tier in _parts(contract, sums.get(contract.basis, Decimal(0))):
            factor, rate = factor + share * (tier.factor - contract.tiers[0].factor), rate + share * tier.rate
    if contract.free_basis and counts(contract.free_basis, price_class, Decimal(0), None) is not None:
        used = sums.get(contract.free_basis, Decimal(0))
        paid = 1 - min(Fraction(1), Fraction(contract.free) / Fraction(used)) if used > 0 else Fraction(1)
    return Terms(factor, rate, paid)


def _parts(contract: Contract, total: Decimal) -> Sequence[tuple[Fraction, Tier]]:
    """Which share of the month's total lies in which tier; the shares sum to 1."""
    if total <= 0:
        return [(Fraction(1), contract.tiers[0])]
    if contract.whole:
        return [(Fraction(1), [tier for tier in contract.tiers if tier.over < total or tier.over == 0][-1])]
    bounds = [min(tier.over, total) for tier in contract.tiers[1:]] + [total]
    return [
        (Fraction(bound - min(tier.over, total)) / Fraction(total), tier)
        for tier, bound in zip(contract.tiers, bounds, strict=True)
    ]


def rounded(value: Fraction) -> Decimal:
    """A fraction as money, rounded half-even at 12 decimals."""
    return Decimal(round(value * _WHOLE)).scaleb(-12, _WIDE)
