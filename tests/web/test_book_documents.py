"""Statement policy, posting matrix, plan of deliveries and exchange rates: asked for by one person, put in force by another."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from allocation import fx_changes
from allocation.close.gates import bears_on
from allocation.models import TermsVersion
from finops.approvals import SelfApproval
from finops.fx_files import Published
from finops.models import Approval, FxRate
from finops.periods import Period
from tests.web.ledger import bearer, person
from tests.web.money_pages import client_of, page, text
from web import approving

pytestmark = pytest.mark.django_db
DOCUMENTS: dict[str, tuple[Any, Any]] = {
    "statement_policy": ([{"cost_centre": "*", "kind": "showback"}], [{"cost_centre": "*", "kind": "chargeback"}]),
    "gl_map": ({"suspense": "9998"}, {"suspense": "9997"}),
    "deliveries": tuple(  # type: ignore[dict-item]
        [{"code": code, "working_day": 3, "files": ["workbook"], "stage": "final", "channel": "folder", "address": "/srv/b"}]
        for code in ("one", "two")
    ),
}  # fmt: skip


def live(kind: str) -> Any:
    return TermsVersion.objects.filter(kind=kind, live=True).values_list("document", flat=True).first()


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_it_is_in_force_once_another_person_accepted_it(kind: str) -> None:
    document, _ = DOCUMENTS[kind]
    asked = approving.propose_document(kind, document, by="ann")
    assert live(kind) is None
    with pytest.raises(SelfApproval):
        approving.decide(asked, by="ann", accept=True)
    assert live(kind) is None
    answer = Client().post(
        f"/api/v1/approvals/{asked.pk}/decision", json.dumps({"accept": True}), content_type="application/json",
        **bearer(person("bob", "finance"), "write"),
    )  # fmt: skip
    assert (answer.status_code, live(kind)) == (200, document)
    held = TermsVersion.objects.get(kind=kind, live=True)
    assert (held.loaded_by, Approval.objects.get().decided_by) == ("ann", "bob")


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_what_was_asked_for_before_something_else_came_in_force_is_refused(kind: str) -> None:
    first, second = DOCUMENTS[kind]
    old, new = (approving.propose_document(kind, each, by="ann") for each in (first, second))
    approving.decide(new, by="bob", accept=True)
    with pytest.raises(ValueError, match="came in force since this was asked for"):
        approving.decide(old, by="bob", accept=True)
    old.refresh_from_db()
    assert (old.state, live(kind)) == ("proposed", second)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_what_cannot_be_used_is_not_asked_for(kind: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        approving.propose_document(kind, [{"colour": "blue"}], by="ann")
    assert not Approval.objects.exists()


def test_the_page_says_what_each_would_do_and_only_what_bears_on_figures_holds_a_month() -> None:
    for kind, (document, _) in DOCUMENTS.items():
        approving.propose_document(kind, document, by="ann")
    fx_changes.propose([Published(date(2026, 9, 8), "EUR", "USD", Decimal("1.1"))], source="ecb", by="ann")
    shown = text(page(client_of("finance"), "/approvals/"))
    for told in (
        "Statement policy", "kind showback cost centre *", "Posting matrix", "suspense: 9998", "Plan of deliveries",
        "address /srv/b", "Exchange rates", "2026-09-08 EUR/USD 1.1",
    ):  # fmt: skip
        assert told in shown
    september, august = Period.month("2026-09"), Period.month("2026-08")
    rates = Approval.objects.get(kind="fx")
    assert (bears_on(rates, september), bears_on(rates, august)) == (True, False)
    approving.decide(rates, by="bob", accept=True)
    assert FxRate.objects.get().source == "ecb"
