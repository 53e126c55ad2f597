"""Self-hosted capacity as people write it: what fleets of GPUs cost, and whose usage they serve.

A list of fleets, in any order (of usage that two fleets serve by tokens, the first one counts it)::

    - code: h100-eu
      gpu: NVIDIA H100 80GB HBM3      # its type; names what the fleet costs beside usage
      count: 8                        # GPUs, or dated: [{from: 2026-01-01, count: 8}, {from: 2026-06-01, count: 16}]
      valid_from: 2026-01-01          # its first day
      valid_to: 2028-01-01            # exclusive; default: open. What is not amortised then is written off
      zone: Europe/Berlin             # clock of its days and months; default UTC
      currency: EUR                   # default USD
      rent: "2.35"                    # per GPU and hour, or dated as count
      purchase: {price: "240000", residual: "24000", months: 36, from: 2026-01-01}   # or a list; from: default valid_from
      staff: "8000"                   # per calendar month, or dated
      overhead: "1500"                # per calendar month, or dated: space, network, support
      energy:
        source: metered               # watt hours of its meters, or tdp: tdp_watts x GPU-hours in use x utilisation
        tdp_watts: 700
        utilisation: "0.8"            # of TDP, what a GPU in use draws; default 1; for tdp only
        pue: "1.3"                    # default 1
        price_per_kwh: "0.11"         # default 0: it is in the rent
        co2_kg_per_kwh: "0.35"        # default 0
      basis: allocation               # by what usage takes its share, see below
      meters: {host: "n1*"}           # usage keys of the readings of its GPUs (DCGM)
      serves:                         # usage keys whose tokens it makes
        - model: "llama-70b*"
          gpus: {project: search}     # on which of its metered GPUs; default: on any
          reserved: 4                 # or: GPUs set aside for it, where no meter tells; may be dated
          throughput: "2500"          # tokens per second that one GPU makes under full load
          weights: {input: "0.2", cache_read: "0", output: "1"}   # what a token counts; default 1
      utilisation: "0.6"              # as planned; the load itself under basis tokens without a throughput
      idle_owner: {cost_centre: CC-IT, team: infra}   # who bears what is idle; default: by the rules
      bill: {provider: coreweave, billing_account: acc-1}   # whose bill states it too; default: selfhosted (OpenCost), any

``basis`` says how many GPU-hours usage has had. *allocation*: time x GPUs reserved, the GPU-hours of meters with a pod or
those set aside. *gpu_active*: the active part of metered GPU-hours. *tokens*: tokens by ``throughput``. The last two are
the usage basis: what is reserved and not used is idle. What metered GPUs have had is borne by the tokens made on them; where
there are none (a training job), by the meter's own usage. Each day all that the fleet costs is charged: the part of the
GPU-hours that usage has had is used, the rest is idle. The load is the day's: an hour above it evens out one below.
Energy by meters is shared like the rest; energy by TDP is that of usage alone.

Numbers are strings or whole numbers, so that none passes through a float; how usage keys are named:
allocation.calc.contracts_fields.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from allocation.calc.amortisation import ZERO, months_later
from allocation.calc.capacity_schedule import Dated
from allocation.calc.contracts_fields import AgreementError, Fields, Match, entries, exact
from allocation.calc.nested_fields import dated, inner, owner, several, some
from finops.tokens import ALL_INPUT_CLASSES, ALL_OUTPUT_CLASSES, TOKEN_CLASSES

BASES = ("allocation", "gpu_active", "tokens")
_FLEET = (
    "code", "gpu", "count", "valid_from", "valid_to", "zone", "currency", "rent", "purchase", "staff", "overhead", "energy",
    "basis", "meters", "serves", "utilisation", "idle_owner", "bill",
)  # fmt: skip
_ENERGY = ("code", "source", "tdp_watts", "utilisation", "pue", "price_per_kwh", "co2_kg_per_kwh")
_GROUPS = {"input": ALL_INPUT_CLASSES, "output": ALL_OUTPUT_CLASSES}
ONE = Decimal(1)


class Purchase(NamedTuple):
    """GPUs that were bought: ``worth`` (price less residual) is amortised from ``begin`` up to ``end``."""

    worth: Decimal
    begin: date
    end: date


class Energy(NamedTuple):
    """What a fleet draws: ``tdp_watts`` None where meters say it. Price and CO2e are per kWh after PUE."""

    tdp_watts: Decimal | None
    utilisation: Decimal
    pue: Decimal
    price: Decimal
    co2: Decimal


class Workload(NamedTuple):
    """Usage keys whose tokens a fleet makes. ``reserved`` and ``throughput`` None: not stated."""

    match: Match
    gpus: Match
    reserved: Dated | None
    throughput: Decimal | None
    weights: Mapping[str, Decimal]


class Fleet(NamedTuple):
    """One fleet; ``meters`` None: it has none."""

    code: str
    gpu: str
    gpus: Dated
    begin: date
    end: date
    zone: ZoneInfo
    currency: str
    rent: Dated
    purchases: tuple[Purchase, ...]
    staff: Dated
    overhead: Dated
    energy: Energy | None
    basis: str
    meters: Match | None
    serves: tuple[Workload, ...]
    utilisation: Decimal | None
    idle_owner: tuple[str, str]
    bill: tuple[str, str] = ("selfhosted", "")  # provider and billing account, '': any


class Capacity(NamedTuple):
    """All fleets, and the first day on which any of them costs."""

    fleets: tuple[Fleet, ...]

    @property
    def begins(self) -> date | None:
        """The first day of any fleet."""
        return min((fleet.begin for fleet in self.fleets), default=None)


def parse(document: Any) -> Capacity:
    """Fleets from their YAML form. Raises AgreementError naming the entry and the field."""
    return Capacity(tuple(_fleet(fields) for fields in entries(document, "fleets")))


def _fleet(fields: Fields) -> Fleet:
    fields.only(_FLEET)
    if fields.match().wanted:
        raise AgreementError(f"{fields.code}: say which usage is meant under serves and meters")
    begin, end = fields.day("valid_from"), fields.day("valid_to")
    if begin is None:
        raise fields.wrong("valid_from", "is missing: the fleet costs from its first day, used or not")
    if end is not None and end <= begin:
        raise fields.wrong("valid_to", "must be after valid_from")
    meters = inner(fields, "meters")
    fleet = Fleet(
        fields.code, fields.text("gpu"), dated(fields, "count"), begin, end or date.max, fields.zone(), fields.currency(),
        dated(fields, "rent"), tuple(_purchase(each, begin) for each in several(fields, "purchase")),
        dated(fields, "staff"), dated(fields, "overhead"), _energy(fields), fields.one_of("basis", BASES),
        some(meters) if meters else None, tuple(_workload(each) for each in several(fields, "serves")),
        _part(fields, "utilisation"), owner(fields, "idle_owner"), _bill(fields),
    )  # fmt: skip
    _check(fields, fleet)
    return fleet


def _check(fields: Fields, fleet: Fleet) -> None:
    largest = [max((number for _, number in dated.values), default=ZERO) for dated in (fleet.gpus, fleet.rent)]
    fields.fits("rent", largest[0] * largest[1] * 24)
    since = fleet.gpus.values[0][0] if fleet.gpus.values else date.max
    if since is not None and since > fleet.begin:
        raise fields.wrong("count", f"must say how many GPUs there are from {fleet.begin} on")
    if fleet.energy and fleet.energy.tdp_watts is None and fleet.meters is None:
        raise fields.wrong("energy", "is metered, but meters do not say whose readings are meant; or state source: tdp")
    reserved = bool(fleet.serves) and all(work.reserved is not None for work in fleet.serves)
    if fleet.basis == "allocation" and fleet.meters is None and fleet.serves and not reserved:
        raise fields.wrong("basis", "allocation needs meters, or how many GPUs are reserved for all that it serves")
    if fleet.basis == "gpu_active" and fleet.meters is None:
        raise fields.wrong("basis", "gpu_active needs meters: whose readings say how active GPUs are")
    if late := next((each for each in fleet.purchases if each.begin >= fleet.end), None):
        raise fields.wrong("purchase", f"is of {late.begin}, when the fleet is not in service any more")
    rated = all(work.throughput is not None for work in fleet.serves)
    if fleet.basis == "tokens" and not rated and fleet.utilisation is None:
        raise fields.wrong("basis", "tokens needs the throughput of all that it serves, or its utilisation")


def _purchase(fields: Fields, begin: date) -> Purchase:
    fields.only(("code", "price", "residual", "months", "from"))
    price = fields.money("price")
    residual = fields.money("residual") if fields.given("residual") else ZERO
    months = fields.whole("months", 0, most=1_200)
    if residual > price or months == 0:
        raise fields.wrong(
            *(("residual", "is above the price") if residual > price else ("months", "must be 1 or more"))
        )
    since = fields.day("from") or begin
    return Purchase(price - residual, since, months_later(since, months))


def _energy(outer: Fields) -> Energy | None:
    fields = inner(outer, "energy")
    if fields is None:
        return None
    fields.only(_ENERGY)
    tdp = fields.one_of("source", ("metered", "tdp")) == "tdp"
    for name in ("tdp_watts", "utilisation"):
        if fields.given(name) and not tdp:
            raise fields.wrong(name, "is for source: tdp")
    found = {name: fields.number(name) if fields.given(name) else None for name in _ENERGY[2:]}
    if tdp and found["tdp_watts"] is None:
        raise fields.wrong("tdp_watts", "is missing")
    pue = ONE if found["pue"] is None else found["pue"]
    if pue < 1:
        raise fields.wrong("pue", "is at least 1: all that is drawn over what computers draw")
    return Energy(
        found["tdp_watts"], _part(fields, "utilisation") or ONE, pue, found["price_per_kwh"] or ZERO,
        found["co2_kg_per_kwh"] or ZERO,
    )  # fmt: skip


def _workload(fields: Fields) -> Workload:
    fields.only(("code", "gpus", "reserved", "throughput", "weights"))
    gpus = inner(fields, "gpus")
    throughput = fields.number("throughput") if fields.given("throughput") else None
    if throughput == 0:
        raise fields.wrong("throughput", "must be above 0")
    reserved = dated(fields, "reserved") if fields.given("reserved") else None
    if reserved is not None and gpus is not None:
        raise fields.wrong("reserved", "is for GPUs that no meter tells of; say either gpus or reserved")
    return Workload(some(fields), some(gpus) if gpus else Match(()), reserved, throughput, _weights(fields))


def _weights(outer: Fields) -> dict[str, Decimal]:
    fields = inner(outer, "weights")
    found = dict.fromkeys(TOKEN_CLASSES, ONE)
    if fields is None:
        return found
    for name in sorted(fields.entry.keys() - {"code"}, key=lambda name: (name not in _GROUPS, name)):
        if name not in _GROUPS and name not in TOKEN_CLASSES:
            raise outer.wrong(
                f"weights.{name}", f"is no class of tokens; known are input, output, {', '.join(TOKEN_CLASSES)}"
            )
        found |= dict.fromkeys(_GROUPS.get(name, (name,)), exact(fields.entry[name], f"{outer.code}: weights.{name}"))
    return found


def _bill(outer: Fields) -> tuple[str, str]:
    fields = inner(outer, "bill")
    if fields is None:
        return "selfhosted", ""
    fields.only(("code", "provider", "billing_account"))
    return (fields.text("provider") or "selfhosted").lower(), fields.text("billing_account")


def _part(fields: Fields, name: str) -> Decimal | None:
    value = fields.number(name) if fields.given(name) else None
    if value is not None and not 0 < value <= 1:
        raise fields.wrong(name, f"is a part, above 0 and up to 1, not {value}")
    return value
