"""Prediction before the call: from own history, unknown where there is none."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.predict import Request, predict
from allocation.calc.predict_calibration import learn
from allocation.calc.predict_history import HistoryError, quantiles
from finops.frames import FrameError
from finops.money import MONEY_DTYPE


def queries(n: int, **changed: Any) -> pd.DataFrame:
    """n queries of one kind, one an hour: prompts of 1,000 tokens, 100 to 199 out in turn, a cost of 0.00001 a token out."""
    number = np.arange(n)
    output = changed.pop("output_tokens", 100 + number * 37 % 100)
    columns = {
        "day": number // 24, "cost_centre": "CC-1", "feature": "chat", "effort": "", "prompt_tokens": 1_000, "attachments": False,
        "tools": False, "model": "small", "tier": "simple", "output_tokens": output, "calls": 1, "cost": output / 1e5,
    }  # fmt: skip
    return pd.DataFrame({**columns, **changed}, index=number)


def together(*frames: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True)


CHAT = Request("chat", 1_000, ("small",), tools=False)


def test_a_known_kind_has_tier_tokens_and_an_interval_of_cost() -> None:
    """100 to 199 tokens with a mean of 149.5; 8 in 10 lie between 110 and 190, at 0.00001 each."""
    found = predict(learn(queries(1_200)), CHAT).candidates[0]
    assert (found.model, found.tier, found.why, found.sample, found.calls) == ("small", "simple", "", 1_200, 1)
    assert found.output_tokens == pytest.approx(149.5, rel=0.01)
    assert found.cost is not None
    assert float(found.cost) == pytest.approx(0.001495, rel=0.01)
    assert found.output_interval == pytest.approx((109.5, 190), abs=4)
    assert found.cost_interval is not None
    assert [float(bound) for bound in found.cost_interval] == pytest.approx([0.001095, 0.0019], abs=0.00004)


def test_every_candidate_has_its_own_figures_and_any_model_those_of_all() -> None:
    """The large one costs ten times as much and reasons; two thirds of queries are the small one's."""
    large = queries(600, model="large", tier="complex", cost=0.02)
    found = predict(
        learn(together(queries(1_200, day=0), large.assign(day=0))), Request("chat", 1_000, ("large", "small"))
    )
    assert [(each.model, each.tier) for each in found.candidates] == [("large", "complex"), ("small", "simple")]
    assert found.candidates[0].cost == Decimal("0.02")
    assert (found.tier, found.any_model.sample) == ("simple", 1_800)
    assert (found.any_model.probabilities or {})["complex"] == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (Request("other", 1_000, ("small",)), "no query of this use case, effort and model"),
        (Request("chat", 1_000, ("small",), effort="high"), "no query of this use case, effort and model"),
        (Request("chat", 1_000, ("other",)), "no query of this use case, effort and model"),
        (Request("chat", 1_024, ("small",)), "prompts seen have 512 to 1023 tokens"),
        (Request("chat", 511, ("small",)), "prompts seen have 512 to 1023 tokens"),
        (Request("rare", 1_000, ("small",)), "only 29 queries of this kind, 30 needed"),
    ],
)
def test_what_has_no_history_is_unknown_and_never_a_guess(request_: Request, why: str) -> None:
    found = predict(learn(together(queries(1_200), queries(29, feature="rare"))), request_).candidates[0]
    assert (found.tier, found.why) == ("unknown", why)
    assert (found.probabilities, found.output_tokens, found.cost, found.cost_interval) == (None,) * 4


def test_an_unknown_model_leaves_the_use_case_known() -> None:
    found = predict(learn(queries(1_200)), Request("chat", 1_000, ("other", "small")))
    assert (found.tier, [each.tier for each in found.candidates]) == ("simple", ["unknown", "simple"])


@pytest.mark.parametrize(("n", "a_day"), [(30, 24), (90, 7)])
def test_known_queries_have_no_interval_before_a_hundred_were_compared(n: int, a_day: int) -> None:
    """30 in two days: nothing to compare with. 90 in 13 days: 48 came after those from which they were predicted."""
    found = predict(learn(queries(n, day=np.arange(n) // a_day)), CHAT).candidates[0]
    assert (found.tier, found.cost_interval, found.output_interval) == ("simple", None, None)
    assert found.interval_why == "fewer than 100 predictions compared with what came"
    assert found.cost is not None


def test_queries_without_a_price_count_for_tokens_and_for_no_cost() -> None:
    for unpriced in (None, 0, float("nan")):
        found = predict(learn(queries(1_200, cost=unpriced)), CHAT).candidates[0]
        assert (found.cost, found.cost_interval) == (None, None)
        assert found.interval_why == "no query of this kind has a price"
        assert found.output_interval is not None
    half = together(queries(1_200), queries(1_200, cost=None))
    assert predict(learn(half), CHAT).candidates[0].cost == predict(learn(queries(1_200)), CHAT).candidates[0].cost


def test_exact_money_is_understood() -> None:
    frame = queries(1_200)
    exact = frame.assign(cost=[Decimal(str(cost)) for cost in frame["cost"]])
    typed = exact.assign(cost=exact["cost"].astype(MONEY_DTYPE)).convert_dtypes(dtype_backend="pyarrow")
    assert predict(learn(exact), CHAT) == predict(learn(typed), CHAT) == predict(learn(frame), CHAT)


def test_tools_move_a_kind_as_far_as_they_have_weight() -> None:
    """All of one day. 1,000 simple without tools, 30 complex with: their own share is 1, that of the use case 30 / 1,030.

    Narrow keys of weight 30 are half their own: (1 + 0.0296) / 2 with tools, and again half of 1 by prompt = 0.757.
    """
    frame = together(queries(1_000, day=0), queries(30, tools=True, tier="complex", day=0))
    model = learn(frame)
    with_tools = predict(model, Request("chat", 1_000, ("small",), tools=True)).candidates[0].probabilities or {}
    assert with_tools["complex"] == pytest.approx((1 + (1 + 30.5 / 1_032) / 2) / 2)
    without = predict(model, CHAT).candidates[0].probabilities or {}
    assert without["simple"] > 0.99
    for shares in (with_tools, without):
        assert sum(shares.values()) == pytest.approx(1)


def test_a_narrow_key_without_history_has_the_figures_of_the_broader_one() -> None:
    frame = together(queries(600, day=0), queries(600, day=0, prompt_tokens=5_000))
    found = predict(learn(frame), Request("chat", 2_500, ("small",), attachments=True)).candidates[0]
    assert (found.tier, found.sample) == ("simple", 1_200)


def test_what_is_two_weeks_old_counts_half() -> None:
    """100 simple on day 0, 100 complex on day 14: complex has (100 + 1/2) / (150 + 2) of the broad key."""
    model = learn(together(queries(100, day=0), queries(100, day=14, tier="complex")))
    level = model.history.levels[0]
    shares = level.statistics[level.rows["CC-1", "chat", "", "small"]][:4]
    assert shares == pytest.approx([50.5 / 152, 0.5 / 152, 100.5 / 152, 0.5 / 152])


_values = st.lists(st.tuples(st.integers(0, 2), st.integers(-50, 50)), min_size=1, max_size=40)


@given(_values, st.sampled_from([0.1, 0.25, 0.5, 0.9, 1.0]))
def test_weighted_quantiles_are_those_of_repeated_values(rows: list[tuple[int, int]], part: float) -> None:
    """A weight of 3 is three values alike; each code is ranked on its own, nearest rank."""
    codes, values = (np.array(column) for column in zip(*rows, strict=True))
    weights = 1.0 + np.arange(len(rows)) % 3
    found = quantiles(codes, 3, values.astype(float), weights, (part,))[:, 0]
    for code in range(3):
        of = codes == code
        repeated = np.sort(np.repeat(values[of], weights[of].astype(int)))
        if not len(repeated):
            assert np.isnan(found[code])
        else:
            assert found[code] == repeated[int(np.ceil(part * len(repeated) - 1e-9)) - 1]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tier": "huge"}, "tier of history is 'huge'; tiers are simple, moderate, complex, research"),
        ({"output_tokens": -1}, "output_tokens of history must be a number in every row, and none negative"),
        ({"day": float("nan")}, "day of history must be a number in every row, and none negative"),
    ],
)
def test_history_that_cannot_be_learnt_from_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(HistoryError, match=said.replace("'", ".")):
        learn(queries(40).assign(**changed))


def test_an_empty_or_incomplete_history_is_refused() -> None:
    with pytest.raises(HistoryError, match="history is empty"):
        learn(queries(0))
    with pytest.raises(FrameError, match="history lacks tools"):
        learn(queries(40).drop(columns="tools"))
    with pytest.raises(ValueError, match="prompt_tokens is -1"):
        predict(learn(queries(40)), Request("chat", -1))
