"""Queries from single calls, and what was learnt as bytes."""

from typing import Any

import numpy as np
import pytest

from allocation.calc import predict_history
from allocation.calc.predict import Request, predict
from allocation.calc.predict_calibration import held_out, learn
from allocation.calc.predict_queries import Day, Kind, queries
from allocation.calc.predict_store import UnknownForm, packed, unpacked
from allocation.calc.predict_tracking import Counts, by_feature
from finops.tokens import TOKEN_CLASSES
from tests.allocation.calc.test_predict import CHAT, together
from tests.allocation.calc.test_predict import queries as rows

KINDS = {
    1: Kind("CC-1", "chat", "", "small", "sm"),
    2: Kind("CC-2", "code", "high", "large", "", frozenset({"complex"})),
}
TIERS = {7: "simple", 8: "complex"}
RATES = {
    (1, 0): {"input_uncached": 0.1, "output_visible": 1.0},
    (2, 0): {"input_uncached": None, "output_visible": 2.0},
}


def day(number: int, *calls: dict[str, Any]) -> Day:
    """A day of calls: query (0: no trace), key 1, rule 7, begins 0, 10 in and 5 out unless said otherwise."""
    plain = {
        "query": 0,
        "key": 1,
        "slot": 0,
        "rule": 7,
        "begins": 0,
        "tool_calls": 0,
        "at": 0,
        **dict.fromkeys(TOKEN_CLASSES, 0),
    }
    plain |= {"input_uncached": 10, "output_visible": 5}
    found = [{**plain, **call, "traced": int(call.get("query", 0) != 0)} for call in calls]
    names = [*plain, "traced"]
    return Day(number, {name: np.array([call[name] for call in found], dtype=np.int64) for name in names}, RATES, KINDS)


def of(*days: Day, last: int | None = None) -> list[tuple[Any, ...]]:
    """(day, use case, prompt, output, calls, tools, tier, cost) of what is found."""
    names = ["day", "feature", "prompt_tokens", "output_tokens", "calls", "tools", "tier", "cost"]
    return [tuple(row) for row in queries(days, TIERS, 2, last)[names].itertuples(index=False)]


def test_a_query_is_all_calls_of_its_trace_also_of_days_after() -> None:
    """5 + 7 + 5 out at 1 each and 10 + 20 + 10 in at 0.1: 21; its prompt and tier are those of the call it begins with."""
    first = day(0, {"query": 5, "begins": 1, "at": 3}, {"query": 5, "at": 9, "input_uncached": 20, "output_visible": 7})
    assert of(first, day(2, {"query": 5, "tool_calls": 2})) == [(0, "chat", 10, 17, 3, True, "simple", 21.0)]
    assert of(first, day(3, {"query": 5, "begins": 1})) == [
        (0, "chat", 10, 12, 2, False, "simple", 15.0), (3, "chat", 10, 5, 1, False, "simple", 6.0),
    ]  # fmt: skip
    assert of(first, day(3, {"query": 5, "begins": 1}), last=2) == [(0, "chat", 10, 12, 2, False, "simple", 15.0)]


def test_calls_without_a_trace_are_a_query_each() -> None:
    assert of(day(0, {"begins": 1}, {"begins": 1, "output_visible": 1})) == [
        (0, "chat", 10, 5, 1, False, "simple", 6.0), (0, "chat", 10, 1, 1, False, "simple", 2.0),
    ]  # fmt: skip


def test_a_query_begins_with_the_call_that_says_so_whatever_its_day() -> None:
    """On the clock of another issuer the first call may be of the later day."""
    assert of(day(0, {"query": 5, "key": 2}), day(1, {"query": 5, "begins": 1, "input_uncached": 30}))[0][:5] == (
        1,
        "chat",
        30,
        10,
        2,
    )


def test_what_has_no_known_tier_beginning_or_price_is_left_out_or_has_no_cost() -> None:
    assert of(day(0, {"query": 5}), day(1)) == []  # began before
    assert of(day(0, {"begins": 1, "rule": 9})) == []  # estimated
    assert of(day(0, {"begins": 1, "key": 2, "rule": 8})) == []  # another layer counts it
    [found] = of(day(0, {"begins": 1, "key": 2}))
    assert found[:7] == (0, "code", 10, 5, 1, False, "simple")
    assert np.isnan(found[7])
    assert of(day(0, {"begins": 1, "key": 2, "input_uncached": 0})) == [(0, "code", 0, 5, 1, False, "simple", 10.0)]


def test_what_is_read_back_predicts_the_same() -> None:
    frame = together(rows(600), rows(600, tools=True, tier="complex", cost=None), rows(40, feature="é", model="large"))
    learnt = learn(frame)
    back = unpacked(packed(learnt))
    for request in (CHAT, Request("chat", 1_000, ("small", "large")), Request("é", 9, ("large",), cost_centre="CC-1")):
        assert predict(back, request) == predict(learnt, request)
    for one, two in zip(learnt.history.levels, back.history.levels, strict=True):
        assert one.rows == two.rows
        np.testing.assert_array_equal(one.statistics, two.statistics)
    with pytest.raises(UnknownForm, match="learn anew"):
        unpacked(packed(learnt).replace(b'"form": 1', b'"form": 9'))


def test_what_is_kept_is_bounded_and_the_largest_kinds_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = together(rows(500), *(rows(35, feature=f"f{n}") for n in range(9)))
    monkeypatch.setattr(predict_history, "MOST_KEYS", 12)
    learnt = learn(frame)
    assert [len(level.rows) for level in learnt.history.levels] == [12, 12, 12]
    assert predict(learnt, CHAT).any_model.tier == "simple"
    assert (
        predict(learnt, Request("f8", 1_000)).any_model.why == "at most 35 queries of this use case, effort and model"
    )


def test_a_cost_centre_has_its_own_history_and_whichever_that_of_all() -> None:
    frame = together(rows(600), rows(600, cost_centre="CC-2", cost=0.05, tier="complex"))
    learnt = learn(frame)
    own, all_of_them = (predict(learnt, Request("chat", 1_000, cost_centre=code)).any_model for code in ("CC-2", "*"))
    assert (own.tier, own.sample, all_of_them.sample) == ("complex", 600, 1_200)
    assert own.cost_interval is not None
    assert own.cost_interval[0] == own.cost_interval[1] == own.cost  # all cost the same: no float lies beside it


def test_tools_that_are_not_known_are_not_narrowed_by() -> None:
    """Half of the queries call tools and are complex: without knowing, even chances."""
    learnt = learn(together(rows(600, day=0), rows(600, day=0, tools=True, tier="complex")))
    chances = predict(learnt, Request("chat", 1_000)).any_model.probabilities or {}
    assert chances["complex"] == pytest.approx(0.5, abs=0.001)
    assert predict(learnt, Request("chat", 1_000, tools=True)).any_model.tier == "complex"


def test_days_held_out_are_predicted_from_those_before() -> None:
    """1,200 queries of 50 days, one an hour: the last 7 days have 168."""
    frame = rows(1_200)
    assert len(held_out(frame)) == 168
    assert len(held_out(rows(24))) == 0
    changed = frame.assign(cost=frame["cost"].where(frame["day"] < 43, 9.0))
    assert held_out(changed)["cost_high"].max() < 0.01


def test_use_cases_beyond_the_most_compared_are_one_row() -> None:
    counts = [(f"f{n}", Counts(bounded=40, hits=30, came=(40 + n, 0, 0, 0))) for n in range(5)]
    found = by_feature(counts, most=2)
    assert [row.feature for row in found] == [None, "f3", "f4", "(others)"]
    assert [row.judged for row in found] == [210, 43, 44, 123]
    assert len(by_feature(counts)) == 6
