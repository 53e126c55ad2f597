"""The page Data health: money that cannot be trusted is shown as money, and every figure leads somewhere."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from allocation import verification
from allocation.layer_selectors import COLUMNS, SeveralSources
from allocation.models import CostDaily
from allocation.scope import EVERYTHING
from allocation.verification import Check
from finops.models import AuditEvent, SiteMark
from finops.money import MONEY_DTYPE
from ingest.models import DirtySlice, IngestRun, Quarantine
from tests.web.connected import connected, cover, midnight, ran
from tests.web.ledger import MONTH, Usage, load, person
from web import data_health, tasks, verified
from web.dashboards import overview
from web.pages.reasons import CHECKS, MEANING

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(person("admin", "admin"))
    return client


def page(client: Client, query: str = "") -> str:
    answer = client.get(f"/data-health/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_empty_site_says_what_to_do(client: Client) -> None:
    assert "There is no data to judge yet" in page(client)
    assert "ingest_file" in page(client)


def test_unpriced_and_unallocated_money_is_told_exactly(client: Client) -> None:
    load(
        Usage("10", "CC-100"), Usage("2.50", None, model="gpt-4"), Usage(None, "CC-100", model="house", estimate="1.25",
        tokens=3_000_000), Usage(None, None, model="house", estimate="0.50", tokens=1_000_000),
        Usage(None, "CC-100", model="other", estimate="9", tokens=5), Usage("99", None, currency="EUR"),
        Usage("7", None, day=date(2026, 8, 3)),
    )  # fmt: skip
    facts = data_health.read(timezone.now(), "2026-09")
    assert (facts.cost, facts.unallocated) == (Decimal("12.5"), Decimal("2.5"))
    assert [(row.model, row.tokens, row.estimate) for row in facts.unpriced] == [
        ("other", 5, Decimal(9)), ("house", 4_000_000, Decimal("1.75")),
    ]  # fmt: skip
    assert (facts.unpriced_tokens, facts.estimate) == (4_000_005, Decimal("10.75"))
    shown = page(client)  # the newest month with cost
    assert "Money of <b>September 2026</b>" in shown
    for text in ("$10.75", "$2.50", "20.0\u202f%", "4.0M", "house"):
        assert text in shown
    assert "/overview/?month=2026-09&amp;cost_centre=%28unallocated%29" in shown
    assert "$7.00" in page(client, "?month=2026-08")


@pytest.mark.parametrize("month", ["foo", "2026-13", "1999-01", "x" * 90])
def test_a_month_that_is_none_is_told_as_such(client: Client, month: str) -> None:
    answer = client.get("/data-health/", {"month": month})
    assert answer.status_code == 400
    assert "a month is written YYYY-MM" in answer.content.decode()
    assert 'href="/data-health/"' in answer.content.decode()


def test_tokens_that_a_bill_prices_are_told_apart_and_nothing_is_estimated_for_them(client: Client) -> None:
    load(Usage("10"), Usage(None, model="house", estimate="9", tokens=5_000_000))
    CostDaily.objects.filter(model="house").update(unpriced_tokens=0, unpriced_estimate=0, bill_priced_tokens=5_000_000)
    facts = data_health.read(timezone.now(), "2026-09")
    assert (facts.unpriced, facts.estimate, facts.bill_priced_tokens) == ([], Decimal(0), 5_000_000)
    shown = page(client)
    for text in ("5.0M priced by the bill", "a bill states their money"):
        assert text in shown
    assert "Every token of the month has a price" not in shown
    assert client.get("/api/v1/data-health").json()["x_BillPricedTokens"] == "5000000"
    assert "5.0M tokens priced by the bill" in str(overview.content(EVERYTHING, "?month=2026-09"))


def test_several_sources_of_one_layer_are_named_with_the_money_at_stake(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        SeveralSources("", "openai", "gateway", ["litellm", "portkey"], MONTH, MONTH, 1, 9, Decimal("12.34")),
        SeveralSources("org", "aws", "provider_usage", ["bedrock", "generic"], MONTH, MONTH, 1, 9, Decimal("5")),
    ]
    monkeypatch.setattr(data_health, "several_sources", lambda scope, period, currency: rows)
    load(Usage("10"))
    shown = page(client)
    for text in ("litellm, portkey", "$12.34", "added up", "bedrock, generic", "counted once"):
        assert text in shown
    told = client.get("/api/v1/data-health").json()["several_sources"]
    assert [(row["sources"], row["matched"], row["Cost"]) for row in told] == [
        (["litellm", "portkey"], False, "12.340000000000"), (["bedrock", "generic"], True, "5.000000000000"),
    ]  # fmt: skip


def test_quarantine_leads_to_the_places_and_shows_no_content(client: Client) -> None:
    run, old = ran(None, kind="litellm", quarantined=3), ran(None, kind="litellm")
    IngestRun.objects.filter(pk=old.pk).update(started_at=timezone.now() - timedelta(days=31))
    Quarantine.objects.bulk_create(
        [Quarantine(run=run, reason="bad_number", place=f"line {n}", byte_offset=n * 1_000, sha256=bytes([n]) * 32,
                    detail="output_tokens") for n in range(1, 3)]
        + [Quarantine(run=run, reason="negative", place="line 9", sha256=b"y" * 32)]
        + [Quarantine(run=old, reason="not_json", place="line 1", sha256=b"z" * 32)]
    )  # fmt: skip
    shown = page(client)
    assert "/data-health/quarantine/?source=litellm&amp;reason=bad_number" in shown
    assert "not json" not in shown, "older than the page says"
    places = client.get("/data-health/quarantine/?source=litellm&reason=bad_number").content.decode()
    assert places.index("line 2") < places.index("line 1<"), "newest first"
    for text in ("2,000", "010101010101", "output_tokens", f'href="/runs/{run.pk}/"'):
        assert text in places
    assert "line 9" not in places
    assert "line 9" in client.get(f"/runs/{run.pk}/").content.decode()


def test_long_lists_have_pages(client: Client) -> None:
    run = ran(None)
    rows = [Quarantine(run=run, reason="negative", place=f"line {n:03}", sha256=b"x" * 32) for n in range(150)]
    Quarantine.objects.bulk_create(rows)
    first = client.get(f"/runs/{run.pk}/").content.decode()
    assert "line 149" in first
    assert "line 050" in first
    assert "line 049" not in first
    older = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
    second = client.get(f"/runs/{run.pk}/{older}").content.decode()
    assert "line 049" in second
    assert "line 050" not in second
    for _ in range(60):
        ran(None)
    shown = client.get("/runs/?state=done").content.decode()
    assert shown.count('class="dot done"') == 50
    assert 'rel="next"' in shown


def test_sources_by_freshness(client: Client) -> None:
    ok = connected("good", last_ok_at=timezone.now(), next_due_at=timezone.now())
    from ingest.sources import get_source

    names = [stream.name for stream in get_source("openai").streams({})]
    cover(ok, names, (midnight(10), midnight(0)))
    connected("bad", account="b", failures=1, last_error="x")
    connected("off", account="c", enabled=False)
    shown = page(client)
    assert "1 source to look at" in shown
    assert "1 of 2" in shown, "what is disabled is not counted"
    assert "10/10" in shown


def test_waiting_days_are_told(client: Client) -> None:
    ran(None)
    assert "up to date" in page(client)
    for n in (1, 2, 2):
        DirtySlice.objects.create(charge_date=date(2026, 9, n), usage_key_id=1)
    DirtySlice.objects.filter(charge_date=date(2026, 9, 1)).update(at=timezone.now() - timedelta(hours=3))
    shown = page(client)
    assert "2 days wait" in shown
    assert "3 marks, oldest" in shown
    assert "3\u00a0h ago" in shown


def test_runs_of_the_last_days(client: Client) -> None:
    for state in ("done", "done", "failed", "running"):
        ran(None, state=state)
    assert data_health.read(timezone.now()).runs == {timezone.now().date(): {"done": 2, "failed": 1, "running": 1}}
    assert "/runs/?state=failed" in page(client)


def test_unknown_fields_are_added_up_by_source(client: Client) -> None:
    ran(None, notes={"unknown_fields": {"new_tokens": 3, "other": 1}, "dropped_tags": {"customer": 9}})
    ran(None, notes={"unknown_fields": {"new_tokens": 4}})
    facts = data_health.read(timezone.now())
    assert [(row["name"], row["count"]) for row in facts.unknown_fields] == [("new_tokens", 7), ("other", 1)]
    assert [(row["source"], row["name"], row["count"]) for row in facts.dropped_tags] == [("openai", "customer", 9)]
    assert "new_tokens" in page(client)


MATCHES = [
    ("org-1", "openai", "cost_report", "USD", "stated", "", 0, "100"),
    ("org-1", "openai", "cost_report", "USD", "charged", "price_difference", 0, "4"),
    ("org-1", "openai", "cost_report", "USD", "charged", "unexplained", 0, "1.5"),
    ("org-1", "openai", "gateway", "USD", "stated", "", 900, "90"),
    ("org-1", "openai", "gateway", "USD", "charged", "", 900, "90"),
    ("org-1", "openai", "trace", "USD", "stated", "", 500, "50"),
    ("org-1", "openai", "trace", "USD", "by_id", "", 300, "30"),
    ("org-1", "openai", "trace", "USD", "by_hour", "", 150, "15"),
    ("org-1", "openai", "trace", "USD", "charged", "surplus", 50, "5"),
    ("org-2", "anthropic", "gateway", "USD", "stated", "", 7, "70"),
    ("org-2", "anthropic", "gateway", "USD", "charged", "", 7, "70"),
    ("org-3", "mistral", "gateway", "EUR", "stated", "", 7, "70"),
    ("org-3", "mistral", "trace", "EUR", "stated", "", 7, "70"),
]


def test_what_several_systems_say_about_the_same_calls(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace states 50: 30 + 15 of it are charged as the gateway's calls, 5 are its own. org-2 has one layer only."""
    rows = [(*row[:6], MONTH, MONTH, row[6], Decimal(row[7])) for row in MATCHES]
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"Cost": MONEY_DTYPE})
    monkeypatch.setattr(data_health, "layer_matches", lambda scope, period: frame)
    load(Usage("10"))
    layers = {(each.account, each.layer): each for each in data_health.read(timezone.now()).layers}
    assert list(layers) == [("org-1", "cost_report"), ("org-1", "gateway"), ("org-1", "trace")]
    trace = layers["org-1", "trace"]
    assert (trace.stated, trace.elsewhere, trace.charged) == (Decimal(50), Decimal(45), Decimal(5))
    assert (trace.stated_tokens, trace.elsewhere_tokens) == (500, 450)
    assert layers["org-1", "cost_report"].charged == Decimal("5.5")
    shown = page(client)
    for text in (
        "What several systems say",
        "$1.50 billed beyond the calls: Reconciliation says why",
        "$45.00",
        "seen by it alone",
    ):
        assert text in shown
    assert "org-2" not in shown
    body = client.get("/api/v1/data-health").json()["layers"]
    assert (len(body), body[1]["x_Cause"], body[1]["Cost"]) == (13, "price_difference", "4.000000000000")


def test_without_overlaps_nothing_is_said_of_them(client: Client) -> None:
    load(Usage("10"))
    assert "What several systems say" not in page(client)


# The invariants


def test_the_invariants_are_shown_as_last_checked(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(None)
    assert "Not checked yet" in page(client)
    bad = Check("runs_add_up", 5, checked=9).found(["run 7: read 3, accounted for 2 <b>"])
    monkeypatch.setattr(verified, "verify", lambda: [Check("no_nan", 9, checked=40), bad])
    verified.check()
    shown = page(client)
    assert "1 check fails" in shown
    assert "1 of 2" in shown
    assert "1 violation" in shown
    assert "run 7: read 3, accounted for 2 &lt;b&gt;" in shown
    assert CHECKS["no_nan"] in shown


def test_asked_for_they_are_checked_by_the_next_tick(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(None)
    times: list[int] = []
    monkeypatch.setattr(verified, "verify", lambda: times.append(1) or [Check("no_nan", 9)])
    tasks.verify()
    tasks.verify()
    assert len(times) == 1, "never checked; then not before a day has passed"
    client.post("/data-health/check")
    assert AuditEvent.objects.get(action="verify.asked").actor == "admin"
    assert "asked for" in page(client)
    tasks.verify()
    tasks.verify()
    assert len(times) == 2
    assert "asked for" not in page(client)
    SiteMark.objects.filter(name="verify").update(at=timezone.now() - timedelta(hours=25))
    tasks.verify()
    assert len(times) == 3


def test_the_command_keeps_what_it_finds(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(verified, "verify", lambda: [Check("no_nan", 9).found([("charge", "list_cost", "(0,1)")])])
    with pytest.raises(CommandError, match="no_nan"):
        call_command("verify")
    assert [check["id"] for check in verified.last().failing] == ["no_nan"]


def test_every_check_and_reason_has_words() -> None:
    from ingest.calc.reasons import REASONS

    assert set(MEANING) == set(REASONS)
    assert {check.__name__ for check in verification.CHECKS} <= set(CHECKS)
