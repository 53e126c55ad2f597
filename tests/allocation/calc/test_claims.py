"""Calculators and claims: formulas are what is shown and what is computed, defaults are the register's, claims come out."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc import claims_checked
from allocation.calc.assumptions import Register, parse
from allocation.calc.claims import CALCULATORS, calculate, defaults, rounded
from allocation.calc.claims_checked import CORRECTED, DERIVED, EXTERNAL, INCONSISTENT, OK, check
from allocation.calc.claims_formulas import CONSTANTS, CalculationError, evaluate, names, shown
from finops.documents import read_yaml

FOLDER = Path(__file__).parents[3] / "allocation"
REGISTER: Register = parse(read_yaml((FOLDER / "assumptions.yaml").read_text(encoding="utf-8")))
CLAIMS = check(read_yaml((FOLDER / "claims.yaml").read_text(encoding="utf-8")), REGISTER)
RUN = {"what": "a", "calculator": "rollouts", "inputs": {}, "figure": "y", "ours": "1"}
POSITIVE = st.decimals("0.01", 10_000, places=4)


def figure(name: str, of: str, **inputs: str) -> Decimal:
    value = calculate(name, inputs, REGISTER).value(of)
    assert value is not None
    return value


# Claims


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: str(claim.number))
def test_each_figure_of_a_claim_comes_out_as_the_file_says(claim: claims_checked.Claim) -> None:
    for run in claim.runs:
        assert abs(run.ours - run.expected) <= Decimal("1e-9") * abs(run.expected), (run.what, run.ours, run.expected)


def test_every_claim_is_there_once_with_the_verdict_that_its_arithmetic_has() -> None:
    assert [claim.number for claim in CLAIMS] == list(range(1, 78))
    by_verdict = {verdict: [c.number for c in CLAIMS if c.verdict == verdict] for verdict in claims_checked.VERDICTS}
    assert by_verdict[OK] == [4, 7, 8, 9, 10, 20, 22, 32, 38, 41, 43, 45, 48, 51, 55, 56, 60, 67, 75]
    assert by_verdict[CORRECTED] == [5, 6, 11, 24, 31, 36, 37, 44, 49, 50, 54, 57, 58, 69, 70, 72]
    assert by_verdict[INCONSISTENT] == [13, 27, 29, 39, 61]
    assert by_verdict[DERIVED] == [2, 3, 14, 15, 34, 64, 65, 73, 74]
    assert len(by_verdict[EXTERNAL]) == 77 - 19 - 16 - 5 - 9


def test_what_reproduces_does_so_in_every_figure_that_is_stated() -> None:
    for claim in CLAIMS:
        if claim.verdict == OK:
            assert all(run.reproduces for run in claim.runs)
            assert any(run.stated is not None for run in claim.runs)


def test_what_is_corrected_says_so_and_shows_the_value() -> None:
    for claim in CLAIMS:
        if claim.verdict == CORRECTED:
            assert claim.correction, claim.number
            assert claim.runs, claim.number


def test_what_is_inconsistent_shows_both_values() -> None:
    assert all(len(claim.values) == 2 for claim in CLAIMS if claim.verdict == INCONSISTENT)


@pytest.mark.parametrize(
    ("tier", "ttc", "debate", "net"),
    [
        ("simple", "1", "1", "0.10"), ("moderate", "3", "1.5", "0.45"), ("moderate", "5", "1.5", "0.75"),
        ("complex", "10", "1.5", "1.5"), ("complex", "50", "2.5", "12.5"), ("research", "50", "4", "20"),
        ("research", "100", "4", "40"),
    ],
)  # fmt: skip
def test_the_rows_of_the_tier_table_come_out(tier: str, ttc: str, debate: str, net: str) -> None:
    found = figure("tier_cost", "net", tier=tier, basis="ttc", ttc=ttc, debate=debate, efficiency="10")
    assert abs(found - Decimal(net)) <= Decimal("1e-9") * Decimal(net)


def test_the_headlines_come_out_corrected() -> None:
    assert figure("growth", "fall", start="20", end="0.40", years="3.3") == 50
    assert figure("net_cost", "cheaper", price_fall="50", token_growth="50") == 1
    assert round(figure("growth", "change", start="3", end="30", years="4"), 3) == Decimal("0.778")
    assert figure("agent_tasks", "month", calls="100", call_cost="0.01", tasks="1000000", days="30") == 30_000_000
    assert round(figure("growth", "yearly_fall", start="20", end="0.40", years="3.3"), 2) == Decimal("3.27")


@pytest.mark.parametrize(
    ("stated", "ours", "same"),
    [
        ("0.77", "0.778279", True), ("0.58", "0.778279", False), ("67", "66.67", True), ("16", "16.67", True),
        ("17", "16.67", True), ("15", "16.67", False), ("0.65", "0.65", True), ("-80", "-80", True),
    ],
)  # fmt: skip
def test_a_stated_figure_is_compared_at_its_own_digits(stated: str, ours: str, same: bool) -> None:
    run = claims_checked.Checked(
        "", Decimal(stated), Decimal(0), Decimal(ours), "", calculate("rollouts", {}, REGISTER)
    )
    assert run.reproduces is same


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"colour": 1}, "claim 1: unknown field 'colour'"),
        ({"runs": [RUN | {"calculator": "x"}]}, "claim 1, a: there is no calculator"),
        ({"runs": [RUN]}, "claim 1, a: rollouts has no y"),
        ({"runs": [{"what": "a", "weight": 1}]}, "claim 1: unknown field 'weight' of a run"),
    ],
)  # fmt: skip
def test_a_claim_that_cannot_be_checked_is_named(entry: dict[str, Any], told: str) -> None:
    with pytest.raises(CalculationError, match=told):
        check([{"id": 1, "note": "A", "claim": "c", **entry}], REGISTER)


# Calculators


@pytest.mark.parametrize("name", CALCULATORS)
def test_every_calculator_has_defaults_with_a_source_and_figures(name: str) -> None:
    calculator, result = CALCULATORS[name], calculate(name, {}, REGISTER)
    for one, found in zip(calculator.inputs, defaults(calculator, REGISTER), strict=True):
        assert (found is None) == (not one.assumption)
        assert found is None or found.source
    assert [one.output.name for one in result.figures] == [one.name for one in calculator.outputs]
    assert all(one.value is not None for one in result.figures), name


@pytest.mark.parametrize("name", CALCULATORS)
def test_a_formula_reads_only_inputs_and_figures_before_it(name: str) -> None:
    calculator = CALCULATORS[name]
    known = {one.name for one in calculator.inputs} | set(CONSTANTS)
    read: set[str] = set()
    for one in calculator.outputs:
        for formula in [one.formula] if isinstance(one.formula, str) else [*one.formula.values()]:
            assert names(formula) <= known, one.name
            read |= names(formula)
        assert not one.needs or names(one.needs) <= known
        known.add(one.name)
    asked = {one.name for one in calculator.inputs if one.unit != "choice"}
    assert asked <= read, "every input counts"


def test_the_formula_is_shown_with_the_numbers_put_in() -> None:
    found = calculate("break_even_queries", {"price": "20", "query_cost": "0.10", "queries": "1000"}, REGISTER)
    told = {one.output.name: (one.formula, one.filled, one.value) for one in found.figures}
    assert told["break_even"] == ("price ÷ query cost", "20 ÷ 0.1", 200)
    assert told["margin"] == ("price \u2212 cost", "20 \u2212 100", -80)
    assert told["margin_share"][2] == -4


def test_an_input_left_out_is_the_base_of_the_register_and_of_its_tier() -> None:
    for tier, ttc in (("simple", 1), ("moderate", 3), ("complex", 10), ("research", 30)):
        found = {one.input.name: one for one in calculate("tier_cost", {"tier": tier}, REGISTER).inputs}
        assert found["ttc"].value == ttc
        assert found["ttc"].source is not None
        assert found["ttc"].source.code == f"ttc_multiplier.{tier}"
        assert found["tier"].source is None


def test_test_time_compute_and_calls_are_not_multiplied_unless_it_is_said_and_then_it_warns() -> None:
    asked = {"tier": "complex", "ttc": "15", "calls": "29", "debate": "1", "efficiency": "1"}
    values = {}
    for basis in ("ttc", "calls", "both"):
        found = calculate("tier_cost", asked | {"basis": basis}, REGISTER)
        values[basis] = found.value("net")
        assert bool(found.warnings) == (basis == "both")
    assert values == {"ttc": 15, "calls": 29, "both": 15 * 29}
    assert "overlap" in calculate("tier_cost", asked | {"basis": "both"}, REGISTER).warnings[0]
    assert not calculate("tier_cost", asked | {"basis": "both", "calls": "1"}, REGISTER).warnings


@pytest.mark.parametrize(
    ("name", "given_", "told"),
    [
        ("nothing", {}, "there is no calculator 'nothing'"),
        ("rollouts", {"leaves": "1"}, "leaves: is no input of rollouts; its inputs are rollouts, trees"),
        ("net_cost", {"price_fall": "0"}, "price_fall: must be above 0"),
        ("net_cost", {"price_fall": "-1"}, "price_fall: must be a number from 0 to below 1,000,000,000,000"),
        ("net_cost", {"price_fall": 1.5}, "price_fall: is a float; write it in quotes"),
        ("net_cost", {"price_fall": "many"}, "price_fall: must be a number from 0"),
        ("net_cost", {"price_fall": True}, "price_fall: must be a number from 0"),
        ("net_cost", {"price_fall": ["1"]}, "price_fall: must be a number from 0"),
        ("net_cost", {"price_fall": "1e12"}, "price_fall: must be a number from 0 to below"),
        ("own_capacity", {"utilisation": "1.01"}, "utilisation: is a share, from 0 to 1, not 1.01"),
        ("tier_cost", {"basis": "luck"}, "basis: 'luck' is none of ttc, calls, both"),
        ("tier_cost", {"tier": 7}, "tier: '7' is none of simple"),
        ("lead_time", {"until": "soon"}, "until: must be a date YYYY-MM-DD, not 'soon'"),
        ("growth", {"start": "0.000000000001", "end": "999999999999", "years": "0.000000000001"}, ": has no value with these"),
        ("rollouts", {"rollouts": "999999999999", "trees": "999999999999.999"}, None),
        ("token_cost", {"tokens": "999999999999", "price": "999999999999"}, None),
        ("implied_price", {"cost": "999999999999", "tokens": "0.000000000001"}, "is too large to be shown"),
    ],
)  # fmt: skip
def test_an_input_that_cannot_be_is_refused_by_name(name: str, given_: dict[str, Any], told: str | None) -> None:
    if told is None:
        calculate(name, given_, REGISTER)
        return
    with pytest.raises(CalculationError) as refused:
        calculate(name, given_, REGISTER)
    assert told in str(refused.value)


def test_a_register_without_what_a_calculator_needs_is_told_with_the_code() -> None:
    with pytest.raises(CalculationError, match=r"rollouts: search_rollouts: is not in the assumption register"):
        calculate("rollouts", {}, Register())
    wrong = parse([{
        "code": "search_rollouts", "name": "n", "group": "g", "unit": "date", "base": "2026-01-01", "source": "s",
        "as_of": "2026-01-01", "grade": "assumed", "owner": "o",
    }])  # fmt: skip
    with pytest.raises(CalculationError, match="search_rollouts of the assumption register is a date, not rollouts"):
        calculate("rollouts", {}, wrong)


def test_a_figure_that_there_is_not_says_why() -> None:
    found = calculate("fixed_variable", {"revenue": "1", "variable": "1"}, REGISTER)
    assert found.value("break_even") is None
    assert found.figures[-1].note == "each query costs what it earns, or more: no volume breaks even"
    stack = dict.fromkeys(("moe", "quantisation", "speculative", "batching", "silicon"), "1")
    assert calculate("technique_stack", stack, REGISTER).value("needed") is None


@given(POSITIVE, POSITIVE)
def test_cheaper_and_dearer_are_each_others_inverse(fall: Decimal, growth: Decimal) -> None:
    found = calculate("net_cost", {"price_fall": f"{fall}", "token_growth": f"{growth}"}, REGISTER)
    exact = Fraction(fall) / Fraction(growth)
    assert (found.value("cheaper"), found.value("cost")) == (rounded(exact, "x"), rounded(1 / exact, "x"))


@given(POSITIVE, POSITIVE, st.integers(1, 8))
def test_the_yearly_change_leads_over_the_years_to_the_whole(start: Decimal, end: Decimal, years: int) -> None:
    result = calculate("growth", {"start": f"{start}", "end": f"{end}", "years": str(years)}, REGISTER)
    yearly, rise = result.value("yearly"), result.value("rise")
    assert yearly is not None
    assert rise is not None
    assert abs(yearly**years / rise - 1) < Decimal("1e-9")


@given(POSITIVE, POSITIVE, POSITIVE)
def test_the_cost_of_a_tier_rises_with_work_and_falls_with_efficiency(
    ttc: Decimal, debate: Decimal, gain: Decimal
) -> None:
    def net(ttc: Decimal, gain: Decimal) -> Decimal:
        inputs = {"tier": "complex", "basis": "ttc", "ttc": f"{ttc}", "debate": f"{debate}", "efficiency": f"{gain}"}
        return calculate("tier_cost", inputs, REGISTER).value("net") or Decimal(0)

    assert net(ttc + 1, gain) > net(ttc, gain) > net(ttc, gain + 1)


@given(POSITIVE, st.decimals("0.01", 1, places=4))
def test_capacity_that_is_used_and_idle_is_what_is_paid(price: Decimal, utilisation: Decimal) -> None:
    found = calculate("own_capacity", {"gpu_price": f"{price}", "utilisation": f"{utilisation}"}, REGISTER)
    month, idle, average, used = (Fraction(found.value(name) or 0) for name in ("month", "idle", "average", "used"))
    assert month - idle == month * Fraction(utilisation)
    assert abs(average * used / 1_000_000 - month) <= used / 10**18


def test_money_is_rounded_once_half_even_at_twelve_decimals() -> None:
    assert rounded(Fraction(1, 2 * 10**12), "USD") == 0
    assert rounded(Fraction(3, 2 * 10**12), "USD/query") == Decimal("0.000000000002")
    assert rounded(Fraction(1, 3 * 10**12), "x") == Decimal("3.33333333333333E-13")


# Formulas


def test_a_formula_is_exact_as_long_as_it_can_be() -> None:
    values = {"a": Fraction(1, 3), "b": Fraction(2, 7)}
    assert evaluate("a + b * 2 - a / b", values) == Fraction(1, 3) + Fraction(4, 7) - Fraction(7, 6)
    assert evaluate("a ** 2", {"a": Fraction(1, 3)}) == Fraction(1, 9)
    assert abs(evaluate("a ** b", {"a": Fraction(2), "b": Fraction(1, 2)}) ** 2 - 2) < Fraction(1, 10**40)
    assert abs(evaluate("log(a)", {"a": Fraction(10)}) - Fraction("2.302585092994045684017991454684")) < Fraction(
        1, 10**29
    )


def test_a_formula_without_a_value_says_which() -> None:
    with pytest.raises(CalculationError, match="a ÷ b: divides by zero"):
        evaluate("a / b", {"a": Fraction(1), "b": Fraction(0)})
    with pytest.raises(CalculationError, match=r"log\(a\): has no value"):
        evaluate("log(a)", {"a": Fraction(-1)})


def test_a_formula_is_arithmetic_and_nothing_else() -> None:
    for text in ("a.b", "[a]", "f(a)", "a if a else a", "a < a", "'a'"):
        with pytest.raises((TypeError, CalculationError)):
            evaluate(text, {"a": Fraction(1)})


def test_names_are_shown_as_words_and_conversions_as_numbers() -> None:
    text = shown("gpu_price * hours / seconds_an_hour")
    assert text == "gpu price \u00d7 hours ÷ 3,600"
    assert shown("a - b ** c", {"a": "1", "b": "2"}) == "1 \u2212 2^c"
