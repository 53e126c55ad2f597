"""The page ROI & outcomes: the API's figures, the blind share beside, and what to do where nothing is known."""

import io
from datetime import date
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from django.test import Client

from allocation.models import Benefit
from allocation.value import outcomes, roi_benefits
from finops.models import User
from tests.web.ledger import Usage, centre, load, person
from tests.web.money_pages import client_of, page, row, text
from web import approving

pytestmark = pytest.mark.django_db
OUTCOME: dict[str, Any] = {
    "source": "desk", "at": "2026-09-20T00:00:00Z", "cost_centre": "CC-100", "feature": "chat", "evidence": "measured",
    "currency": "USD",
}  # fmt: skip
CLAIM: dict[str, Any] = {
    "effect": "handling", "month": "2026-09", "kind": "cash", "pnl_line": "6420 Outsourcing", "unit": "USD",
    "cost_centre": "CC-100", "baseline": "500", "actual": "200", "realisation": "0.5",
}  # fmt: skip


def filled() -> None:
    """CC-100: 100 of chat with 80 of 100 resolved, benefit 150; CC-200: 50, blind."""
    load(Usage("100", "CC-100", feature="chat"), Usage("50", "CC-200", feature="mail"))
    load(Usage("20", "CC-100", feature="chat", day=date(2026, 8, 3)))
    for model, good, cost in (("small", 60, "0.01"), ("large", 80, "0.11")):
        rows = [
            OUTCOME | {"id": f"{model}-{n}", "task": f"c-{n}", "model": model, "success": n < good, "cost": cost,
                       "value": "2" if n < good else "", "quality": "0.5", "rubric": "qa"}
            for n in range(100)
        ]  # fmt: skip
        assert outcomes.take(rows, by="ann").refused == []
    made = roi_benefits.claim(CLAIM, by="ann")
    attested = roi_benefits.attest(made.pk, person("olga", "owner", "CC-100"))
    assert attested.approval is not None
    approving.decide(attested.approval, by="fin", accept=True)
    run = {"source": "b", "task_class": "coding", "features": "chat", "model": "m", "tasks": "225", "currency": "USD",
           "run_on": "2026-08-01"}  # fmt: skip
    runs = [
        run | {"id": "1", "effort": "low", "score": "0.70", "cost": "10"},
        run | {"id": "2", "effort": "high", "score": "0.71", "cost": "90"},
    ]
    outcomes.take_benchmarks(runs, by="ann")


def test_the_page_says_how_to_send_outcomes_where_there_are_none() -> None:
    words = text(page(client_of("finance"), "/roi/"))
    assert "Nobody has said yet what the spend was for" in words
    assert "/api/v1/outcomes" in words
    assert "manage.py outcomes load outcomes.csv" in words
    load(Usage("10"))
    words = text(page(client_of("analyst"), "/roi/"))
    assert "ROI-blind spend 100.0 %" in words.replace("\u202f", " ")
    assert "no cash benefit is accepted" in words


def test_the_figures_of_the_page_are_the_apis() -> None:
    filled()
    client = client_of("finance")
    found = client.get("/api/v1/roi?last=2026-09&group_by=x_CostCentre").json()
    one = {each["x_CostCentre"]: each for each in found["results"]}
    assert (one["CC-100"]["roi"], one["CC-100"]["blind_share"], one["CC-200"]["blind_share"]) == (
        "0.500000",
        "0.000000",
        "1.000000",
    )
    markup = page(client, "/roi/?month=2026-09")
    assert row(markup, "CC-100").replace("\u202f", " ") == (
        "CC-100 $100.00 $100.00 $150.00 50.0 % 50.0 % 0.0 % 80 of 100 $1.25 $1.00 · 0.50 $2.00 a point, n 100 1.60"
    )
    assert "$50.00 $50.00 $0.00 \u2013 \u2013 100.0 %" in row(markup, "CC-200").replace("\u202f", " ")
    assert row(markup, "All 2").replace("\u202f", " ").startswith("All 2 $150.00 $150.00 $150.00 0.0 % 0.0 % 33.3 %")
    assert "September 2026 $150.00 $150.00 0.0 % 33.3 % 80 $1.25 30 Dec 2026 maturing open" in text(markup).replace(
        "\u202f", " "
    )


def test_files_hold_what_the_page_shows_and_more() -> None:
    filled()
    client = client_of("finance")
    lines = client.get("/roi/roi.csv?month=2026-09&by=feature").content.decode().splitlines()
    assert (len(lines), lines[0].split(",")[:2], lines[1].split(",")[:2]) == (
        5,
        ["feature", "loaded"],
        ["chat", "100.000000000000"],
    )
    book = openpyxl.load_workbook(io.BytesIO(client.get("/roi/roi.xlsx?month=2026-09&by=feature").content))
    rows = list(book.worksheets[0].values)
    assert rows[0][:2] == ("feature", "loaded")
    assert Decimal(str(rows[-1][1])) == 150


def test_an_upgrade_and_an_effort_are_told_in_words() -> None:
    filled()
    markup = page(client_of("analyst"), "/roi/?month=2026-09")
    upgrade = row(markup, "for small")
    assert "large for small" in upgrade
    assert "resolves more on the same 100 tasks" in upgrade
    assert "60 of 100 80 of 100 +20.0 points" in upgrade
    effort = row(markup, "dearer does not pay").replace("\u202f", " ")
    assert "low dearer does not pay 70.0 % of 225 tasks $0.044" in effort
    assert "low → high: +1.0 points" in effort
    assert "does not pay: chance explains the gain" in effort


def test_an_owner_attests_on_the_page_and_nobody_else_can() -> None:
    centre("CC-100")
    made = roi_benefits.claim(CLAIM, by="ann")
    load(Usage("100", "CC-100"), Usage("50", "CC-200"))
    for role in ("viewer", "analyst", "admin", "auditor"):
        client = client_of(role)
        assert "Attest it" not in page(client, "/roi/")
        assert client.post(f"/roi/benefits/{made.pk}/attest").status_code == 403
    other = Client()
    other.force_login(person("other", "owner", "CC-200"))
    assert other.post(f"/roi/benefits/{made.pk}/attest").status_code == 404
    owner = client_of("owner")
    markup = page(owner, "/roi/?month=2026-09")
    assert "Attest it" in markup
    assert "CC-200" not in markup
    assert owner.post(f"/roi/benefits/{made.pk}/attest").status_code == 302
    assert Benefit.objects.get().attested_by == "owner"
    assert "These benefits wait for another person of finance" in page(client_of("finance"), "/roi/")
    assert "is attested; a claim alone is attested" in page(
        owner, owner.post(f"/roi/benefits/{made.pk}/attest")["Location"]
    )


def test_names_of_others_do_no_harm() -> None:
    evil = "<script>alert(1)</script>=cmd"
    load(Usage("10", feature=evil))
    client = client_of("finance")
    assert "&lt;script&gt;" in page(client, "/roi/?by=feature&month=2026-09")
    assert client.get("/roi/?month=nonsense").status_code == 400
    assert User.objects.exists()


def test_the_tenth_line_is_the_sum_of_the_others() -> None:
    load(*(Usage(str(100 - n), f"CC-{n:03}") for n in range(12)))
    markup = page(client_of("finance"), "/roi/?month=2026-09")
    assert row(markup, "Other (3)").startswith("Other (3) $270.00")
