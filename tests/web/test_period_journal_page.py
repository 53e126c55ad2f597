"""The page Journal of a month: what it shows in each state, and whom it lets do what."""

from datetime import date
from typing import Any

import pytest
from django.test import Client

from allocation.close import accruals, journal
from allocation.models import AccrualRun, BillingPeriod, JournalEntry, TrueUp
from finops.periods import Period
from tests.web.ledger import Usage, load, person

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")
URL = "/periods/2026-09/journal/"


@pytest.fixture(autouse=True)
def spent() -> None:
    load(Usage("12.346", "CC-100"), Usage("7", "CC-200"), Usage("2", None))


def client(name: str, role: str = "finance") -> Client:
    found = Client()
    found.force_login(person(name, role, "CC-100" if role in ("owner", "viewer") else ""))
    return found


def close() -> None:
    accruals.run(SEPTEMBER, "ann")
    BillingPeriod.objects.create(month=SEPTEMBER.start, state="closed")


def step(who: Client, **given: str) -> Any:
    return who.post(f"{URL}step", given, follow=True)


def test_a_preview_says_so_and_offers_no_step() -> None:
    text = client("ann").get(URL).content.decode()
    assert "as they would be now" in text
    assert "every difference is 0.00" in text
    assert "Accrued when the month is made preliminary" in text
    assert 'name="step"' not in text
    assert "12.35" in text


def test_from_built_to_the_books() -> None:
    ann, bob = client("ann"), client("bob")
    close()
    assert "Build the journal" in ann.get(URL).content.decode()
    text = step(ann, step="build").content.decode()
    assert "2026-09 journal 1 is built." in text
    assert "You built it" in text
    assert "PROV-2026-09-openai" in text
    assert "Nothing was done: ann built 2026-09 journal 1" in step(ann, step="post").content.decode()
    assert "is posted" in step(bob, step="post").content.decode()
    written = step(ann, step="export")
    assert written["Content-Type"] == "text/csv"
    assert written.content == step(bob, step="export", copy="yes").content
    assert "two files would be booked twice" in step(ann, step="export").content.decode()
    assert "in the books as <b>FI-1</b>" in step(ann, step="number", number="FI-1").content.decode()
    assert "choose a step" in step(ann, step="dance").content.decode()


def test_the_csv_to_look_at_does_not_count_as_the_export() -> None:
    close()
    journal.build(SEPTEMBER, "ann")
    answer = client("aud", "auditor").get(f"{URL}journal.csv")
    assert answer.content.decode().splitlines()[1].startswith("built,")
    assert JournalEntry.objects.get().exported_at is None


def test_who_sees_it_and_who_acts() -> None:
    for role in ("viewer", "owner", "admin"):
        assert client(role, role).get(URL).status_code == 403
    for role in ("analyst", "auditor"):
        assert client(role, role).get(URL).status_code == 200
        assert client(f"{role}2", role).post(f"{URL}step", {"step": "post"}).status_code == 403


def test_a_month_that_is_none_is_told() -> None:
    assert client("ann").get("/periods/2026-13/journal/").status_code == 400
    assert "there is nothing to post" in client("bob").get("/periods/2024-01/journal/").content.decode()


def test_a_month_whose_month_before_is_not_accrued_is_told_on_the_page_and_instead_of_the_file() -> None:
    load(Usage("3", "CC-100", day=date(2026, 10, 2)), Usage("4", "CC-100", day=date(2026, 11, 2)))
    accruals.run(SEPTEMBER, "ann")
    ann, address = client("ann"), "/periods/2026-11/journal/"
    for path, status in ((address, 200), (f"{address}journal.csv", 409)):
        answer = ann.get(path)
        assert answer.status_code == status
        assert "2026-10 has cost and no accruals: close months in their order" in answer.content.decode()


def test_what_is_less_than_a_cent_is_no_amount_and_has_no_colour() -> None:
    """The invoice states 19.346, of which 12.346 and 7 were charged, and a millionth less."""
    run = AccrualRun.objects.create(month=SEPTEMBER.start, version=1, content_hash="x", made_by="ann")
    TrueUp.objects.create(
        run=run, issuer="openai", billing_account="a", currency="USD", billed_month=SEPTEMBER.start, numbers=["I-1"],
        invoiced="19.345999", accrued=0, charged="19.346", amount="-0.000001", causes={"rounding": "-0.000001"},
    )  # fmt: skip
    told = client("ann").get(URL).content.decode()
    assert '<dt>True-ups</dt><dd class="figure" title="$0.00">$0.00</dd><dd class="note">less than a cent</dd>' in told
    assert '<td class="figure" title="-0.000001 USD">$0.00</td>' in told
    assert "0.000001</dd>" not in told
