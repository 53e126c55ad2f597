"""October 2026 of tests.web.focus_month, closed and posted by two people, after a September that was closed before its last
calls came; and all that happens to a closed month later."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from allocation import closing, policies, reconciliation_invoices, rulebook
from allocation.attribution import adjustments, cost_centres, monthly
from allocation.calc.attribution import parse_mappings
from allocation.close import gl, journal, statements, states, waivers
from allocation.closing import GatesHold
from allocation.costing import steps, terms
from allocation.derived import refresh
from allocation.models import Statement, TierPolicy, TierRule
from allocation.reallocating import reallocate
from finops import fx
from finops.models import SiteMark
from finops.periods import Period
from forecasting import budgets
from forecasting.calc.budget_entries import Row
from ingest import price_approvals
from ingest.models import PriceBookVersion
from ingest.prices import load_builtin, load_overrides
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.web import focus_month
from web import approving
from web.exports.cells import csv_field

PREPARER, APPROVER = "ann", "bob"
SEPTEMBER, OCTOBER, NOVEMBER = (Period.month(f"2026-{number:02}") for number in (9, 10, 11))
MAPPINGS = [
    {"id": "m1", "when": {"tag.team": "shared"}, "set": {"environment": "production", "feature": "platform",
                                                         "tag.product": "assistant"}},
]  # fmt: skip
TREE = [
    {"code": "CC-GROUP", "name": "The group"},
    {"code": "CC-100", "name": "Search", "parent": "CC-GROUP", "gl_account": "640100", "legal_entity": "DE01"},
    {"code": "CC-200", "name": "Chat", "parent": "CC-GROUP", "gl_account": "640200"},
    {"code": "CC-300", "parent": "CC-200", "charging": "showback"},
]
POOLS = [
    {"code": "finance", "source": {"cost_centre": "FIN"}, "method": "even", "over": ["CC-100", "CC-200"]},
    {"code": "idle", "source": {"idle": True}, "method": "fixed", "shares": {"CC-100": "0.25", "CC-300": "0.5"}},
]
MOVED = {
    "month": "2026-10", "currency": "USD", "reason": "the evaluation ran on the wrong key", "evidence": {"text": "mail", "link": "https://example.com/mail"},
    "parts": [{"cost_centre": "CC-100", "amount": "2.5"}, {"cost_centre": "CC-200", "amount": "-2.5"}],
}  # fmt: skip


def close(folder: Path) -> None:
    """Fill an empty ledger, close September, let calls of September come late, and close October with its journal."""
    rulebook.load(focus_month.RULES, actor=PREPARER)
    called(folder, "september", *[("2026-09-08", "search")] * 3, *[("2026-09-30", "shared")] * 2)
    take(SEPTEMBER)
    terms.load("mappings", MAPPINGS, parse_mappings, actor=PREPARER)
    focus_month.load(folder)
    SiteMark.objects.update(value={"until": "2026-11-20"})
    called(folder, "late", ("2026-09-08", "search"), ("2026-09-30", "shared"))
    cost_centres.load(TREE, actor=PREPARER, today=OCTOBER.start)
    gl.load({"payers": [{"issuer": "*", "legal_entity": "US01"}]}, actor=PREPARER)
    budgeted("100")
    monthly.load("splits", POOLS, actor=PREPARER)
    approving.decide(adjustments.propose(MOVED, by=PREPARER), by=APPROVER, accept=True)
    refresh()
    take(OCTOBER)
    journal.export(OCTOBER, PREPARER, csv_field)


def take(period: Period) -> None:
    """From open to closed and posted; what the gates find is waived, as it was planted."""
    for step, by in (("preliminary", PREPARER), ("soft_closed", APPROVER), ("closed", APPROVER)):
        for statement in Statement.objects.filter(month=period.start, state="issued"):
            statements.accept(statement, by="owner")
        try:
            closing.close_step(period, step, by=by)
        except GatesHold as held:
            for gate in held.failing:
                asked = waivers.propose(period, states.of(period).version, gate, "planted", by=PREPARER)
                approving.decide(asked, by=APPROVER, accept=True)
            closing.close_step(period, step, by=by)
    journal.post(period, PREPARER)


def called(folder: Path, name: str, *calls: tuple[str, str], **given: Any) -> None:
    """Calls of gpt-5: day and team."""
    records = [
        payload(f"{name}-{number}", model="gpt-5", model_group="gpt-5", team=team, at=f"{day}T13:00:00Z", **given)
        for number, (day, team) in enumerate(calls)
    ]
    ingest_file(Import(write_lines(folder / f"{name}.jsonl", records), "litellm"))
    refresh()


def budgeted(amount: str) -> None:
    rows = [Row(2, {"cost_centre": "CC-100", "month": "2026-10", "amount": amount})]
    version = budgets.propose(budgets.Asked(2026), ["cost_centre", "month", "amount"], rows, by=PREPARER)
    assert version.approval is not None
    approving.decide(version.approval, by=APPROVER, accept=True)


def _price(folder: Path) -> None:
    path = folder / "prices.yaml"
    path.write_text(
        yaml.safe_dump([{"provider": "openai", "model": "gpt-5", "prices": {"input": "20", "output": "40"}}])
    )
    load_overrides(path, actor=PREPARER)
    for asked in price_approvals.pending():
        price_approvals.approve(asked["id"], by=APPROVER)


def _rules(_: Path) -> None:
    rulebook.load(
        [{"id": "r1", "priority": 1, "when": {"provider": "*"}, "to": {"cost_centre": "CC-900"}}], actor=PREPARER
    )
    reallocate()


def _mappings(_: Path) -> None:
    other = [
        {"id": "m1", "when": {"provider": "*"}, "set": {"environment": "lab", "feature": "none", "tag.product": "x"}}
    ]
    terms.load("mappings", other, parse_mappings, actor=PREPARER)


def _tree(_: Path) -> None:
    moved = [entry | {"name": "Renamed", "gl_account": "999999"} for entry in TREE if "parent" in entry]
    for entry, parent in zip(moved, ("CC-NEW", "CC-100", "CC-NEW"), strict=True):
        entry["parent"] = parent
    cost_centres.load([{"code": "CC-NEW", "name": "Another group"}, *moved], actor=PREPARER, today=date(2026, 11, 20))


def _rates(_: Path) -> None:
    fx.load([fx.Published(date(2026, 10, 14), "EUR", "USD", Decimal("1.5"))], source="test", actor=PREPARER)


def _late(folder: Path) -> None:
    called(
        folder,
        "later",
        ("2026-10-14", "search"),
        ("2026-10-31", "shared"),
        ("2026-10-20", "chat"),
        ("2026-09-08", "search"),
    )


def _tiers(_: Path) -> None:
    policy = dict(TierPolicy.objects.get(live=True).policy)
    policies.load(policy | {"S1": {"tier": "complex"}}, actor=PREPARER)


def _agreements(_: Path) -> None:
    changed = {
        "contracts": [entry | {"discount": "50"} for entry in focus_month.TERMS["contracts"]],
        "commitments": [
            entry | {"price": "999", "terminated": "2026-10-20"} for entry in focus_month.TERMS["commitments"]
        ],
        "other_charges": focus_month.TERMS["other_charges"][:1],
    }
    for kind, entries in changed.items():
        terms.load(kind, entries, steps.AGREEMENTS[kind], actor=PREPARER)


def _pools(_: Path) -> None:
    monthly.load("splits", [POOLS[0] | {"over": ["CC-300"]}], actor=PREPARER)


def _books(_: Path) -> None:
    gl.load({"payers": [{"issuer": "*", "legal_entity": "FR01"}], "suspense": "1999"}, actor=PREPARER)
    columns = [{"name": name.title(), "source": name} for name in ("credit", "debit", "account")]
    journal.load_template(columns, actor=PREPARER)
    statements.load_policy([{"cost_centre": "*", "kind": "showback", "contact": "new@example.com"}], actor=PREPARER)


def _bill(folder: Path) -> None:
    """The provider's bill once more, and dearer: with a fee of November, billed ahead."""
    text = (focus_month.SAMPLES / "focus_1_4_ai_full.csv").read_text()
    header, *rows = text.replace("INV-OAI-2026-10", "INV-OAI-2026-10B").splitlines()
    (bought,) = (row for row in rows if ",Purchase," in row)
    ahead = bought.replace("2026-10-14T", "2026-11-03T").replace("2026-10-15T", "2026-11-04T")
    assert ahead != bought
    (folder / "bill.csv").write_text("\n".join([header, *rows, ahead]) + "\n")
    ingest_file(Import(folder / "bill.csv", "focus"))


def _invoice(_: Path) -> None:
    """One entered by hand of an account that no invoice had named."""
    document = {"issuer": "anthropic", "number": "LATE-1", "billing_account": "main", "billing_period": "2026-10",
                "issued_on": "2026-11-19", "currency": "USD", "total": "150.00"}  # fmt: skip
    reconciliation_invoices.enter(document, by=PREPARER)


LATER: dict[str, Callable[[Path], None]] = {
    "price": _price, "rules": _rules, "mappings": _mappings, "tree": _tree, "rates": _rates, "late calls": _late,
    "tiers": _tiers, "agreements": _agreements, "pools": _pools, "books": _books, "bill": _bill, "invoice": _invoice,
    "budget": lambda _: budgeted("7777"),
}  # fmt: skip


def disturb(folder: Path) -> None:
    """All that changes after a close."""
    for change in LATER.values():
        change(folder)
        refresh()


def put_back() -> None:
    """Prices and tiers as other tests want them; of an empty ledger."""
    PriceBookVersion.objects.exclude(book="builtin").delete()
    load_builtin(actor="test")
    first = TierPolicy.objects.order_by("version").first()
    later = TierPolicy.objects.exclude(pk=first and first.pk)
    TierRule.objects.filter(policy__in=later).delete()
    later.delete()
    TierPolicy.objects.update(live=True)
