"""Commitments: what is paid for whether it is used or not. A list of entries::

    - code: azure-ptu-eu
      kind: provisioned_throughput  # or reserved_gpu, prepaid_credit, enterprise_commit, seats, subscription
      provider: azure               # the usage it covers: dimensions as in contracts (allocation.calc.contracts)
      model: "gpt-5*"
      from: 2026-01-01              # a date, or an instant with an offset; to: exclusive
      to: 2027-01-01
      zone: Europe/Berlin           # whose days and hours: the issuer's; default UTC
      currency: EUR                 # default USD
      owner: {cost_centre: FIN, team: platform}   # of what is not used; default: by the rules
      priority: 10                  # who covers first (lower first; 100 where none is given, then by code)
      terminated: 2026-09-01        # an early end: what is left of paid prices is posted on this day, as unused
      purchase: invoiced            # the invoice's own lines show the purchase; default: computed, one is charged here
      commitment_id: r-4711         # as the issuer names it; default: the code
      note: "..."

``provisioned_throughput`` (Azure PTU, Bedrock model units, Vertex GSU) and ``reserved_gpu``::

      units: "100"                  # throughput units, or GPUs
      unit_price: "260"             # per unit; or price, of all of them
      per: month                    # of the price: term (default), month, day or hour. Without ``to`` all but term go on
      capacity: "150000"            # per unit and hour, in weighted tokens; of GPUs in gpu_hour, default 1
      weights: {input: "1", cache_read: "0", output: "4"}   # default: 1 of each token class; GPUs: gpu_hour 1
      step: hour                    # smallest period that is covered, and amortised: hour (default) or day. What is paid
                                    # per day costs that each day, whichever the step

Each hour covers as much of its matching usage as there is capacity, the same share of everybody's; what is above stays
at its contracted price. Of usage whose hour nobody knows (a provider's bucket of a day) as much is covered as the day's
capacity has left. A class without a weight is not covered; one of weight 0 is covered in the share of its hour.

``prepaid_credit``: ``face`` (what may be consumed, at contracted cost), ``price`` (paid on ``from``; default: the face) and
``to``, the first day on which it is worth nothing. Credits of one set of conditions are consumed earliest expiry first;
usage has the effective cost that was paid for the credit. What expires is charged to the owner (status Expired).

``enterprise_commit``: ``amount`` to be spent from ``from`` to ``to``, at contracted cost, commitments' purchases included;
what is missing is charged on the last day (status Shortfall). Credits and commits are about usage listed in their currency.

``seats``: ``price`` per seat and month, ``seats`` (how many are bought) and who has them::

      assigned: [{who: ada@example.com, cost_centre: CC-100, team: search, from: 2026-02-01, to: 2026-07-01}]
      covers: {source: [claude_code, codex], principal: "*@example.com"}   # usage under the seats: it is notional

A seat's price is amortised by the day; seats that nobody has are unused and the owner's. ``subscription``: a ``price`` per
month for its owner, and ``covers``. Notional usage has a list price and costs nothing else: no spend is counted twice. Its
source must name a billing account of its own, else it is taken for calls of the API that a gateway or bill knows too.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from allocation.calc.amortisation import HOUR, Instalment, Share, day_of, share_of
from allocation.calc.contracts_fields import Match
from finops.money import share

CAPACITY = ("provisioned_throughput", "reserved_gpu")
CREDIT, ENTERPRISE, SEATS, SUBSCRIPTION = "prepaid_credit", "enterprise_commit", "seats", "subscription"
KINDS = (*CAPACITY, CREDIT, ENTERPRISE, SEATS, SUBSCRIPTION)
ZERO = Decimal(0)


class Seat(NamedTuple):
    """Who has a seat, and which cost centre bears it, from a day up to, not including, another."""

    who: str
    cost_centre: str
    team: str
    start: date
    end: date

    def holds_on(self, day: date) -> bool:
        """Whether the seat is theirs on that day."""
        return self.start <= day < self.end


class Capacity(NamedTuple):
    """How much of which classes an hour covers."""

    per_hour: Decimal
    weights: Mapping[str, Decimal]


class Commitment(NamedTuple):
    """One entry, parsed; in force from ``start`` up to, not including, ``end`` (instants), or ``ended`` before it.

    Usage is covered by ``step``; ``instalments`` are amortised by it, or by ``paid_by`` where that is said.
    ``as_consumed``: billed day by day as they are. ``amount``: face of a credit, spend of an enterprise commit.
    ``bought``: seats.
    """

    code: str
    kind: str
    match: Match
    priority: int
    owner: tuple[str, str]
    currency: str
    zone: ZoneInfo
    start: datetime
    end: datetime
    ended: datetime | None
    commitment_id: str
    computes_purchase: bool
    step: str
    instalments: tuple[Instalment, ...] = ()
    as_consumed: bool = False
    capacity: Capacity | None = None
    amount: Decimal = ZERO
    bought: int = 0
    seats: tuple[Seat, ...] = ()
    covers: Match | None = None
    paid_by: str = ""

    @property
    def subject(self) -> str:
        """The name of its charges."""
        return f"commitment {self.code}"

    @property
    def stops(self) -> datetime:
        """When it really ends."""
        return self.end if self.ended is None else min(self.ended, self.end)

    @property
    def first(self) -> date:
        """Its first day."""
        return day_of(self.start, self.zone)

    @property
    def last(self) -> date:
        """The first day after it; of a term that ends within a day, that day."""
        return day_of(self.stops, self.zone)

    @property
    def price(self) -> Decimal:
        """All that is paid for the term."""
        return sum((instalment.price for instalment in self.begun()), ZERO)

    def begun(self) -> list[Instalment]:
        """The instalments that are paid: those that begin before an early end."""
        return [one for one in self.instalments if self.ended is None or one.start < self.ended]

    def cost(self, day: date) -> Share:
        """What a day costs: amortised cost, how many steps it has, and what an early end leaves."""
        if not self.first <= day <= day_of(self.end, self.zone):
            return Share()
        shares = [
            share_of(one, day, self.paid_by or self.step, self.zone, None if self.as_consumed else self.ended)
            for one in self.begun()
            if day_of(one.start, self.zone) <= day <= day_of(one.end, self.zone)
        ]
        return Share(
            sum((one.cost for one in shares), ZERO), sum(one.steps for one in shares),
            sum((one.rest for one in shares), ZERO),
        )  # fmt: skip

    def hours(self, day: date) -> int:
        """How many of its hours begin on a day."""
        return share_of(Instalment(ZERO, self.start, self.stops), day, HOUR, self.zone).steps

    def purchased(self, day: date) -> Decimal:
        """What is billed for it on a day."""
        if self.as_consumed:
            return self.cost(day).cost
        return sum((one.price for one in self.begun() if day_of(one.start, self.zone) == day), ZERO)


class Commitments(NamedTuple):
    """A document, parsed, in the order in which commitments cover; ``begins``: the first day of any."""

    commitments: tuple[Commitment, ...]
    begins: date | None

    def of_kind(self, *kinds: str) -> list[Commitment]:
        """Those of some kinds, in their order."""
        return [commitment for commitment in self.commitments if commitment.kind in kinds]


def seats_of(commitment: Commitment, day: date) -> list[tuple[tuple[str, str] | None, int, Decimal]]:
    """A day of seats: (cost centre and team, or None for those that nobody has; how many; what they cost).

    Invariant: the costs sum to the day's, what an early end leaves included, and that is with the unused ones.
    """
    found = commitment.cost(day)
    counts: dict[tuple[str, str], int] = {}
    for seat in commitment.seats:
        if found.steps and seat.holds_on(day):
            owner = seat.cost_centre, seat.team
            counts[owner] = counts.get(owner, 0) + 1
    owners: list[tuple[str, str] | None] = [*sorted(counts), None]
    sizes = [*(counts[owner] for owner in sorted(counts)), commitment.bought - sum(counts.values())]
    costs = share(found.cost, sizes).to_pylist() if found.cost else [ZERO] * len(sizes)
    costs[-1] += found.rest
    return [(owner, size, cost) for owner, size, cost in zip(owners, sizes, costs, strict=True) if cost]
