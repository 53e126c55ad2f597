"""Return on spend from the ledger: cohorts, late outcomes, benefits by three people, and what each may see."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocation.calc.outcomes_fields import Wrong
from allocation.close import statements
from allocation.models import Benefit, CostDaily, Statement
from allocation.scope import EVERYTHING, Scope
from allocation.selectors import CostQuery, costs
from allocation.value import outcomes, roi, roi_benefits, roi_marginal
from allocation.value.roi_marginal import Question
from finops import approvals
from finops.models import Approval, AuditEvent, User
from finops.money import total
from finops.periods import Period
from tests.web.ledger import Usage, centre, freeze, load, person
from web import approving

pytestmark = pytest.mark.django_db
SEPTEMBER, OCTOBER = Period.month("2026-09"), Period.month("2026-10")
OUTCOME: dict[str, Any] = {
    "source": "desk", "at": "2026-09-20T00:00:00Z", "success": "true", "cost_centre": "CC-100", "feature": "chat",
    "evidence": "measured", "currency": "USD",
}  # fmt: skip
CLAIM: dict[str, Any] = {
    "effect": "handling", "month": "2026-09", "kind": "cash", "pnl_line": "6420 Outsourcing", "unit": "USD",
    "cost_centre": "CC-100", "baseline": "500", "actual": "200", "realisation": "0.5",
}  # fmt: skip


def sent(count: int, **changes: Any) -> None:
    first = changes.pop("first", 0)
    rows = [OUTCOME | {"id": f"t-{n}"} | changes for n in range(first, first + count)]
    assert outcomes.take(rows, by="ann").refused == []


def asked(by: tuple[str, ...] = (), **changes: Any) -> roi.RoiQuery:
    return roi.RoiQuery(changes.pop("first", SEPTEMBER), changes.pop("last", SEPTEMBER), by, **changes)


def people() -> tuple[User, User, User]:
    return person("ann", "analyst"), person("olga", "owner", "CC-100"), person("fin", "finance")


def accepted(**changes: Any) -> Benefit:
    made = roi_benefits.claim(CLAIM | changes, by="ann")
    owner = User.objects.filter(username="olga").first() or person("olga", "owner", "CC-100")
    attested = roi_benefits.attest(made.pk, owner)
    assert attested.approval is not None
    approving.decide(attested.approval, by="fin", accept=True)
    made.refresh_from_db()
    return made


def test_loaded_cost_is_what_the_ledger_charges_for_any_question() -> None:
    load(Usage("60", feature="chat"), Usage("40", "CC-200", feature="mail"), Usage("7", None))
    CostDaily.objects.filter(effective_cost=40).update(basis="idle")
    found = roi.report(EVERYTHING, asked(("cost_centre",)))
    assert found.total.loaded == total(costs(EVERYTHING, CostQuery(SEPTEMBER, restated=True))["EffectiveCost"]) == 107
    assert [(key, line.loaded, line.idle) for key, line in found.lines] == [
        (("CC-100",), 60, 0), (("CC-200",), 40, 40), ((None,), 7, 0),
    ]  # fmt: skip


def test_what_corrects_a_frozen_day_belongs_to_the_cohort_it_corrects() -> None:
    load(Usage("60"), Usage("9", day=date(2026, 10, 3)))
    CostDaily.objects.filter(effective_cost=9).update(basis="correction", corrects_date=date(2026, 9, 1))
    assert roi.report(EVERYTHING, asked()).total.loaded == 69
    assert roi.report(EVERYTHING, asked(first=OCTOBER, last=OCTOBER)).total.loaded == 0
    said = {first: roi.notes(EVERYTHING, asked(first=first, last=OCTOBER)) for first in (SEPTEMBER, OCTOBER)}
    assert said[OCTOBER] == ["Spend is as restated: 9.00 USD posted in these months for others is left out"]
    assert said[SEPTEMBER] == [], "posted in one of the months for another of them"
    (said_of_september,) = roi.notes(EVERYTHING, asked())
    assert "9.00 USD of corrections posted in other months count here" in said_of_september


def test_three_people_make_a_benefit_count() -> None:
    load(Usage("60", feature="chat"))
    _, olga, _ = people()
    made = roi_benefits.claim(CLAIM, by="ann")
    assert roi.report(EVERYTHING, asked()).total.cash_open == 150
    attested = roi_benefits.attest(made.pk, olga)
    assert attested.approval is not None
    assert attested.approval.details["worth"] == {"amount": "150", "currency": "USD"}
    with pytest.raises(approvals.SelfApproval):
        approving.decide(attested.approval, by="olga", accept=True)
    assert roi.report(EVERYTHING, asked()).total.roi is None
    approving.decide(attested.approval, by="fin", accept=True)
    line = roi.report(EVERYTHING, asked()).total
    assert (line.cash, line.roi, line.blind, line.named) == (150, Decimal("1.5"), 60, 60), "no feature is named"
    made.refresh_from_db()
    assert (made.claimed_by, made.attested_by, made.decided_by) == ("ann", "olga", "fin")
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"benefit.claim", "benefit.propose", "benefit.approve"} <= actions


def test_who_claimed_a_benefit_does_not_accept_it() -> None:
    _, olga, _ = people()
    made = roi_benefits.claim(CLAIM, by="fin")
    attested = roi_benefits.attest(made.pk, olga)
    assert attested.approval is not None
    with pytest.raises(approvals.SelfApproval, match="fin claimed this"):
        approving.decide(attested.approval, by="fin", accept=True)
    assert Approval.objects.get().state == "proposed"


def test_only_who_owns_the_cost_attests() -> None:
    made = roi_benefits.claim(CLAIM, by="ann") if centre("CC-100") else None
    assert made is not None
    for user in (person("other", "owner", "CC-200"), person("ann", "analyst"), person("v", "viewer", "CC-100")):
        with pytest.raises(roi_benefits.NotYours):
            roi_benefits.attest(made.pk, user)


def test_an_effect_is_claimed_once_a_month_whatever_feature_claims_it() -> None:
    centre("CC-100")
    made = roi_benefits.claim(CLAIM | {"features": "chat"}, by="ann")
    assert roi_benefits.claim(CLAIM | {"features": "chat"}, by="bo").claimed_by == "ann"
    with pytest.raises(roi_benefits.BenefitError, match="is claimed by CC-100 chat already and counts once"):
        roi_benefits.claim(CLAIM | {"features": "mail"}, by="bo")
    both = roi_benefits.claim(CLAIM | {"features": {"chat": "0.6", "mail": "0.4"}, "replaces": True}, by="bo")
    assert both.pk == made.pk
    with pytest.raises(Wrong, match="no such cost centre"):
        roi_benefits.claim(CLAIM | {"effect": "x"}, by="ann", scope=Scope())


def test_what_was_refused_does_not_count_and_may_be_claimed_anew() -> None:
    load(Usage("60"))
    _, olga, _ = people()
    attested = roi_benefits.attest(roi_benefits.claim(CLAIM, by="ann").pk, olga)
    assert attested.approval is not None
    with pytest.raises(roi_benefits.BenefitError, match="is attested as it is"):
        roi_benefits.claim(CLAIM | {"actual": "300", "replaces": True}, by="ann")
    approving.decide(attested.approval, by="fin", accept=False, reason="no")
    attested.approval.refresh_from_db()
    line = roi.report(EVERYTHING, asked()).total
    assert (line.cash, line.cash_open, roi_benefits.standing(attested)) == (0, 0, "refused")
    again = roi_benefits.claim(CLAIM | {"actual": "300", "replaces": True}, by="ann")
    assert (again.state, roi.report(EVERYTHING, asked()).total.cash_open) == ("claimed", 100)


def test_an_accepted_benefit_does_not_change() -> None:
    centre("CC-100")
    accepted()
    with pytest.raises(roi_benefits.BenefitError, match="is accepted as it is"):
        roi_benefits.claim(CLAIM | {"actual": "0", "replaces": True}, by="ann")


def test_a_late_outcome_changes_the_return_of_its_cohort_and_no_closed_statement() -> None:
    """40 tasks worth 5 on 100: 200 x 0.5 - 100 = 0; two months later ten more."""
    load(Usage("100", feature="chat"), Usage("50", feature="chat", day=date(2026, 10, 2)))
    freeze()
    [statement] = statements.issue(SEPTEMBER, "fin", at=datetime(2026, 10, 5, tzinfo=UTC))
    before = Statement.objects.values().get(pk=statement.pk)
    sent(40, value="5")
    accepted(basis="outcomes", baseline="", actual="", features="chat")
    today = date(2026, 10, 5)
    [first, _] = roi.cohorts(EVERYTHING, asked(last=OCTOBER), today)
    assert (first.line.cash, first.line.roi, first.mature) == (100, Decimal(0), False)
    sent(10, first=40, value="5", at="2026-11-01T00:00:00Z", spend_month="2026-09")
    [first, second] = roi.cohorts(EVERYTHING, asked(last=OCTOBER), first.matures_on + timedelta(days=1))
    assert (first.line.cash, first.line.roi, first.mature) == (125, Decimal("0.25"), True)
    assert (second.line.cash, second.line.roi, second.month) == (0, None, date(2026, 10, 1))
    assert Statement.objects.values().get(pk=statement.pk) == before


def test_the_same_outcome_of_two_features_is_worth_once() -> None:
    load(Usage("100", feature="chat"), Usage("100", feature="mail"))
    sent(40, value="5", task="shared")
    assert (roi.report(EVERYTHING, asked()).total.value, roi.report(EVERYTHING, asked()).total.tasks) == (5, 1)
    for feature in ("chat", "mail"):
        rows = [
            OUTCOME | {"id": f"{feature}-{n}", "task": f"case-{n}", "feature": feature, "value": "1"} for n in range(40)
        ]
        outcomes.take(rows, by="ann")
    line = roi.report(EVERYTHING, asked()).total
    assert (line.tasks, line.attempts, line.value) == (41, 120, 45)


def test_benchmark_outcomes_tell_nothing_of_own_spend() -> None:
    load(Usage("100", feature="chat"))
    sent(40, setting="benchmark", value="5")
    line = roi.report(EVERYTHING, asked()).total
    assert (line.blind_share, line.tasks, line.value_per_money) == (1, 0, None)
    sent(40, first=50, evidence="none", value="5")
    line = roi.report(EVERYTHING, asked()).total
    assert (line.blind_share, line.tasks, line.unproven, line.value) == (1, 0, 40, 0)


def test_an_owner_sees_the_own_cost_centre_and_the_same_figures_as_finance() -> None:
    load(Usage("60", feature="chat"), Usage("40", "CC-200", feature="chat"))
    sent(40, value="5", cost_centre="")
    own = Scope(cost_centres=frozenset({centre("CC-200").pk}))
    mine = roi.report(own, asked(("cost_centre",)))
    whole = dict(roi.report(EVERYTHING, asked(("cost_centre",))).lines)
    assert [key for key, _ in mine.lines] == [("CC-200",)]
    assert dict(mine.lines)["CC-200",] == whole["CC-200",]
    assert (mine.total.blind, mine.total.tasks) == (0, 0)
    assert roi.report(Scope(), asked()).total.loaded == 0


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries({}, optional={
        "cost_centre": st.sets(st.sampled_from(["CC-100", "CC-200", ""]), min_size=1),
        "feature": st.sets(st.sampled_from(["chat", "mail", ""]), min_size=1), "month": st.just({"2026-09"}),
        "team": st.sets(st.sampled_from(["a", ""]), min_size=1),
    })
)  # fmt: skip
def test_any_filter_adds_up_to_what_sql_says(filters: dict[str, set[str]]) -> None:
    if not CostDaily.objects.exists():
        load(Usage("60", team="a", feature="chat"), Usage("40", "CC-200", feature="mail"), Usage("7", None), Usage("3"))
        sent(35, value="5")
    given = {name: tuple(sorted(values)) for name, values in filters.items()}
    found = roi.report(EVERYTHING, asked(("cost_centre", "feature"), filters=given))
    names = {"cost_centre": "cost_centre__code", "feature": "feature", "team": "team__code"}
    rows = [
        row for row in CostDaily.objects.values("effective_cost", *names.values())
        if all((row[column] or "") in filters.get(name, {row[column] or ""}) for name, column in names.items())
    ]  # fmt: skip
    assert found.total.loaded == sum(row["effective_cost"] for row in rows)
    assert sum(line.value for _, line in found.lines) == found.total.value


@pytest.mark.parametrize("wrong", [{"by": ("model",)}, {"filters": {"x": ("y",)}}])
def test_what_cannot_be_asked_is_said(wrong: Any) -> None:
    with pytest.raises(roi.RoiError, match="there is no dimension"):
        asked(**wrong)
    with pytest.raises(roi.RoiError, match="lies before the first"):
        asked(first=OCTOBER)


def trials(model: str, good: int, tried: int, cost: str, **changes: Any) -> None:
    rows = [
        OUTCOME
        | {"id": f"{model}-{n}", "task": f"case-{n}", "model": model, "cost": cost, "success": n < good}
        | changes
        for n in range(tried)
    ]
    assert outcomes.take(rows, by="ann").refused == []


def test_an_upgrade_is_compared_on_the_same_tasks() -> None:
    centre("CC-100")
    trials("small", 60, 100, "0.01")
    trials("large", 80, 100, "0.11")
    [question] = roi_marginal.questions(EVERYTHING)
    assert (question.base, question.candidate) == ("small", "large")
    found = roi_marginal.answer(EVERYTHING, question, "USD", Decimal(2))
    assert (found.found.method, found.found.verdict) == ("paired", "better")
    assert float(found.found.returned.estimate) == pytest.approx(2 * 0.2 / 0.1 - 1)
    assert roi_marginal.answer(Scope(), question, "USD").found.verdict == "too_few"
    euro = roi_marginal.answer(EVERYTHING, question, "EUR")
    assert (euro.found.base.costed, euro.found.verdict) == (0, "better")


def test_a_task_tried_twice_in_one_arm_is_one_trial_with_both_costs() -> None:
    centre("CC-100")
    for attempt, good in (("a", False), ("b", True)):
        rows = [
            OUTCOME | {"id": f"{attempt}-{n}", "task": f"c-{n}", "model": "m", "cost": "1", "success": good}
            for n in range(40)
        ]
        outcomes.take(rows, by="ann")
    arm = roi_marginal.answer(EVERYTHING, Question("model", "m", "x"), "USD").found.base
    assert (arm.tried, arm.resolved, arm.cost_per_task) == (40, 40, 2.0)


def test_a_margin_is_declared_before_its_evidence_and_counts_outcomes_from_then_on() -> None:
    centre("CC-100")
    today = timezone.now().date()
    asked = Question("model", "small", "large", margin=Decimal("0.05"))
    with pytest.raises(roi_marginal.MarginalError, match="before its evidence"):
        roi_marginal.declare(asked._replace(since=today - timedelta(days=1)), by="ann")
    made = roi_marginal.declare(asked, by="ann")
    assert roi_marginal.declare(asked, by="bo").pk == made.pk
    with pytest.raises(roi_marginal.MarginalError, match=r"with a margin of 0\.05 already"):
        roi_marginal.declare(asked._replace(margin=Decimal("0.2")), by="ann")
    trials("small", 60, 100, "0.01")
    trials("large", 60, 100, "0.01")
    declared, anew = roi_marginal.questions(EVERYTHING)
    assert roi_marginal.answer(EVERYTHING, declared, "USD").found.base.tried == 0
    assert roi_marginal.answer(EVERYTHING, anew, "USD").found.no_worse is None
    now = timezone.now().isoformat()
    trials("small", 600, 1000, "0.01", at=now)
    trials("large", 600, 1000, "0.01", at=now)
    assert roi_marginal.answer(EVERYTHING, declared, "USD").found.verdict == "no_worse"


def test_effort_is_advised_for_the_own_mix() -> None:
    load(Usage("1", feature="completion", queries=900), Usage("1", feature="mail", queries=100))
    run = {"source": "b", "task_class": "coding", "features": "completion", "model": "m", "tasks": "225", "currency": "USD",
           "run_on": "2026-08-01", "evidence": "measured"}  # fmt: skip
    rows = [
        run | {"id": "1", "effort": "low", "score": "0.70", "cost": "10"},
        run | {"id": "2", "effort": "high", "score": "0.90", "cost": "40"},
        run | {"id": "3", "effort": "high", "score": "0.10", "cost": "40", "run_on": "2025-01-01"},
        run | {"id": "4", "effort": "none", "score": "0.9", "cost": "", "currency": ""},
    ]
    assert outcomes.take_benchmarks(rows, by="ann").stored == 4
    found = roi_marginal.efforts(EVERYTHING, SEPTEMBER, "USD")
    assert (found.queries, found.unknown) == (1000, 100)
    [coding] = found.classes
    assert (coding.queries, coding.advice[0].effort.effort, coding.advice[0].reason) == (900, "high", "better")
    sent(40, feature="completion", value="0.5")
    [coding] = roi_marginal.efforts(EVERYTHING, SEPTEMBER, "USD").classes
    assert (coding.value, coding.advice[0].effort.effort, coding.advice[0].steps[0].pays) == (
        Decimal("0.5"),
        "low",
        False,
    )
    elsewhere = Scope(cost_centres=frozenset({centre("CC-900").pk}))
    assert [(each.features, each.queries) for each in roi_marginal.efforts(elsewhere, SEPTEMBER, "USD").classes] == [
        ([], 0)
    ]
