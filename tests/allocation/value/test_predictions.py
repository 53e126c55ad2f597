"""Predictions before the call over real facts: learnt from four weeks, asked for in the fifth, compared with what came."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from allocation.calc.predict import Request
from allocation.calc.predict_tracking import told
from allocation.models import CostCentre, LearntPredictor, Prediction
from allocation.scope import EVERYTHING, Scope
from allocation.value import predictions, predictions_history, predictions_learning
from allocation.value.predictions import AskError, Trace
from ingest.facts.samples import single_calls
from tests.allocation.value.traffic import DAYS, FIRST, MODELS, Query, sent, traffic
from tests.conftest import empty_ledger

CUT = FIRST + timedelta(days=28)
END = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=DAYS)
LATER = [query for query in traffic() if query.at.date() >= CUT]


def ask(query: Query, *, early: float = 1, scope: Scope = EVERYTHING, **changed: Any) -> predictions.Answer:
    """As a gateway asks, ``early`` seconds before the first call."""
    asked = {"feature": query.feature, "prompt_tokens": query.prompt, "models": (query.model,), "effort": query.effort}
    trace = Trace(query.trace, "litellm", "gw")
    return predictions.ask(
        scope, Request(**asked | changed), by="gateway", now=query.at - timedelta(seconds=early), trace=trace
    )


@pytest.fixture(scope="module")
def four_weeks(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[None]:
    """Learnt from four weeks; the fifth was asked for query by query, and then came."""
    folder = tmp_path_factory.mktemp("traffic")
    with django_db_blocker.unblock():
        sent(folder, [query for query in traffic() if query.at.date() < CUT], "seen")
        predictions_learning.learn_through(CUT)
        for query in LATER:
            ask(query)
        sent(folder, LATER, "later")
        predictions_learning.compare(END)
        yield
        empty_ledger()


@pytest.fixture
def learnt(four_weeks: None, django_db_blocker: Any) -> Iterator[None]:
    """The same, put back after the test."""
    with django_db_blocker.unblock():
        connection.ensure_connection()
        connection.set_autocommit(False)
        try:
            yield
        finally:
            connection.rollback()
            connection.set_autocommit(True)


pytestmark = pytest.mark.usefixtures("learnt")


def test_the_interval_covers_77_to_86_percent_of_a_later_unseen_week() -> None:
    """Acceptance e: asked for before the calls, compared with the facts; the same of what was held out of the history."""
    found = predictions.standing(EVERYTHING)
    for whole in (found.asked[0], found.held_out[0]):
        assert whole.coverage is not None
        assert whole.hit_rate is not None
        assert whole.majority is not None
        assert 0.77 <= whole.coverage <= 0.86
        assert whole.hit_rate > whole.majority + 0.1
    assert (found.waiting, found.late) == (0, 0)
    assert found.asked[0].bounded + found.asked[0].unknown == len(LATER)


def test_what_it_learns_from_is_what_the_facts_say() -> None:
    """Calls, answers and prices of every query as SQL has them; the prompt is that of its first call."""
    sample = predictions_history.sample(END.date())
    assert sample is not None
    frame = sample.queries.set_index("query")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.query_id, count(*), sum(coalesce(output_visible, 0) + coalesce(output_reasoning, 0)), "
            "max(input_uncached) FILTER (WHERE begins), max(t.tier), sum((SELECT sum(r.contracted_cost / r.quantity * CASE "
            "r.price_class WHEN 'input_uncached' THEN e.input_uncached WHEN 'output_visible' THEN e.output_visible "
            "WHEN 'output_reasoning' THEN e.output_reasoning END) FROM rating r WHERE (r.charge_date, r.usage_key_id, "
            "r.rate_slot_id) = (e.charge_date, e.usage_key_id, e.rate_slot_id) AND r.tier = t.tier)) "
            "FROM usage_event e JOIN allocation_tierrule t ON t.id = e.tier_rule GROUP BY 1"
        )
        facts = cursor.fetchall()
    assert len(facts) == len(frame) == len(traffic())
    for query, calls, output, prompt, tier, cost in facts:
        row = frame.loc[query]
        assert (row["calls"], row["output_tokens"], row["prompt_tokens"], row["tier"]) == (calls, output, prompt, tier)
        assert row["cost"] == pytest.approx(float(cost), rel=1e-9)


def test_a_sample_is_of_whole_queries_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,800 queries: a quarter of them is less than 800. Those without a trace are told apart by their ids."""
    whole = predictions_history.sample(END.date())
    monkeypatch.setattr(predictions_history, "MOST_QUERIES", 800)
    some = predictions_history.sample(END.date())
    assert whole is not None
    assert some is not None
    assert (some.every, whole.every) == (4, 1)
    assert 500 < len(some.queries) < 720
    both = some.queries.merge(whole.queries, on=["query", "calls", "output_tokens", "cost"])
    assert len(both) == len(some.queries)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE usage_event SET query_id = NULL WHERE query_id IN (%s)" % ", ".join(  # noqa: UP031
            str(query) for query in whole.queries[whole.queries["calls"] == 1]["query"]
        ))  # fmt: skip
    alone = predictions_history.sample(END.date())
    assert alone is not None
    assert 500 < len(alone.queries) < 720
    with pytest.raises(ValueError, match="every is 3; give a power of two"):
        single_calls(END.date(), every=3)


def test_a_model_is_known_under_the_name_it_is_asked_for() -> None:
    answer = ask(LATER[0], models=("gpt-5", "gpt-5-2025-08-07", "claude-x"))
    assert answer.served == {"gpt-5": MODELS["gpt-5"]}
    assert answer.candidates[0].cost == answer.candidates[1].cost
    assert [each.model for each in answer.candidates] == ["gpt-5", "gpt-5-2025-08-07", "claude-x"]
    assert (answer.candidates[2].tier, answer.candidates[2].why) == (
        "unknown", "no query of this use case, effort and model",
    )  # fmt: skip


def test_owners_learn_of_their_own_queries_alone() -> None:
    risk, search = (Scope(cost_centres=frozenset({CostCentre.objects.get(code=code).pk})) for code in ("CC-2", "CC-1"))
    chat = next(query for query in LATER if query.feature == "chat")
    assert ask(chat, scope=search).any_model.tier == "simple"
    assert ask(chat, scope=risk).any_model.why == "no query of this use case, effort and model"
    with pytest.raises(AskError, match="is not yours; say which: CC-2"):
        ask(chat, scope=risk, cost_centre="CC-1")
    with pytest.raises(AskError, match="say which: CC-1, CC-2"):
        ask(chat, scope=Scope(cost_centres=risk.cost_centres | search.cost_centres))
    with pytest.raises(AskError, match="no cost centre is yours"):
        ask(chat, scope=Scope())
    assert {kind.feature for kind in predictions.kinds(risk)} == {"analysis", "code"}
    own = predictions.standing(risk)
    for rows in (own.asked, own.held_out):
        assert {row.feature for row in rows} == {None, "analysis", "code"}
    everything = predictions.standing(EVERYTHING).asked[0]
    assert own.asked[0].judged + predictions.standing(search).asked[0].judged == everything.judged


def test_the_first_prediction_of_a_query_stands() -> None:
    again = ask(LATER[0], prompt_tokens=LATER[0].prompt + 1)
    assert again.kept is False
    assert Prediction.objects.count() == len(LATER)


def test_a_prediction_asked_for_after_its_first_call_counts_nowhere() -> None:
    before = predictions.standing(EVERYTHING).asked[0]
    row = Prediction.objects.filter(predicted="simple", tier="simple", cost__gte=0).earliest("pk")
    Prediction.objects.filter(pk=row.pk).update(asked_at=row.began_at + timedelta(minutes=6))
    predictions_learning.compare(END)
    after = predictions.standing(EVERYTHING)
    assert (after.late, after.asked[0].judged, after.asked[0].hits) == (1, before.judged - 1, before.hits - 1)


def test_a_query_that_has_not_come_is_waiting_and_old_ones_are_forgotten() -> None:
    future = LATER[-1]._replace(trace="never")
    assert ask(future).kept is True
    assert predictions_learning.compare(END).looked_for == len(LATER) + 1
    assert predictions.standing(EVERYTHING).waiting == 1
    predictions_learning.compare(END + predictions_learning.KEPT_FOR)
    assert Prediction.objects.count() == 0


def test_a_day_keeps_so_many_predictions_and_answers_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "MOST_A_DAY", 1)
    answer = ask(LATER[-1]._replace(trace="one more"))
    assert answer.kept is False
    assert answer.any_model.cost is not None


def test_the_newest_is_in_force_and_the_last_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions_learning, "KEPT", 2)
    for day in (20, 25, 30):
        predictions_learning.learn_through(FIRST + timedelta(days=day))
    learnt = predictions.in_force()
    assert learnt is not None
    assert learnt.row.through == FIRST + timedelta(days=30)
    assert [row.through.day for row in LearntPredictor.objects.order_by("pk")] == [26, 31]
    assert sum(row.judged for row in predictions.standing(EVERYTHING).held_out[1:]) > 0


def test_it_is_learnt_once_a_night() -> None:
    made = LearntPredictor.objects.latest("pk")
    night = made.learnt_at.replace(hour=2, minute=0, second=0, microsecond=0)
    LearntPredictor.objects.filter(pk=made.pk).update(learnt_at=night + timedelta(minutes=5))
    assert not predictions_learning.is_due(night + timedelta(hours=20))
    assert predictions_learning.is_due(night + timedelta(hours=24))


def test_checks_that_do_not_fit_are_kept_together(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions_learning.learn_through(CUT)
    before = predictions.standing(EVERYTHING).held_out[0]
    monkeypatch.setattr(predictions_learning, "CHECKED", 1)
    predictions_learning.learn_through(CUT)
    found = predictions.standing(EVERYTHING).held_out
    assert [row.feature for row in found] == [None, "chat", "(others)"]
    assert found[0] == before


def test_without_anything_learnt_all_is_unknown() -> None:
    LearntPredictor.objects.all().delete()
    answer = ask(LATER[0]._replace(trace="t"))
    assert (answer.any_model.tier, answer.any_model.why, answer.kept) == ("unknown", predictions.NOTHING_LEARNT, None)
    assert predictions.kinds(EVERYTHING) == []
    assert told(None, predictions_learning.Counts()).verdict == "too_few"
