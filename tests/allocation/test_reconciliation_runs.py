"""A month reconciled in the database: levels as their sources state them, runs, remarks."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from allocation import reconciliation, reconciliation_invoices
from allocation.costing import steps
from allocation.derived import refresh
from allocation.models import Invoice, InvoiceResidual, Reconciliation, ReconciliationLine
from finops.models import AuditEvent
from finops.periods import PeriodError
from ingest.services import Import, ingest_file
from tests.allocation.costing.agreed import agree
from tests.allocation.stated import DAY, KINDS, NOON, line, state, total, whole_day

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
HAIKU = "claude-haiku-4-5"  # 1 dollar per million input tokens, 0.1 cached, 5 output


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)
    monkeypatch.setattr(steps, "_today", lambda: date(2026, 9, 30))


def call(number: int, tokens: int = 100_000, **given: Any) -> dict[str, Any]:
    return {
        "native_id": f"call-{number}", "occurred_at": NOON + timedelta(minutes=number), "provider": "anthropic",
        "model_served": HAIKU, "input_uncached": tokens, "billing_account": "org-1",
    } | given  # fmt: skip


def bucket(tokens: int, **given: Any) -> dict[str, Any]:
    return call(0, tokens, native_id=f"bucket {sorted(given.items())}", requests=10) | given


def billed(cost: str, tokens: int, **given: Any) -> Any:
    return line(
        cost,
        **{"provider": "anthropic", "billing_account": "org-1", "model_served": HAIKU, "price_class": "input_uncached"}
        | {"consumed_quantity": D(tokens), "consumed_unit": "tokens"}
        | given,
    )  # fmt: skip


def causes(run: Reconciliation) -> dict[str, Decimal]:
    [found] = run.totals
    sums = {cause: D(amount) for cause, amount in found["causes"].items()}
    return sums | ({"unexplained": D(found["unexplained"])} if D(found["unexplained"]) else {})


def run(month: str = "2026-09") -> Reconciliation:
    refresh()
    return reconciliation.reconcile(month, "ann")


@pytest.mark.parametrize("days", [1, 0.5])
def test_a_report_that_omits_priority_leaves_it_to_usage_and_the_sum_of_both_is_stated(days: float) -> None:
    priority = {"service_tier_served": "priority"}
    rows = [bucket(1_000_000), bucket(200_000, **priority)]
    state("usage", rows, [whole_day()])
    state("costs", [billed("1.05", 1_000_000)], [whole_day(days=days)])
    found = run()
    lines = list(found.lines.values_list("computed", "provider_usage", "cost_report", "invoice", "state"))
    # 1 + 0.2 million at 1 dollar a million; the report says 1.05 of the first
    assert lines == [(D("1.2"), D("1.2"), D("1.25"), None, "variance")]
    assert causes(found) == {"unexplained": D("0.05")}
    assert D(found.totals[0]["stated"]) == total()


def test_a_report_of_half_a_day_that_states_less_changes_nothing() -> None:
    state("usage", [bucket(1_000_000), bucket(200_000, service_tier_served="priority")], [whole_day()])
    state("costs", [billed("0.4", 400_000)], [whole_day(days=0.5)])
    found = run()
    assert [row.cost_report for row in found.lines.all()] == [D("1.2")]
    assert (causes(found), found.totals[0]["states"]) == ({}, {"matched": 1})
    assert D(found.totals[0]["stated"]) == total() == D("1.2")


def test_what_the_gateway_missed_and_wrote_twice_is_told_apart_by_its_own_calls() -> None:
    calls = [call(n) for n in range(4)] + [call(2, native_id="call-2-again")]
    state("gate", calls)
    state("usage", [bucket(400_000)], [whole_day()])
    assert causes(run()) == {"duplicate": D("-0.1")}


def test_batch_calls_that_the_gateway_priced_as_ordinary_ones_are_of_the_tier() -> None:
    fable = {"model_served": "claude-fable-5-2"}  # 8 dollars a million, 4 in a batch
    state("gate", [call(n, **fable) for n in range(4)])
    state("usage", [bucket(300_000, **fable), bucket(100_000, mode="batch", **fable)], [whole_day()])
    assert causes(run()) == {"service_tier": D("-0.4")}


def test_a_treatment_of_which_no_price_is_known_costs_what_it_is_assumed_to() -> None:
    state("gate", [call(n) for n in range(4)])
    state("usage", [bucket(300_000), bucket(100_000, mode="batch")], [whole_day()])
    assert causes(run()) == {}


def test_a_model_without_a_price_is_unpriced_until_a_bill_says_what_it_cost() -> None:
    odd = {"model_served": "claude-of-ours"}
    state("gate", [call(1, **odd)])
    state("costs", [billed("0.7", 100_000, **odd)], [whole_day()])
    assert causes(run()) == {"unpriced": D("0.7")}


def test_lines_with_an_invoice_number_are_invoices_and_their_change_is_a_revision() -> None:
    state("gate", [call(n) for n in range(4)])
    bill = [
        billed("0.4", 400_000, invoice_id="INV-1"), line("0.08", charge_category="Tax", provider="anthropic",
        billing_account="org-1", scope="other", invoice_id="INV-1"), line("-0.03", charge_category="Credit",
        provider="anthropic", billing_account="org-1", scope="other", invoice_id="INV-1"),
    ]  # fmt: skip
    state("costs", bill, [whole_day()])
    first = run()
    assert causes(first) == {"credit": D("-0.03"), "tax": D("0.08")}
    [invoice] = Invoice.objects.all()
    assert (invoice.number, invoice.total, invoice.tax, invoice.source) == ("INV-1", D("0.45"), D("0.08"), "lines")
    assert first.totals[0]["invoice"] == "0.450000000000"
    state("costs", [billed("0.5", 400_000, invoice_id="INV-1"), *bill[1:]], [whole_day()])
    second = run()
    assert causes(second) == {"credit": D("-0.03"), "tax": D("0.08"), "unexplained": D("0.1")}
    assert list(Invoice.objects.order_by("revision").values_list("revision", "total")) == [
        (1, D("0.45")),
        (2, D("0.55")),
    ]


def test_invoices_of_files_are_known_as_soon_as_the_figures_are_and_so_are_their_restatements() -> None:
    state("costs", [billed("0.4", 400_000, invoice_id="INV-1")], [whole_day()])
    refresh()  # nobody has reconciled anything
    assert list(Invoice.objects.values_list("number", "revision", "total")) == [("INV-1", 1, D("0.4"))]
    state("costs", [billed("0.5", 400_000, invoice_id="INV-1")], [whole_day()])
    refresh()
    assert list(Invoice.objects.order_by("revision").values_list("revision", "total")) == [(1, D("0.4")), (2, D("0.5"))]
    state("gate", [call(1)])
    refresh()
    assert Invoice.objects.count() == 2  # what has not changed is no revision


def test_a_shortfall_is_no_difference_to_a_bill_that_cannot_state_it() -> None:
    agree(
        "commitments",
        """
- {code: deal, kind: enterprise_commit, provider: anthropic, billing_account: org-1, amount: "84.4", from: 2026-09-01,
   to: 2026-10-01}
""",
    )
    state("gate", [call(n) for n in range(4)])  # 0.4 dollars: 84 are missing at the end
    entered = {
        "issuer": "Anthropic",
        "number": "A-9",
        "billing_account": "org-1",
        "billing_period": "2026-09",
        "currency": "USD",
    }
    reconciliation_invoices.enter(entered | {"total": "0.30"}, by="ann")
    found = run()
    assert total(commitment_status="Shortfall") == 84
    # The waterfall's rest is the charge for it: 0.3 invoiced of 0.4.
    assert causes(found) == {"unexplained": D("-0.1")}
    assert list(InvoiceResidual.objects.values_list("cause", "effective_cost")) == [("unexplained", D("-0.1"))]
    lines = [{"amount": "0.30"}, {"category": "Adjustment", "description": "true-up", "amount": "84.00"}]
    reconciliation_invoices.enter(entered | {"total": "84.30", "lines": lines}, by="ann")
    assert causes(run()) == {"unexplained": D("-0.1")}  # what it does state is matched
    assert sum(InvoiceResidual.objects.values_list("effective_cost", flat=True)) == D("-0.1")


def test_the_last_hours_of_the_month_that_the_next_bill_states_are_cut_off() -> None:
    last = date(2026, 9, 30)
    evening = datetime(2026, 9, 30, 22, tzinfo=UTC)
    noon = datetime(2026, 9, 30, 12, tzinfo=UTC)
    state("gate", [call(1, occurred_at=noon), call(2, 30_000, occurred_at=evening)])
    at = {"period_start": datetime(2026, 9, 30, tzinfo=UTC)}
    state("costs", [billed("0.1", 100_000, **at)], [whole_day(day=last)])
    assert causes(run()) == {"cut_off": D("-0.03")}


def test_the_same_inputs_are_the_same_run_and_others_the_next() -> None:
    state("gate", [call(n) for n in range(4)])
    state("costs", [billed("0.5", 400_000)], [whole_day()])
    first = run()
    assert run() == first
    assert Reconciliation.objects.count() == 1
    state("gate", [call(9)])
    second = run()
    assert (second.number, second.hash != first.hash) == (2, True)
    assert list(AuditEvent.objects.filter(action="reconciliation.make").values_list("subject", flat=True)) == [
        "2026-09 run 1", "2026-09 run 2",
    ]  # fmt: skip


def test_owner_and_note_go_over_to_the_same_place_of_the_next_run() -> None:
    state("gate", [call(n) for n in range(4)])
    state("costs", [billed("0.5", 400_000)], [whole_day()])
    [found] = run().lines.all()
    reconciliation.annotate(found, {"owner": "bob", "note": "asked the provider"}, actor="ann")
    reconciliation.annotate(found, {"owner": "bob"}, actor="ann")  # changes nothing: not told
    state("gate", [call(9)])
    [again] = run().lines.all()
    assert (again.owner, again.note, again.pk != found.pk) == ("bob", "asked the provider", True)
    [told] = AuditEvent.objects.filter(action="reconciliation.note")
    assert told.details == {"owner": "bob", "note": "asked the provider"}
    for wrong in ({"state": "matched"}, {"owner": "x" * 151}):
        with pytest.raises(ValueError, match=r"state cannot be set|at most 150"):
            reconciliation.annotate(again, wrong, actor="ann")


def test_a_clean_month_has_no_causes_and_an_empty_one_no_lines() -> None:
    state("gate", [call(n) for n in range(4)])
    state("usage", [bucket(400_000)], [whole_day()])
    state("costs", [billed("0.4", 400_000)], [whole_day()])
    found = run()
    assert (causes(found), found.totals[0]["states"], found.totals[0]["explained"]) == ({}, {"matched": 1}, "1.000000")
    assert (run("2026-07").totals, ReconciliationLine.objects.count()) == ([], 1)
    with pytest.raises(PeriodError):
        reconciliation.reconcile("2026-13", "ann")
    assert DAY.month == 9


def test_files_of_anthropic_give_the_sum_of_standard_and_priority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the sources as they are

    def write(name: str, results: list[dict[str, Any]]) -> Path:
        bucket_ = {"starting_at": "2026-09-07T00:00:00Z", "ending_at": "2026-09-08T00:00:00Z", "results": results}
        path = tmp_path / name
        path.write_text(json.dumps({"data": [bucket_], "has_more": False, "next_page": None}))
        return path

    shared = {"model": "claude-sonnet-4-5", "context_window": "0-200k", "workspace_id": "w", "inference_geo": "global"}
    used = [
        {
            **shared, "api_key_id": "k", "account_id": None, "service_account_id": None, "service_tier": tier,
            "speed": "standard", "uncached_input_tokens": tokens, "cache_read_input_tokens": 0, "output_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "server_tool_use": {"web_search_requests": 0},
        }
        for tier, tokens in (("standard", 1_000_000), ("priority", 200_000))
    ]  # fmt: skip
    cost = shared | {
        "amount": "310.5", "currency": "USD", "description": "Claude Sonnet 4.5 Usage - Input Tokens",
        "service_tier": "standard", "token_type": "uncached_input_tokens", "cost_type": "tokens",
    }  # fmt: skip
    ingest_file(Import(write("usage.json", used), "anthropic"))
    at_noon = datetime(2026, 9, 7, 12, tzinfo=UTC)
    ingest_file(Import(write("half.json", [cost | {"amount": "140"}]), "anthropic", observed_at=at_noon))
    # 3 dollars a million: 3 and 0.6 of priority, which no cost report holds; half a day rules nothing
    assert D(run().totals[0]["stated"]) == total() == D("3.6")
    ingest_file(Import(write("whole.json", [cost]), "anthropic"))
    found = run()
    assert D(found.totals[0]["stated"]) == total() == D("3.105") + D("0.6")
    assert causes(found) == {"unexplained": D("0.105")}
