"""October 2026 with everything that FOCUS has a word for: usage, splits, a discount, commitments, a fleet, tax, a credit,
another currency, usage without a price, and a provider's bill with its invoices and a correction of September."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from allocation import rulebook
from allocation.costing import steps, terms
from allocation.derived import refresh
from finops.models import FxRate, SiteMark
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

SAMPLES = Path(__file__).parents[1] / "samples" / "focus"
RULES = [
    {"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-100", "team": "search"}},
    {"id": "r2", "priority": 2, "when": {"tag.team": "shared"},
     "to": {"shares": {"CC-100": "0.333", "CC-200": "0.333", "CC-300": "0.334"}}},
    {"id": "r3", "priority": 3, "when": {"layer": "other"}, "to": {"shares": {"CC-100": "0.75", "CC-200": "0.25"}}},
]  # fmt: skip
TERMS: dict[str, list[dict[str, Any]]] = {
    "contracts": [{"code": "frame", "provider": "openai", "model": "gpt-5", "discount": "12.5"}],
    "commitments": [
        {"code": "ptu", "commitment_id": "r-4711", "kind": "provisioned_throughput", "provider": "openai",
         "model": "gpt-5-mini", "from": "2026-10-01", "to": "2026-11-01", "units": "1", "price": "310",
         "capacity": "1000", "owner": {"cost_centre": "FIN"}},
        {"code": "seats", "kind": "seats", "provider": "anthropic", "from": "2026-10-01", "to": "2026-12-01",
         "price": "30", "seats": 3, "assigned": [{"who": "ada", "cost_centre": "CC-100", "team": "search"}],
         "owner": {"cost_centre": "FIN"}},
    ],
    "capacity": [
        {"code": "lab", "gpu": "NVIDIA A100", "count": 2, "valid_from": "2026-10-14", "valid_to": "2026-10-16",
         "rent": "2", "basis": "tokens", "serves": [{"model": "llama-70b", "throughput": "1000"}],
         "idle_owner": {"cost_centre": "CC-IT"}},
    ],
    "other_charges": [
        {"code": "tracing", "category": "licence", "amount": "300", "every": "month", "from": "2026-10-05",
         "owner": {"cost_centre": "CC-200"}},
        {"code": "staff", "category": "staff", "amount": "70", "currency": "EUR", "from": "2026-10-14"},
        {"code": "gst", "category": "tax", "amount": "19", "from": "2026-10-14", "tax": "non_recoverable",
         "base": ["tracing", "staff"]},
        {"code": "sla", "category": "credit", "amount": "-50", "from": "2026-10-14", "credit": "charge", "base": "tracing"},
    ],
}  # fmt: skip


def load(folder: Path) -> None:
    """Fill an empty ledger."""
    SiteMark.objects.create(name="demo", value={"until": "2026-10-31"})
    FxRate.objects.create(day=date(2026, 10, 14), base="EUR", quote="USD", rate=Decimal("1.0837"))
    rulebook.load(RULES, actor="test")
    for kind, entries in TERMS.items():
        terms.load(kind, json.loads(json.dumps(entries)), steps.AGREEMENTS[kind], actor="test")
    terms._parsed.cache_clear()
    records = []
    for number in range(60):
        model = ("gpt-5", "gpt-5-mini", "gpt-nobody-knows", "gpt-5")[number % 4]
        team = ("search", "shared", "other")[number % 3]
        records.append(
            payload(
                number, model=model, model_group=model, prompt=1001 + 37 * number, output=333 + number,
                cached=number * 7, reasoning=number, team=team, at=f"2026-10-{14 + number % 2}T13:00:00Z",
            )
        )  # fmt: skip
    for number in range(60, 64):
        records.append(
            payload(
                number, model="llama-70b", model_group="llama-70b", custom_llm_provider="hosted_vllm", team="search",
                at="2026-10-14T09:00:00Z", output=500_000,
            )
        )  # fmt: skip
    ingest_file(Import(write_lines(folder / "usage.jsonl", records), "litellm"))
    ingest_file(Import(SAMPLES / "focus_1_4_ai_full.csv", "focus", observed_at=datetime(2026, 11, 2, tzinfo=UTC)))
    refresh()
