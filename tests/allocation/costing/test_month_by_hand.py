"""A month with everything that money can be: each figure equals a ledger written by hand, whatever comes first."""

from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from allocation import reconciliation_invoices, rulebook
from allocation.costing import fx as currencies
from allocation.costing import steps
from allocation.derived import refresh
from allocation.models import AllocatedCost, Charge, CostDaily
from finops import fx
from finops.fx_files import Published
from ingest.services import Import, ingest_file
from tests.allocation.costing.agreed import MILLION, agree, derive
from tests.allocation.costing.test_capacity import FLEET, calls, scrapes
from tests.ingest.sources.bills import write_csv
from tests.ingest.sources.test_focus import ROW
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
ZERO, TINY = D(0), D("0.000000000001")
RULES = [
    {"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-1"}},
    {"id": "r2", "priority": 2, "when": {"tag.team": "chat"}, "to": {"cost_centre": "CC-2"}},
    {"id": "r3", "priority": 3, "when": {"provider": ["exampleai", "datalabel"]}, "to": {"cost_centre": "CC-3"}},
    {"id": "r4", "priority": 4, "when": {"provider": "selfhosted"}, "to": {"cost_centre": "CC-REST"}},
]

# gpt-5 costs 1.25 for a million tokens of input and 10 of output, gpt-5-mini 0.25 of input, claude-haiku-4-5 1 of input.
AGREEMENTS = {
    "contracts": "[{code: frame, provider: openai, discount: '20'}]",
    # 720 for 30 days = 24 a day = 1 an hour, for 10,000 tokens an hour.
    "commitments": """
    - {code: ptu, kind: provisioned_throughput, provider: openai, model: gpt-5-mini, from: 2026-09-01, to: 2026-10-01,
       price: "720", units: "10", capacity: "1000", owner: {cost_centre: CC-PLAT}}
    - {code: early, kind: prepaid_credit, provider: anthropic, from: 2026-09-05, to: 2026-09-20, face: "100", price: "80",
       owner: {cost_centre: CC-PLAT}}
    - {code: chat, kind: seats, provider: openai, from: 2026-09-01, price: "30", seats: 4, owner: {cost_centre: CC-PLAT},
       assigned: [{who: ada, cost_centre: CC-1}, {who: bob, cost_centre: CC-2, from: 2026-09-16}]}
    """,
    "other_charges": """
    - {code: tracing, category: licence, amount: "300", from: 2026-09-01, to: 2026-10-01, owner: {cost_centre: CC-2}}
    - {code: vat, category: tax, amount: "57", from: 2026-09-30, tax: recoverable}
    - {code: gst, category: tax, amount: "30", from: 2026-09-30, tax: non_recoverable, base: tracing}
    """,
}
RATES = ((8, "1.10"), (9, "1.20"), (30, "1.25"))


def at(day: int, hour: int = 12) -> str:
    return datetime(2026, 9, day, hour, 30, tzinfo=UTC).isoformat()


def api_calls(path: Path) -> Path:
    mini = {"model": "gpt-5-mini", "model_group": "gpt-5-mini", "output": 0}
    claude = {
        "model": "claude-haiku-4-5",
        "model_group": "claude-haiku-4-5",
        "custom_llm_provider": "anthropic",
        "output": 0,
    }
    records = [
        payload("list-1", at=at(3), prompt=8 * MILLION, output=0),
        payload("list-2", at=at(4), prompt=0, output=MILLION, team="chat"),
        payload("credit-1", at=at(7), prompt=30 * MILLION, **claude),
        payload("credit-2", at=at(15), prompt=20 * MILLION, team="chat", **claude),
        payload("expired", at=at(25), prompt=5 * MILLION, team="nobody", **claude),
    ]
    for day, tokens in ((8, 6_300), (9, 10_000), (10, 16_000)):  # 63 %, 100 % and 160 % of each hour; all others 0 %
        records += [
            payload(f"ptu-{day}-{hour}", at=at(day, hour), prompt=tokens, team=("search", "chat")[hour % 2], **mini)
            for hour in range(24)
        ]
    return write_lines(path, records)


def euros(path: Path) -> Path:
    def row(day: int, cost: str, **given: str) -> dict[str, str]:
        costs = dict.fromkeys(("BilledCost", "EffectiveCost", "ContractedCost", "ListCost"), cost)
        of_day = {
            "ChargePeriodStart": f"2026-09-{day:02}T00:00:00Z",
            "ChargePeriodEnd": f"2026-09-{day + 1:02}T00:00:00Z",
        }
        return ROW | costs | of_day | {"BillingCurrency": "EUR", "ResourceId": ""} | given

    tax = {
        "ChargeCategory": "Tax",
        "ChargeDescription": "VAT",
        "SkuMeter": "",
        "PricingQuantity": "",
        "PricingUnit": "",
    }
    tiny = [row(8, f"{TINY:f}", ResourceId=f"r{number}", PricingQuantity="0") for number in range(5)]
    return write_csv(path, [row(8, "10"), row(9, "20"), row(9, "3.80", **tax), *tiny])


INVOICE = {
    "issuer": "DataLabel", "number": "DL-1", "provider": "datalabel", "billing_account": "dl-1",
    "billing_period": "2026-09", "currency": "EUR", "total": "50", "lines": [],
}  # fmt: skip

# The ledger: cost centre, agreement, status, category, class: quantity, ListCost, ContractedCost, EffectiveCost, BilledCost.
MINI, HOURS = D("0.25") / MILLION, 12  # each team has every other hour
SMALL = 100 * D("1.25") / MILLION  # a call of gpt-5 beside those of the fleet: 100 tokens in, 10 out (0.0001)
COVERED = HOURS * (6_300 + 10_000 + 10_000)  # tokens of each team that throughput covers: 315,600
ABOVE = HOURS * 6_000  # and those of the 10th above its 10,000 an hour: 72,000
THROUGHPUT = HOURS * (D("0.63") + 1 + 1)  # what each team's hours cost of it: 31.56
KWH = D("8.8125")  # 23 hours of 250 Wh, one of 100 as the counter begins anew, 24 of 50; x PUE 1.25
# Active are 13.2 of the 72 GPU-hours: 20 to 90 % of one GPU, in the sentinel's hour by its utilisation in percent.
RENT = D("39.6")  # 216 a day x 13.2 / 72
KWH_USED = D("1.615625")  # 8.8125 x 13.2 / 72
SEARCH, CHAT = D("0.75"), D("0.25")  # of the fleet: by 300 and 100 tokens of output
LEDGER = {
    # the API under a contract with 20 % off, and what is above the throughput
    ("CC-1", "contract frame", "", "Usage", "input_uncached"): (
        8 * MILLION + ABOVE, 10 + ABOVE * MINI, 8 + ABOVE * MINI * D("0.8"), 8 + ABOVE * MINI * D("0.8"), 0),
    ("CC-2", "contract frame", "", "Usage", "input_uncached"): (
        ABOVE + 100, ABOVE * MINI + SMALL, *[(ABOVE * MINI + SMALL) * D("0.8")] * 2, 0),
    ("CC-2", "contract frame", "", "Usage", "output_visible"): (
        MILLION + 10, 10 + D("0.0001"), *[(10 + D("0.0001")) * D("0.8")] * 2, 0),
    # throughput: 720 = 31.56 + 31.56 + 656.88; on 27 days nobody uses it, on the 8th 37 % are left
    ("CC-1", "commitment ptu", "Used", "Usage", "input_uncached"): (
        COVERED, COVERED * MINI, COVERED * MINI * D("0.8"), THROUGHPUT, 0),
    ("CC-2", "commitment ptu", "Used", "Usage", "input_uncached"): (
        COVERED, COVERED * MINI, COVERED * MINI * D("0.8"), THROUGHPUT, 0),
    ("CC-PLAT", "commitment ptu", "Unused", "Usage", "amortisation"): (
        0, *[27 * 24 + 24 * D("0.37")] * 3, 0),
    ("CC-PLAT", "commitment ptu", "", "Purchase", "purchase"): (0, 0, 0, 0, 720),
    # credits of 100 for 80: 30 and 20 are consumed, the other 50 expire on the 20th
    ("CC-1", "commitment early", "Used", "Usage", "input_uncached"): (30 * MILLION, 30, 30, 30 * D("0.8"), 0),
    ("CC-2", "commitment early", "Used", "Usage", "input_uncached"): (20 * MILLION, 20, 20, 20 * D("0.8"), 0),
    ("CC-PLAT", "commitment early", "Expired", "Usage", "breakage"): (50, *[50 * D("0.8")] * 3, 0),
    ("CC-PLAT", "commitment early", "", "Purchase", "purchase"): (0, 0, 0, 0, 80),
    ("", "", "", "Usage", "input_uncached"): (5 * MILLION, 5, 5, 5, 0),  # after the expiry, of no known team
    # four seats at 30 a month, 1 a day: Ada's 30 days, Bob's 15, and what nobody has
    ("CC-1", "commitment chat", "Used", "Usage", "seat"): (30, 30, 30, 30, 0),
    ("CC-2", "commitment chat", "Used", "Usage", "seat"): (15, 15, 15, 15, 0),
    ("CC-PLAT", "commitment chat", "Unused", "Usage", "seat"): (4 * 30 - 45, *[4 * 30 - 45] * 3, 0),
    ("CC-PLAT", "commitment chat", "", "Purchase", "purchase"): (0, 0, 0, 0, 120),
    # the fleet, two days: 72 GPU-hours x 2 + 2160 / 30 = 216 a day; the second one is idle
    ("CC-1", "fleet a100-lab", "Used", "Usage", "output_visible"): (300, 0, 0, RENT * SEARCH, 0),
    ("CC-2", "fleet a100-lab", "Used", "Usage", "output_visible"): (100, 0, 0, RENT * CHAT, 0),
    ("CC-1", "fleet a100-lab", "Used", "Usage", "input_uncached"): (100, 0, 0, 0, 0),
    ("CC-2", "fleet a100-lab", "Used", "Usage", "input_uncached"): (100, 0, 0, 0, 0),
    ("CC-IT", "fleet a100-lab", "Idle", "Usage", "gpu_hour"): (
        72 - D("13.2") + 72, 0, 0, 216 - RENT + 216, 0),
    # its energy at 0.10 and its 0.4 kg of CO2e for each kilowatt hour
    ("CC-1", "fleet a100-lab", "Used", "Usage", "kilowatt_hour"): (
        KWH_USED * SEARCH, 0, 0, KWH_USED * SEARCH * D("0.1"), 0),
    ("CC-2", "fleet a100-lab", "Used", "Usage", "kilowatt_hour"): (
        KWH_USED * CHAT, 0, 0, KWH_USED * CHAT * D("0.1"), 0),
    ("CC-IT", "fleet a100-lab", "Idle", "Usage", "kilowatt_hour"): (
        KWH - KWH_USED, 0, 0, (KWH - KWH_USED) * D("0.1"), 0),
    ("CC-1", "fleet a100-lab", "Used", "Usage", "co2e_kilogram"): (KWH_USED * SEARCH * D("0.4"), 0, 0, 0, 0),
    ("CC-2", "fleet a100-lab", "Used", "Usage", "co2e_kilogram"): (KWH_USED * CHAT * D("0.4"), 0, 0, 0, 0),
    ("CC-IT", "fleet a100-lab", "Idle", "Usage", "co2e_kilogram"): ((KWH - KWH_USED) * D("0.4"), 0, 0, 0, 0),
    # the readings of its meters, which tokens bear
    ("CC-REST", "fleet a100-lab", "Used", "Usage", "gpu_hour"): (48, 0, 0, 0, 0),
    ("CC-REST", "fleet a100-lab", "Used", "Usage", "gpu_active_hour"): (D("13.2"), 0, 0, 0, 0),
    ("CC-REST", "fleet a100-lab", "Used", "Usage", "watt_hour"): (7050, 0, 0, 0, 0),
    # a licence, the tax on it that is borne, and one that is not
    ("CC-2", "other tracing", "", "Purchase", "licence"): (0, 300, 300, 300, 300),
    ("CC-2", "other gst", "", "Tax", "tax"): (0, 30, 30, 30, 30),
    ("CC-FIN", "other vat", "", "Tax", "tax"): (0, 57, 57, 57, 57),
    # a bill in euros, of the 8th at 1.10 and the 9th at 1.20, and an invoice without days, at the 30th's 1.25
    ("CC-3", "", "", "Usage", "input_uncached"): (2 * MILLION, *[10 * D("1.1") + 20 * D("1.2") + 5 * TINY] * 4),
    # five lines of 10^-12 euros at 1.10: each is rounded to 10^-12, all of them would be 5.5, which is rounded to 6
    ("CC-FIN", "fx rounding", "", "Adjustment", "fx_rounding"): (0, TINY, TINY, TINY, TINY),
    ("CC-3", "", "", "Tax", ""): (0, *[D("3.8") * D("1.2")] * 4),
    ("CC-3", "invoice DL-1", "", "Usage", ""): (0, *[50 * D("1.25")] * 4),
}  # fmt: skip


@pytest.fixture(autouse=True)
def september(ledger: None, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(steps, "_today", lambda: date(2026, 9, 30))
    settings.FINANCE_COST_CENTRE = "CC-FIN"
    rulebook.load(RULES, actor="test")


def stated_as(tmp_path: Path) -> dict[str, Any]:
    """Name -> what brings it into the ledger."""

    def rates() -> None:
        found = fx.load(
            [Published(date(2026, 9, day), "EUR", "USD", D(rate)) for day, rate in RATES], source="ecb", actor="t"
        )
        if found.days:
            currencies.charge_anew(*found.days)

    files = {
        "litellm api_calls": api_calls(tmp_path / "api.jsonl"), "dcgm scrapes": scrapes(tmp_path / "gpus.jsonl"),
        "litellm calls": calls(tmp_path / "calls.jsonl"), "focus euros": euros(tmp_path / "euros.csv"),
    }  # fmt: skip
    stated: dict[str, Any] = {
        name: lambda path=path, name=name: ingest_file(Import(path, name.split()[0])) for name, path in files.items()
    }
    stated |= {kind: lambda kind=kind: agree(kind, text_of(kind)) for kind in (*AGREEMENTS, "capacity")}
    return stated | {"rates": rates, "invoice": lambda: reconciliation_invoices.enter(INVOICE, by="ann")}


def text_of(kind: str) -> str:
    return AGREEMENTS.get(kind) or yaml.safe_dump([FLEET])


def by_hand() -> dict[tuple[str, ...], tuple[Decimal, ...]]:
    return {place: tuple(D(figure) for figure in figures) for place, figures in LEDGER.items()}


def charged() -> dict[tuple[str, ...], tuple[Decimal, ...]]:
    names = ("subject", "commitment_status", "charge_category", "price_class")
    found: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [ZERO] * 5)
    shares = AllocatedCost.objects.values_list(
        "cost_centre__code", *(f"charge__{name}" for name in names), "quantity", "list_cost", "contracted_cost",
        "effective_cost", "billed_cost",
    )  # fmt: skip
    for centre, subject, status, category, price_class, *figures in shares:
        place = found[centre or "", subject, status, category, price_class]
        place[:] = [sum_ + (figure or ZERO) for sum_, figure in zip(place, figures, strict=True)]
    return {place: tuple(figures) for place, figures in found.items() if any(figures)}


ORDER = ("contracts", "commitments", "capacity", "other_charges", "rates", "litellm api_calls", "dcgm scrapes",
         "litellm calls", "focus euros", "invoice")  # fmt: skip


@pytest.mark.parametrize(
    ("order", "steps_between"),
    [(ORDER, False), (tuple(reversed(ORDER)), True)],
    ids=["agreements first, all at once", "what is stated last first, charged after each"],
)
def test_every_figure_of_a_month_is_that_of_a_ledger_written_by_hand(
    order: tuple[str, ...], steps_between: bool, tmp_path: Path
) -> None:
    stated = stated_as(tmp_path)
    for name in order:
        stated[name]()
        if steps_between:
            refresh()
    derive()
    assert charged() == by_hand()
    # What is unallocated is what the ledger says; what has no price is borne by the fleet.
    assert sum(AllocatedCost.objects.filter(cost_centre=None).values_list("effective_cost", flat=True), ZERO) == 5
    assert not CostDaily.objects.exclude(unpriced_tokens=0, unpriced_estimate=0).exists()
    assert set(Charge.objects.values_list("billing_currency", flat=True)) == {"USD"}
    converted = (
        Charge.objects.filter(original_currency="EUR").exclude(fx_rate=None).order_by("charge_date", "effective_cost")
    )
    assert list(converted.values_list("charge_date", "original_cost", "fx_rate", "fx_day", "fx_source")) == [
        (date(2026, 9, day), D(cost), D(rate), date(2026, 9, day), "ecb")
        for day, cost, rate in ((8, "10.000000000005", "1.1"), (9, "3.8", "1.2"), (9, "20", "1.2"), (30, "50", "1.25"))
    ]
    # Agreements of the month close: what was paid is what was used, unused and expired.
    for commitment, paid in (("ptu", 720), ("early", 80), ("chat", 120)):
        rows = [figures for place, figures in charged().items() if place[1] == f"commitment {commitment}"]
        assert sum(figures[3] for figures in rows) == sum(figures[4] for figures in rows) == paid

    before = sorted(
        Charge.objects.values_list("charge_date", "subject", "sku_id", "effective_cost", "billed_cost"), key=str
    )
    for name in order:  # all of it again is nothing new
        stated[name]()
    derive()
    assert charged() == by_hand()
    again = sorted(
        Charge.objects.values_list("charge_date", "subject", "sku_id", "effective_cost", "billed_cost"), key=str
    )
    assert again == before
