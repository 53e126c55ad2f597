"""The demo's agreements: made-up terms on its usage, dated by its window, each marked *example*; and the rates of exchange.

What they cost is computed from the demo's usage like any site's.
"""

import csv
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import yaml
from django.db import transaction

from allocation.attribution import monthly
from allocation.costing import other_charges, steps, terms
from allocation.models import TermsVersion
from finops import approvals, fx
from finops.fx_files import Published
from finops.models import Approval, FxRate
from ingest import prices
from web import approving
from web.demo import seats
from web.demo.buckets import DATA
from web.demo.window import Window

EXAMPLE = "example"
PREPARER, APPROVER, ANALYST = "demo-finance-1", "demo-finance-2", "demo-analyst"
TAX = "example-digital-tax"
RATES_SOURCE = "example (made up)"
FLEET_MODEL = "ledger-qwen3-32b"
PLATFORM, USERS = "CC-390", ["CC-210", "CC-220", "CC-310", "CC-330", "CC-410"]
_CONTRACT = "example-anthropic-frame"


def load(window: Window) -> None:
    """Put the agreements and the scheduled prices in force, and leave two proposals for another person to decide."""
    with transaction.atomic():
        load_rates(window.first, window.until)
        for kind, document in documents(window).items():
            terms.load(kind, document, steps.AGREEMENTS[kind], actor=PREPARER)
        _approve_tax()
        _share_out()
        months = window.months()
        for number, entries in enumerate(scheduled_prices(months[-1].end)):
            raw = yaml.safe_dump(entries, sort_keys=False).encode()
            prices.load_prices(raw, f"example-prices-{number + 1}.yaml", actor=PREPARER)
        renewed = [*documents(window)["contracts"], _renewal(window)]
        if not Approval.objects.filter(kind=approving.AGREEMENTS).exists():  # a load that was broken off asked already
            approving.propose_agreements("contracts", renewed, by=ANALYST)


def _approve_tax() -> None:
    """The other one of the two people of finance accepts one of the charges that wait; the rest is left to the reader."""
    other_charges.settle(set())
    for asked in approvals.waiting(other_charges.APPROVAL):
        if asked.subject.endswith(TAX):
            approving.decide(
                asked, by=APPROVER, accept=True, reason="example: two per cent of Google's usage, as law says"
            )


def _share_out() -> None:
    """The pools of shared cost, and the standard rate that finance proposed and approved."""
    monthly.load("splits", pools(), actor=PREPARER)
    if not TermsVersion.objects.filter(kind="rate_cards").exists():
        asked = approving.propose_agreements("rate_cards", rate_cards(), by=PREPARER)
        approving.decide(asked, by=APPROVER, accept=True, reason="example: the rate that the budget was made with")


def pools() -> list[dict[str, Any]]:
    """Who bears what is shared."""
    return [
        {
            "code": "example-platform", "source": {"cost_centre": PLATFORM}, "method": "proportional", "driver": "tokens",
            "over": USERS, "note": "example: the platform team, by tokens",
        },
        {
            "code": "example-idle-gpus", "source": {"idle": True, "provider": "selfhosted"}, "method": "tier_weight",
            "weights": {"simple": "1", "moderate": "3", "complex": "10", "research": "25"}, "over": USERS,
            "note": "example: own GPUs that nobody used, by weighed queries",
        },
    ]  # fmt: skip


def rate_cards() -> list[dict[str, Any]]:
    """What a search that takes some thought costs those who search, whatever it cost to answer."""
    return [
        {
            "code": "example-search-answers", "cost_centre": "CC-220", "owner": {"cost_centre": PLATFORM}, "unit": "query",
            "tier": "moderate", "rate": "0.014", "note": "example",
        }
    ]  # fmt: skip


def documents(window: Window) -> dict[str, list[dict[str, Any]]]:
    """Kind -> its entries."""
    return {
        "contracts": _contracts(window), "commitments": _commitments(window), "capacity": _capacity(window),
        "other_charges": _other_charges(window),
    }  # fmt: skip


def _text(day: date) -> str:
    return day.isoformat()


def _contracts(window: Window) -> list[dict[str, Any]]:
    return [
        {
            "code": _CONTRACT, "provider": "anthropic", "billing_account": "anthropic-main",
            "valid_from": _text(window.first), "valid_to": _text(window.months()[-1].end + timedelta(days=61)),
            "discount": "5", "basis": "list_cost", "currency": "USD",
            "tiers": [{"over": "10000", "discount": "10"}, {"over": "25000", "discount": "15"}],
            "note": "example: frame contract, a better rate above 10,000 and 25,000 a month",
        },
    ]  # fmt: skip


def _renewal(window: Window) -> dict[str, Any]:
    ends = _contracts(window)[0]["valid_to"]
    return {
        "code": "example-anthropic-renewal", "provider": "anthropic", "billing_account": "anthropic-main",
        "valid_from": ends, "discount": "12", "currency": "USD", "note": "example: renewal as offered",
    }  # fmt: skip


def _commitments(window: Window) -> list[dict[str, Any]]:
    first, third = window.first, window.months()[2].start
    return [
        {
            "code": "example-deepseek-throughput", "kind": "provisioned_throughput", "provider": "deepseek",
            "billing_account": "deepseek-main", "from": _text(first), "to": _text(first.replace(year=first.year + 1)),
            "units": "8", "unit_price": "430", "per": "month", "capacity": "1900000", "weights": {"input": "1", "output": "3"},
            "priority": 10, "owner": {"cost_centre": "CC-410", "team": "risk-models"},
            "note": "example: bought for the peak of the day",
        },
        {
            "code": "example-deepseek-credit-1", "kind": "prepaid_credit", "provider": "deepseek",
            "billing_account": "deepseek-main", "face": "7000", "price": "6300", "from": _text(first), "to": _text(third),
            "owner": {"cost_centre": "CC-410", "team": "risk-models"}, "note": "example: a part of it expires",
        },
        {
            "code": "example-deepseek-credit-2", "kind": "prepaid_credit", "provider": "deepseek",
            "billing_account": "deepseek-main", "face": "24000", "price": "21120", "from": _text(third),
            "to": _text(window.until + timedelta(days=24)), "owner": {"cost_centre": "CC-410", "team": "risk-models"},
            "note": "example",
        },
        {
            "code": "example-coding-seats", "kind": "seats", "price": "100", "seats": seats.BOUGHT, "from": _text(first),
            "owner": {"cost_centre": "CC-310", "team": "developer-tools"},
            "assigned": [
                {"who": seats.principal(name), "cost_centre": centre, "team": team}
                for name, centre, team, _ in seats.HOLDERS
            ],
            "covers": {"billing_account": seats.ACCOUNT}, "note": "example",
        },
        {
            "code": "example-moonshot-commit", "kind": "enterprise_commit", "provider": "moonshotai", "amount": "900",
            "from": _text(first), "to": _text(first.replace(year=first.year + 1)),
            "owner": {"cost_centre": "CC-210", "team": "support-automation"}, "note": "example",
        },
    ]  # fmt: skip


def _capacity(window: Window) -> list[dict[str, Any]]:
    return [
        {
            "code": "example-l40s", "gpu": "NVIDIA L40S", "count": 2, "valid_from": _text(window.first), "currency": "EUR",
            "rent": "0.79", "staff": "420", "overhead": "160", "basis": "tokens", "utilisation": "0.6",
            "energy": {
                "source": "tdp", "tdp_watts": 350, "utilisation": "0.8", "pue": "1.3", "price_per_kwh": "0.14",
                "co2_kg_per_kwh": "0.35",
            },
            "serves": [{"model": FLEET_MODEL, "throughput": "190"}],
            "idle_owner": {"cost_centre": "CC-310", "team": "developer-tools"},
        }
    ]  # fmt: skip


def _other_charges(window: Window) -> list[dict[str, Any]]:
    first, second = _text(window.first), window.months()[1].start
    return [
        {
            "code": "example-tracing", "category": "observability", "description": "example: licence of a tracing platform",
            "amount": "690", "currency": "EUR", "from": first, "every": "month",
            "owner": {"cost_centre": "CC-310", "team": "developer-tools"},
        },
        {
            "code": "example-tracing-vat", "category": "tax", "description": "example: VAT on the licence, recoverable",
            "amount": "131.10", "currency": "EUR", "from": first, "every": "month", "tax": "recoverable",
        },
        {
            "code": TAX, "category": "tax", "description": "example: digital services tax on Google's usage",
            "rate": "0.02", "from": first, "every": "month", "tax": "non_recoverable", "base": {"provider": "google"},
        },
        {
            "code": "example-fine-tuning", "category": "fine_tuning", "description": "example: training of the house model",
            "amount": "4800", "from": _text(second), "to": _text(second.replace(year=second.year + 1)),
            "owner": {"cost_centre": "CC-410", "team": "risk-models"},
        },
        {
            "code": "example-evaluation", "category": "evaluation", "description": "example: human grading, from next month",
            "amount": "2600", "from": _text(window.months()[-1].start), "every": "month",
            "owner": {"cost_centre": "CC-220", "team": "answers"},
        },
        {
            "code": "example-platform-team", "category": "staff", "description": "example: a part of the platform team",
            "amount": "800", "from": first, "every": "month", "owner": {"cost_centre": PLATFORM},
        },
    ]  # fmt: skip


def scheduled_prices(day: date) -> list[list[dict[str, Any]]]:
    """Two loads of contract prices from a day to come: a cut that passes, and a slip by a decimal place that is held."""
    cut = {
        "provider": "google", "model": "gemini-2.5-flash", "prices": {"input": "0.27", "output": "2.25"}, "book": "contract",
        "valid_from": _text(day), "note": "example",
    }  # fmt: skip
    kimi = {
        "provider": "moonshotai", "model": "kimi-k2-0905-preview", "prices": {"input": "0.54", "output": "2.25"},
        "book": "contract", "valid_from": _text(day), "note": "example",
    }  # fmt: skip
    return [[cut, kimi], [cut, kimi | {"prices": {"input": "0.54", "output": "22.5"}}]]


def load_rates(first: date, last: date) -> None:
    """A made-up course of the euro for the days from ``first`` to ``last``; the file repeats where they are more."""
    with (DATA / "example_eur_usd.csv").open(encoding="utf-8", newline="") as file:
        course = [(int(row["offset"]), Decimal(row["rate"])) for row in csv.DictReader(file)]
    length = course[-1][0] + course[1][0]
    begin = FxRate.objects.filter(source=RATES_SOURCE).order_by("day").values_list("day", flat=True).first() or first
    found = []
    for offset in range(0, (last - begin).days + 1, course[1][0]):
        rate = dict(course)[offset % length]
        found.append(Published(begin + timedelta(days=offset), "EUR", "USD", rate))
    fx.load(found, source=RATES_SOURCE, actor=PREPARER)
