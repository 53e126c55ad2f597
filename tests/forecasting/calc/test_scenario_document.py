"""Scenarios as people write them: presets name the register, what cannot be meant is refused with its place."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from allocation.calc.assumptions import Register
from finops.documents import read_yaml
from finops.focus import TIERS
from forecasting.calc.scenario_document import Correlation, Spec, parse
from forecasting.calc.scenario_draws import draw, triangular
from forecasting.calc.scenario_origin import ScenarioError
from forecasting.calc.scenario_parameters import BY_NAME, PARAMETERS
from tests.forecasting.calc.scenario_world import PRESETS, REGISTER, ROOT, fixed, origin, preset, scenario

D = Decimal
NAMES = (
    "base", "optimistic", "inference_squeeze", "supply_relief_h2_2027", "supply_shock", "cheap_supply", "agent_explosion",
    "price_war", "routing_adopted",
)  # fmt: skip


def told(document: Any) -> str:
    with pytest.raises(ScenarioError) as refused:
        parse(document, REGISTER, PRESETS)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def ours(**parameters: Any) -> dict[str, Any]:
    return {"name": "ours", "parameters": {name.replace("__", "."): value for name, value in parameters.items()}}


def test_the_presets_are_there_each_with_a_sentence() -> None:
    assert tuple(PRESETS) == NAMES
    assert all(one["about"].endswith(".") and one["title"] for one in PRESETS.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_takes_every_figure_from_the_register_with_its_source(name: str) -> None:
    for full, given in PRESETS[name]["parameters"].items():
        if given is not None and "assumption" not in given:
            assert given["value"] in ("0", "1"), full  # none or all of it, which is what the preset is about
    for full, spec in preset(name).specs.items():
        if spec is not None and spec.assumption:
            one = REGISTER.get(spec.assumption)
            assert (spec.source, one.unit) == (one.source, BY_NAME[full.partition(".")[0]].unit)
            assert one.low <= spec.low <= spec.base <= spec.high <= one.high  # type: ignore[operator]


def test_presets_hold_no_figure_but_correlations_and_none_or_all() -> None:
    text = "\n".join(
        line for line in (ROOT / "forecasting/presets.yaml").read_text().splitlines() if "rho:" not in line
    )
    found = [word for word in text.split('"')[1::2] if any(sign.isdigit() for sign in word)]
    assert set(found) <= {"0", "1"}


def test_the_end_of_a_range_is_that_which_the_register_says() -> None:
    one = REGISTER.get("token_price_change_same_sku")  # -0.25, 0, 0.20: dearer is high
    at = {at: scenario({"price_same_sku": {"assumption": one.code, "at": at}}).specs["price_same_sku"] for at in
          ("base", "optimistic", "squeeze")}  # fmt: skip
    assert at["base"][:3] == (D("-0.25"), D(0), D("0.20"))  # type: ignore[index]
    assert at["optimistic"][:3] == (D("-0.25"), D("-0.25"), D(0))  # type: ignore[index]
    assert at["squeeze"][:3] == (D(0), D("0.20"), D("0.20"))  # type: ignore[index]
    supply = scenario(
        {"accelerator_supply": {"assumption": "accelerator_supply_growth", "at": "squeeze"}}
    )  # dearer is low
    assert supply.specs["accelerator_supply"][:3] == (D("1.5"), D("1.5"), D("2.5"))  # type: ignore[index]
    still = scenario({"price_same_sku": {"assumption": one.code, "at": "squeeze", "fixed": True}})
    assert still.specs["price_same_sku"][:3] == (D("0.20"),) * 3  # type: ignore[index]


def test_a_scenario_over_another_has_what_it_does_not_say() -> None:
    base, squeeze = preset("base"), preset("inference_squeeze")
    assert squeeze.specs["elasticity"] == base.specs["elasticity"]
    assert squeeze.specs["price_same_sku"] != base.specs["price_same_sku"]
    assert squeeze.correlations == base.correlations != ()
    own = parse({"name": "ours", "over": "agent_explosion", "parameters": fixed(calls_per_task="2")}, REGISTER, PRESETS)
    # one value for all tiers stands in for those of single tiers below it
    assert {own.spec("calls_per_task", tier).base for tier in TIERS} == {D(2)}  # type: ignore[union-attr]


def test_all_tiers_but_one_may_be_left_out() -> None:
    what = preset("base")
    assert what.spec("reasoning_per_call", "simple") is None
    assert what.spec("reasoning_per_call", "complex") is not None


OVERLAP = "would count twice. Set reasoning_per_task.complex or {}.complex to null"


@pytest.mark.parametrize("other", ["calls_per_task", "reasoning_per_call"])
def test_reasoning_of_a_task_and_its_calls_are_not_both_multiplied(other: str) -> None:
    value = {"value": "2", "source": "a test"}
    for task in ("reasoning_per_task", "reasoning_per_task.complex"):
        for calls in (other, f"{other}.complex"):
            message = told({"name": "ours", "parameters": {task: value, calls: value}})
            assert "the same thinking would count twice" in message
            assert f"{other}" in message
    parameters = {"reasoning_per_task": value, f"{other}.complex": value, "reasoning_per_task.complex": None}
    assert parse({"name": "ours", "parameters": parameters}, REGISTER, PRESETS).spec(other, "complex") is not None
    assert "tier complex" in told(
        {"name": "ours", "over": "agent_explosion", "parameters": {"reasoning_per_task.complex": value}}
    )
    assert OVERLAP.format("calls_per_task") in told(
        {"name": "ours", "parameters": {"reasoning_per_task.complex": value, "calls_per_task.complex": value}}
    )


VALUE = {"value": "2", "source": "a test"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "a scenario is a mapping with a name and parameters"),
        ({"parameters": {}}, "name must be a text"),
        ({"name": "x", "colour": "red"}, "unknown field 'colour'; known are name, title"),
        ({"name": "x", "over": "y"}, "over: 'y' is none of base, optimistic"),
        ({"name": "x", "over": ["base"]}, "over: \"['base']\" is none of base"),
        ({"name": "x", "over": {}}, "over: '{}' is none of base"),
        ({"name": "x", "steps": [{"on": "2027-01-01", "price": "same_sku", "change": "1", "source": "y"}] * 101}, "at most 100"),
        ({"name": "x", "title": "t" * 201}, "title: at most 200 characters"),
        ({"name": "x", "months": 0}, "months: must be a whole number from 1 to 60, not 0"),
        ({"name": "x", "months": 61}, "months: must be a whole number from 1 to 60, not 61"),
        ({"name": "x", "parameters": []}, "parameters: must be a mapping"),
        ({"name": "x", "steps": {}}, "steps: must be a list"),
        ({"name": "x", "parameters": [1]}, "parameters: must be a mapping"),
        (ours(growth=VALUE), "parameters: 'growth' is none; known are query_growth"),
        (ours(elasticity__huge=VALUE), "parameters: elasticity.huge: elasticity is for one of simple, moderate"),
        (ours(debate_share__simple=VALUE), "parameters: debate_share.simple: debate_share is for all tiers alone"),
        (ours(query_growth="2"), "query_growth: is no mapping; say assumption and at, or low"),
        (ours(query_growth={"value": 2.5, "source": "x"}), 'query_growth: value is a float; write it in quotes: "2.5"'),
        (ours(query_growth={"value": "2"}), "query_growth: source is missing: who says so"),
        (ours(query_growth={"value": "0", "source": "x"}), "query_growth: value must be above 0"),
        (ours(query_growth={"value": "NaN", "source": "x"}), "query_growth: value must be a number"),
        (ours(query_growth={"low": "1", "base": "3", "high": "2", "source": "x"}), "base must lie from low to high"),
        (ours(query_growth={"low": "1", "high": "2", "source": "x"}), "query_growth: base must be a number"),
        (ours(query_growth={"assumption": "nothing"}), "query_growth: nothing: is not in the assumption register"),
        (ours(query_growth={"assumption": "query_growth", "at": "worst"}), "query_growth: an assumption is taken at base"),
        (ours(query_growth={"assumption": "query_growth", "low": "1"}), "query_growth: an assumption is taken at base"),
        (ours(query_growth={"assumption": "demand_elasticity"}), "query_growth: is a x/year, and demand_elasticity of the"),
        (ours(routing_share={"value": "1.5", "source": "x"}), "routing_share: value is a share, from 0 to 1, not 1.5"),
        (ours(price_same_sku={"value": "-1", "source": "x"}), "price_same_sku: value must be above -1"),
        (ours(relief_date={"value": "soon", "source": "x"}), "relief_date: value: must be a date YYYY-MM-DD, not 'soon'"),
        ({"name": "x", "policy": {"spill": "0.5"}}, "x: policy: spill, delay and drop are parts that add up to 1"),
        ({"name": "x", "steps": [{"on": "2027-01-01", "price": "gold", "change": "1"}]}, "steps, entry 1: has on, price"),
        ({"name": "x", "steps": [{"on": "2027-01-01", "price": "same_sku", "change": "-1"}]}, "entry 1: change must be above"),
        ({"name": "x", "correlations": [{"one": "elasticity", "other": "elasticity", "rho": "0"}]}, "must be two parameters"),
        ({"name": "x", "correlations": [{"one": "elasticity", "other": "agents", "rho": "1"}]}, "rho lies between -1 and 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_place(document: Any, message: str) -> None:
    assert message in told(document)


def test_the_scenario_of_the_documentation_is_read() -> None:
    text = (ROOT / "docs" / "scenarios.md").read_text()
    [document] = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "steps:" in block]
    found = parse(read_yaml(document), REGISTER, PRESETS)
    assert [(step.on, step.price) for step in found.steps] == [(date(2027, 1, 1), "same_sku")]


def test_a_preset_over_itself_is_refused() -> None:
    with pytest.raises(ScenarioError, match="is over itself"):
        parse({"name": "x", "over": "a"}, REGISTER, {"a": {"name": "a", "over": "b"}, "b": {"name": "b", "over": "a"}})


def test_the_version_of_parameters_is_that_of_what_moves_figures() -> None:
    one = scenario(fixed(elasticity="0.4"))
    assert (
        scenario({"elasticity": {"value": "0.40", "source": "somebody else"}}, title="other words").digest()
        == one.digest()
    )
    others = (scenario(fixed(elasticity="0.5")), scenario(fixed(elasticity="0.4"), months=23),
              scenario(fixed(elasticity="0.4"), policy={"spill": "0", "drop": "1"}))  # fmt: skip
    assert len({one.digest(), *(other.digest() for other in others)}) == 4


def test_a_saved_scenario_does_not_follow_the_register() -> None:
    changed = Register(
        {**REGISTER.entries, "demand_elasticity": REGISTER.get("demand_elasticity")._replace(base=D("0.3"))}
    )
    document = ours(elasticity={"assumption": "demand_elasticity"})
    assert parse(document, changed, PRESETS).digest() != parse(document, REGISTER, PRESETS).digest()


# Draws


def test_a_range_is_drawn_within_its_ends_with_the_base_the_likeliest() -> None:
    what = scenario({
        "query_growth": {"low": "1", "base": "2", "high": "8", "source": "x"},
        "price_same_sku": {"low": "-0.2", "base": "0", "high": "0.4", "source": "x"},
        "relief_date": {"low": "2027-01-01", "base": "2027-09-01", "high": "2028-06-01", "source": "x"},
    })  # fmt: skip
    found = draw(what, date(2026, 10, 1), TIERS, 2**12, 7).values
    growth = found["query_growth"].ravel()
    assert (growth.min(), growth.max()) == pytest.approx((1, 8), rel=0.1)
    # triangular in the logarithm, 0, 1 and 3 doublings: a third lies below the base
    assert (growth < 2).mean() == pytest.approx(1 / 3, abs=0.01)
    assert (found["price_same_sku"] < 0).mean() == pytest.approx(1 / 3, abs=0.01)
    assert found["relief_date"].min() == pytest.approx(92 / 30.4375, abs=0.2)


def test_every_parameter_keeps_its_luck_whatever_else_is_in_a_scenario() -> None:
    ranged = {"low": "1", "base": "2", "high": "8", "source": "x"}
    alone, beside = scenario({"context_growth": ranged}), scenario({"query_growth": ranged, "context_growth": ranged})
    one, other = (draw(what, origin().month, TIERS, 64, 7).values["context_growth"] for what in (alone, beside))
    assert one.tobytes() == other.tobytes()


def test_correlated_parameters_go_together_and_keep_their_own_distribution() -> None:
    ranged = {"low": "1", "base": "2", "high": "8", "source": "x"}
    pair = [{"one": "context_growth", "other": "query_growth", "rho": "0.8"}]
    what = scenario({"query_growth": ranged, "context_growth": ranged}, correlations=pair)
    found = draw(what, origin().month, TIERS, 2**12, 7).values
    one, other = found["query_growth"].ravel(), found["context_growth"].ravel()
    ranks = [values.argsort().argsort() for values in (one, other)]
    together = sum((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())) / (
        len(one) * ranks[0].std() * ranks[1].std()
    )
    assert together == pytest.approx(0.786, abs=0.03)  # 6 / pi x arcsin(0.8 / 2), Spearman's of such a pair
    assert (one < 2).mean() == pytest.approx(1 / 3, abs=0.01)
    assert (other < 2).mean() == pytest.approx(1 / 3, abs=0.01)


def test_correlations_that_cannot_hold_together_are_refused() -> None:
    pairs = [("query_growth", "elasticity", "0.9"), ("elasticity", "agents", "0.9"), ("query_growth", "agents", "-0.9")]
    what = scenario(correlations=[dict(zip(Correlation._fields, pair, strict=True)) for pair in pairs])
    with pytest.raises(ScenarioError, match="cannot hold together"):
        draw(what, origin().month, TIERS, 64, 7)


def test_a_triangle_of_no_width_on_one_side_is_drawn() -> None:

    points = np.array([0.0, 0.5, 1.0])
    assert triangular(points, 0.0, 0.0, 1.0).tolist() == pytest.approx([0, 1 - 0.5**0.5, 1])
    assert triangular(points, 0.0, 1.0, 1.0).tolist() == pytest.approx([0, 0.5**0.5, 1])


def test_each_parameter_has_a_title_and_a_neutral_value_that_its_unit_allows() -> None:
    assert len(BY_NAME) == len(PARAMETERS)
    for one in PARAMETERS:
        assert one.title
        assert not (one.positive and one.neutral == 0), one.name
    assert Spec._fields[:3] == ("low", "base", "high")
