"""Statements in the database: issued figures stay, states go forward, nothing is posted by one person (R19)."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from allocation.calc.statements import content_hash
from allocation.close import statement_checks, statement_views, statements
from allocation.close.statements import StatementError
from allocation.models import Adjustment, BillingPeriod, CostCentre, CostDaily, Statement
from allocation.scope import EVERYTHING
from allocation.statement_selectors import owner_totals
from finops import approvals, audit
from finops.approvals import SelfApproval
from finops.models import AuditEvent
from finops.periods import Period
from tests.web.ledger import Usage, freeze, load, person

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")
FRIDAY = datetime(2026, 10, 2, 9, tzinfo=UTC)  # five working days: until Friday, 9 October
LAST_DAY, LATE = datetime(2026, 10, 9, 23, 59, tzinfo=UTC), datetime(2026, 10, 10, tzinfo=UTC)
FIGURES = ("amount", "document", "content_hash", "currency", "version", "issued_at", "issued_by", "dispute_until")


def issued(*rows: Usage, code: str = "CC-100") -> Statement:
    load(*(rows or (Usage("12.345", "CC-100"), Usage("7.345", "CC-200"), Usage("1.01", None))))
    freeze()
    statements.issue(SEPTEMBER, "fin-1", at=FRIDAY)
    return Statement.objects.get(cost_centre__code=code, month=SEPTEMBER.start)


def figures(statement: Statement) -> tuple[Any, ...]:
    held = Statement.objects.get(pk=statement.pk)
    return tuple(getattr(held, name) for name in FIGURES)


def test_statements_charge_what_the_workbook_charges_to_the_cent() -> None:
    rows = [Usage(f"{n}.3349999", f"CC-{n:03}", model=f"m{n % 3}") for n in range(1, 18)]
    load(*rows, Usage("5.005", None))
    freeze()
    made = statements.issue(SEPTEMBER, "fin-1", at=FRIDAY)
    totals = owner_totals(EVERYTHING, SEPTEMBER, "USD")
    charged = dict(zip(totals["x_CostCentre"], totals["Charged"], strict=True))
    assert {each.cost_centre.code: each.amount for each in made} == {c: a for c, a in charged.items() if c is not None}
    unallocated = charged[None]
    assert sum(each.amount for each in made) + unallocated == Decimal(
        "163.70"
    )  # 153 + 17 x 0.3349999 + 5.005 = 163.6999


def test_an_issued_statement_is_a_document_with_its_hash_and_its_last_day() -> None:
    statement = issued()
    assert (statement.state, statement.issued_by, statement.dispute_until) == ("issued", "fin-1", date(2026, 10, 9))
    assert (
        statement.document["amount"] == "12.35"
    )  # 20.70 in all; the odd cent of two equal remainders goes to the first
    assert statement.amount == Decimal("12.35")
    assert statement.document["dispute_until"] == "2026-10-09"
    assert content_hash(statement.document) == statement.content_hash


def test_issuing_twice_issues_nothing_twice_and_later_cost_does_not_reach_what_is_issued() -> None:
    statement = issued()
    before = figures(statement)
    with pytest.raises(DatabaseError, match="2026-09"), transaction.atomic():
        load(Usage("100", "CC-100", model="late"))
    assert statements.issue(SEPTEMBER, "fin-2", at=LATE) == []
    assert statements.draft(SEPTEMBER, at=LATE) == []
    assert figures(statement) == before


def test_a_draft_follows_the_books_until_it_is_issued() -> None:
    load(Usage("10", "CC-100"))
    assert [each.amount for each in statements.draft(SEPTEMBER, at=FRIDAY)] == [Decimal(10)]
    load(Usage("2.50", "CC-100", model="more"))
    redrafted = statements.draft(SEPTEMBER, at=FRIDAY)
    assert [each.amount for each in redrafted] == [Decimal("12.5")]
    assert redrafted[0].document["notes"][0]["code"] == "draft"
    CostDaily.objects.all().delete()
    assert statements.draft(SEPTEMBER, at=FRIDAY) == []


def test_a_reopened_month_gets_statements_of_its_next_version_beside_the_former() -> None:
    first = issued()
    asked = approvals.propose("period.reopen", "2026-09", {"month": "2026-09", "version": 1}, "ann")
    approvals.decide(asked, by="bo", accept=True)
    audit.record(action="period.reopen", actor="bo", subject="2026-09", details={"approval": asked.pk, "version": 2})
    BillingPeriod.objects.update(state="open", version=2)
    load(Usage("5", "CC-100", model="late"))
    freeze()
    statements.issue(SEPTEMBER, "fin-1", at=LATE)
    newest = [(each.version, each.cost_centre.code) for each in statement_views.of(SEPTEMBER, EVERYTHING)]
    assert newest == [(2, "CC-100"), (2, "CC-200")]
    assert [each.version for each in statement_views.found(EVERYTHING, SEPTEMBER, "CC-100")] == [2, 1]
    assert figures(first)[4] == 1


def test_ar19_nothing_is_posted_without_two_identities() -> None:
    statement = issued()
    with pytest.raises(StatementError, match="it is issued: only a disputed statement is resolved"):
        statements.resolve(statement, by="fin-2", resolution="no")
    assert statements.post(SEPTEMBER, "fin-2") == []  # nobody has agreed yet
    statements.accept(statement, by="owner", at=FRIDAY)
    with pytest.raises(SelfApproval, match="fin-1 issued the statements of 2026-09: another person posts them"):
        statements.post(SEPTEMBER, "fin-1")
    assert figures(statement)[0] == statement.amount
    posted = statements.post(SEPTEMBER, "fin-2", at=LATE)
    assert [(each.state, each.posted_by, each.self_approved) for each in posted] == [("posted", "fin-2", False)]


def test_ar19_the_database_knows_no_other_way_to_posted_either() -> None:
    statement = issued()
    rows = Statement.objects.filter(pk=statement.pk)
    refused(lambda: rows.update(state="posted", posted_by="fin-2", posted_at=LATE), "issued: it does not become posted")
    rows.update(state="accepted", accepted_at=FRIDAY)
    for by in ("", "fin-1"):
        refused(lambda by=by: rows.update(state="posted", posted_by=by, posted_at=LATE), "statement_posted_by_two")
    rows.update(state="posted", posted_by="fin-2", posted_at=LATE)
    refused(lambda: rows.update(posted_by="fin-1"), "what was said of it is not rewritten")
    begin = {"month": SEPTEMBER.start, "cost_centre": statement.cost_centre, "version": 9, "amount": 1, "document": {}}
    refused(lambda: Statement.objects.create(state="accepted", drafted_at=LATE, **begin), "begins as a draft")


def test_ar19_a_dispute_never_changes_the_issued_figure() -> None:
    statement = issued()
    before = figures(statement)
    disputed = statements.dispute(statement, by="owner", reason="Not our key", at=LAST_DAY)
    assert (disputed.state, disputed.dispute_reason) == ("disputed", "Not our key")
    with pytest.raises(SelfApproval, match="another person resolves it"):
        statements.resolve(statement, by="owner", resolution="mine")
    with pytest.raises(StatementError, match="it is disputed by owner"):
        statements.accept(statement, by="fin-2")
    for number, told in ((99, "there is no adjustment 99"), (adjustment("CC-9").pk, "moves nothing to or from CC-100")):
        with pytest.raises(StatementError, match=told):
            statements.resolve(statement, by="fin-2", resolution="Moved", adjustment=number)
    moved = adjustment("CC-100")
    resolved = statements.resolve(statement, by="fin-2", resolution="Moved", adjustment=moved.pk, at=LATE)
    assert (resolved.state, resolved.resolution, resolved.adjustment) == ("accepted", "Moved", moved)
    assert figures(statement) == before
    events = AuditEvent.objects.filter(action__startswith="statement.").order_by("id")
    assert list(events.values_list("action", "actor")) == [
        ("statement.dispute", "owner"),
        ("statement.resolve", "fin-2"),
    ]


def test_who_disputes_may_withdraw() -> None:
    statement = issued()
    statements.dispute(statement, by="owner", reason="Not our key", at=FRIDAY)
    withdrawn = statements.accept(statement, by="owner", at=LAST_DAY)
    assert (withdrawn.state, withdrawn.resolution) == ("accepted", "withdrawn")


def test_a_dispute_needs_a_reason_and_its_window() -> None:
    statement = issued()
    with pytest.raises(StatementError, match="say why it is disputed"):
        statements.dispute(statement, by="owner", reason="  ", at=FRIDAY)
    with pytest.raises(StatementError, match="it could be disputed until 2026-10-09"):
        statements.dispute(statement, by="owner", reason="late", at=LATE)


def test_silence_accepts_when_the_window_is_over_and_not_a_minute_before() -> None:
    statement = issued()
    other = Statement.objects.get(cost_centre__code="CC-200")
    statements.dispute(other, by="owner", reason="Not our key", at=FRIDAY)
    assert statements.accept_in_silence(LAST_DAY) == 0
    assert statements.accept_in_silence(LATE) == 1
    held = Statement.objects.get(pk=statement.pk)
    assert (held.state, held.accepted_by, held.accepted_at) == ("accepted", "", LATE)
    assert Statement.objects.get(pk=other.pk).state == "disputed"


def test_showback_is_accepted_and_never_posted() -> None:
    statements.load_policy([{"cost_centre": "CC-100", "kind": "showback", "from": "2026-09-01"}], actor="fin-1")
    statement = issued()
    statements.accept(statement, by="owner", at=FRIDAY)
    statements.accept(Statement.objects.get(cost_centre__code="CC-200"), by="owner", at=FRIDAY)
    assert [each.cost_centre.code for each in statements.post(SEPTEMBER, "fin-2")] == ["CC-200"]
    change = {"state": "posted", "posted_by": "fin-2", "posted_at": LATE}
    refused(lambda: Statement.objects.filter(pk=statement.pk).update(**change), "statement_posted_by_two")


@pytest.mark.parametrize(
    "change",
    [{"amount": Decimal("0.01")}, {"document": {}}, {"content_hash": "0" * 64}, {"issued_by": "x"}, {"version": 2},
     {"kind": "showback"}, {"dispute_until": date(2027, 1, 1)}, {"state": "draft"}, {"currency": "EUR"}],
)  # fmt: skip
def test_the_database_refuses_to_change_what_is_issued(change: dict[str, Any]) -> None:
    statement = issued()
    refused(lambda: Statement.objects.filter(pk=statement.pk).update(**change), f"statement {statement.pk} is ")


def test_the_database_refuses_to_delete_what_is_issued() -> None:
    statement = issued()
    refused(lambda: Statement.objects.filter(pk=statement.pk)._raw_delete("default"), "it is not deleted")


def test_self_approval_is_said_on_the_statement_where_the_site_allows_it(settings: Any) -> None:
    settings.SELF_APPROVAL = True
    statement = issued()
    assert "On this site one person may approve what they prepared." in str(statement.document["notes"])
    statements.accept(statement, by="fin-1", at=FRIDAY)
    assert statements.post(SEPTEMBER, "fin-1")[0].self_approved


def test_owners_see_and_answer_their_own_statements_alone_and_viewers_and_admins_none() -> None:
    statement = issued()
    roles = ("owner", "viewer", "finance", "analyst", "auditor", "admin")
    people = {role: person(role, role, "CC-100" if role in ("owner", "viewer") else "") for role in roles}
    seen = {role: len(statement_views.listing(statement_views.scope_for(who), limit=9)) for role, who in people.items()}
    assert seen == {"owner": 1, "viewer": 0, "finance": 2, "analyst": 2, "auditor": 2, "admin": 0}
    may = {role for role, who in people.items() if statement_views.may_answer(who, statement)}
    assert may == {"owner", "finance"}
    other = Statement.objects.get(cost_centre__code="CC-200")
    assert statement_views.one(statement_views.scope_for(people["owner"]), other.pk) is None
    assert not statement_views.may_answer(people["owner"], other)


def test_two_hundred_statements_take_as_many_queries_as_two(django_assert_max_num_queries: Any) -> None:
    load(*(Usage(f"{n}.{n:03}", f"CC-{n:03}", model=f"m{n % 5}", team=f"t{n % 3}") for n in range(200)))
    freeze()
    with django_assert_max_num_queries(40):
        assert len(statements.issue(SEPTEMBER, "fin-1", at=FRIDAY)) == 200


def test_currencies_are_stated_apart() -> None:
    load(Usage("10", "CC-100"), Usage("1000.5", "CC-100", model="yen", currency="JPY"))
    freeze()
    made = statements.issue(SEPTEMBER, "fin-1", at=FRIDAY)
    assert [(each.currency, each.document["amount"]) for each in made] == [("USD", "10.00"), ("JPY", "1000")]


def adjustment(code: str) -> Adjustment:
    parts = [{"cost_centre": code, "team": "", "amount": "-1"}, {"cost_centre": "CC-200", "team": "", "amount": "1"}]
    asked = approvals.decide(approvals.propose("adjustment", code, {}, "a"), by="b", accept=True)
    return Adjustment.objects.create(
        approval=asked, month=SEPTEMBER.start, charge_date=date(2026, 10, 1), late=True, currency="USD", reason="r",
        evidence={}, parts=parts, prepared_by="a", approved_by="b",
    )  # fmt: skip


def refused(work: Any, told: str) -> None:
    with pytest.raises(IntegrityError, match=told), transaction.atomic():
        work()
    assert connection.is_usable()


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (
            "UPDATE allocation_statement SET document = jsonb_set(document, '{amount}', '\"12.36\"')",
            "not the one its hash",
        ),
        ("UPDATE allocation_statement SET amount = amount + 0.01", "is not what its document says"),
        ("UPDATE cost_daily SET effective_cost = effective_cost + 0.01", "12.35 stated, 12.36 in the books"),
    ],
)
def test_a_cent_that_the_superuser_changes_is_named_with_its_month(sql: str, told: str) -> None:
    statement = issued()
    assert statement_checks.violations() == []
    assert statement_checks.checked() == 2
    table = sql.split()[1]
    own = f" WHERE cost_centre_id = {statement.cost_centre_id}"
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what waits for the commit would hold the table
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(sql + own)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    found, *_ = statement_checks.violations()
    assert found.startswith(f"2026-09 statement {statement.pk}: ")
    assert told in found


def test_who_issued_it_does_not_accept_it_for_its_cost_centre() -> None:
    statement = issued()
    told = "fin-1 issued this: its owner or another person accepts it, or it is accepted in silence after 2026-10-09"
    with pytest.raises(SelfApproval, match=told):
        statements.accept(statement, by="fin-1", at=FRIDAY)
    assert Statement.objects.get(pk=statement.pk).state == "issued"
    assert statements.accept(statement, by="fin-2", at=FRIDAY).accepted_by == "fin-2"


@pytest.mark.parametrize("way", ["grant", "document"])
def test_who_issued_it_accepts_it_as_the_owner_of_the_cost_centre_alone(way: str) -> None:
    statement = issued()
    if way == "grant":
        person("fin-1", "owner", "CC-100")
    else:
        CostCentre.objects.filter(code="CC-100").update(owner=person("fin-1", "finance"))
    assert statements.accept(statement, by="fin-1", at=FRIDAY).accepted_by == "fin-1"
    with pytest.raises(SelfApproval):
        statements.accept(Statement.objects.get(cost_centre__code="CC-200"), by="fin-1", at=FRIDAY)


def test_what_its_issuer_may_not_accept_is_accepted_in_silence_when_the_window_is_over() -> None:
    statement = issued()
    assert statements.accept_in_silence(LATE) == 2
    assert Statement.objects.get(pk=statement.pk).accepted_by == ""
