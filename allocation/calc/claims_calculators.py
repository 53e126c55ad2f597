"""The calculators: what each one asks for, which assumption stands where nobody says otherwise, and its formulas.

No figure stands here: defaults are codes of the assumption register, and formulas are on names (claims_formulas).
"""

from collections.abc import Mapping
from typing import NamedTuple

from allocation.calc.assumptions import CHOICE, DATE, SHARE
from allocation.calc.claims_formulas import shown
from finops.focus import TIERS

TIMES, QUERIES, TOKENS, SECONDS = "x", "queries", "tokens", "seconds"
USD, USD_QUERY, USD_M, USD_HOUR, USD_MONTH = "USD", "USD/query", "USD/M tokens", "USD/hour", "USD/month"
TIER = "tier"


class Input(NamedTuple):
    """What may be edited. ``assumption``: code of its default, in which {tier} is the tier chosen; '' asks to choose.

    ``positive``: must be above zero, as whatever divides; else it is at least zero.
    """

    name: str
    title: str
    unit: str
    assumption: str
    positive: bool = False
    choices: tuple[str, ...] = ()


class Output(NamedTuple):
    """One figure. ``formula`` may also depend on the input of unit choice, by its value.

    ``needs``: a formula that must be above zero for it; where it is not there is no figure, and ``lacking`` says why.
    """

    name: str
    title: str
    unit: str
    formula: str | Mapping[str, str]
    needs: str = ""
    lacking: str = ""

    @property
    def in_words(self) -> str:
        """The formula as people write it; of several, each for its choice."""
        if isinstance(self.formula, str):
            return shown(self.formula)
        return "; ".join(f"{value}: {shown(text)}" for value, text in self.formula.items())


class Calculator(NamedTuple):
    """Inputs, and figures in the order in which they follow from each other."""

    name: str
    title: str
    group: str
    about: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    overlap: str = ""  # the value of its choice that multiplies what may be one and the same


def _x(name: str, title: str, assumption: str) -> Input:
    return Input(name, title, TIMES, assumption, positive=True)


def _share(name: str, title: str, assumption: str, *, positive: bool = False) -> Input:
    return Input(name, title, SHARE, assumption, positive)


_GPU_PRICE = Input("gpu_price", "Price of a GPU", USD_HOUR, "gpu_price.h100", positive=True)
_QUERIES = Input("queries", "Queries a month", QUERIES, "queries_per_month", positive=True)
_PRICE = Input("price", "Price", USD_MONTH, "subscription_price", positive=True)
_TOKEN_PRICES = (
    Input("input_price", "Price of input", USD_M, "token_price.input"),
    Input("output_price", "Price of output", USD_M, "token_price.output"),
)

TIER_COST = Calculator(
    "tier_cost", "Cost of a query by tier", "Compounding cost",
    "What a query costs against a single pass of the base period: cheaper hardware divides, thinking, calls and debate "
    "multiply. An agent's calls are where it thinks: take one or the other.",
    (
        Input(TIER, "Tier", CHOICE, "", choices=TIERS),
        Input("basis", "What multiplies", CHOICE, "tier_basis.{tier}", choices=("ttc", "calls", "both")),
        _x("ttc", "Tokens of test-time compute", "ttc_multiplier.{tier}"),
        _x("calls", "Model calls of a task", "calls_per_task.{tier}"),
        _x("debate", "Debate of several agents", "debate_overhead.{tier}"),
        _x("efficiency", "Cheaper hardware and prices", "efficiency_gain"),
    ),
    (
        Output("work", "Work, gross", TIMES, {"ttc": "ttc * debate", "calls": "calls * debate", "both": "ttc * calls * debate"}),
        Output("net", "Cost, net", TIMES, "work / efficiency"),
        Output("change", "Change", "share", "net - 1"),
    ),
    overlap="both",
)  # fmt: skip

_COMPOUNDING = (
    TIER_COST,
    Calculator(
        "debate_overhead", "Overhead of several agents", "Compounding cost",
        "Agents that share weights and cache cost less than as many single ones.",
        (
            Input("agents", "Agents", "agents", "agents_in_debate", positive=True),
            _share("own", "Part that each one adds", "debate_own_share"),
        ),
        (Output("overhead", "Overhead", TIMES, "1 + (agents - 1) * own"),),
    ),
    Calculator(
        "debate_time", "Time of a debate", "Compounding cost", "A query that is debated takes as much longer as it works.",
        (
            Input("seconds", "Time of a single pass", SECONDS, "query_gpu_seconds"),
            _x("debate", "Debate of several agents", f"debate_overhead.{TIERS[2]}"),
        ),
        (Output("time", "Time", SECONDS, "seconds * debate"),),
    ),
    Calculator(
        "rollouts", "Rollouts of a search", "Compounding cost", "Trees multiply their rollouts.",
        (
            Input("rollouts", "Rollouts of a tree", "rollouts", "search_rollouts"),
            Input("trees", "Trees", "trees", "search_trees"),
        ),
        (Output("total", "Rollouts in all", "rollouts", "rollouts * trees"),),
    ),
    Calculator(
        "net_cost", "Cheaper tokens, more of them", "Compounding cost",
        "A fall in price against a growth in tokens. Above 1 it is a saving, below 1 answers are dearer than before.",
        (
            _x("price_fall", "Tokens are cheaper", "token_price_fall_fixed_quality"),
            _x("token_growth", "Tokens are more", "ttc_multiplier.complex"),
        ),
        (
            Output("cheaper", "Answers are cheaper", TIMES, "price_fall / token_growth"),
            Output("cost", "Cost of an answer", TIMES, "token_growth / price_fall"),
            Output("change", "Change of its cost", "share", "cost - 1"),
        ),
    ),
    Calculator(
        "technique_stack", "Stack of techniques", "Compounding cost",
        "Techniques multiply on paper. They speed up the same work, so the product is discounted by an exponent.",
        (
            _x("moe", "Mixture of experts", "technique.moe"),
            _x("quantisation", "Four-bit weights", "technique.int4"),
            _x("speculative", "Speculative decoding", "technique.speculative"),
            _x("batching", "Continuous batching", "technique.batching"),
            _x("silicon", "Custom silicon", "technique.silicon"),
            _share("overlap", "Exponent of overlap", "technique.overlap_exponent", positive=True),
            _share("quality_loss", "Quality lost", "technique.quality_loss"),
            _x("target", "Speed-up wanted", "technique.target"),
        ),
        (
            Output("product", "On paper", TIMES, "moe * quantisation * speculative * batching * silicon"),
            Output("stacked", "With overlap", TIMES, "product ** overlap"),
            Output("cost", "Cost after", TIMES, "1 / stacked"),
            Output("quality", "Quality kept", "share", "1 - quality_loss"),
            Output(
                "needed", "Exponent that gives the speed-up wanted", "exponent", "log(target) / log(product)",
                "product - 1", "one technique at least has to speed it up",
            ),
        ),
    ),
)  # fmt: skip

_PRICES = (
    Calculator(
        "comparison", "Before and after", "Prices",
        "How many times, by which share and by how much two figures of one unit differ.",
        (
            Input("before", "Before", "any", "blended_price.before", positive=True),
            Input("after", "After", "any", "blended_price.after", positive=True),
        ),
        (
            Output("fall", "Before is so many times after", TIMES, "before / after"),
            Output("rise", "After is so many times before", TIMES, "after / before"),
            Output("change", "Change", "share", "after / before - 1"),
            Output("difference", "Difference", "any", "after - before"),
        ),
    ),
    Calculator(
        "growth", "Change a year", "Prices", "A change over years as the steady change a year that leads there (CAGR).",
        (
            Input("start", "At first", "any", "blended_price.before", positive=True),
            Input("end", "At last", "any", "blended_price.after", positive=True),
            Input("years", "Years between", "years", "blended_price.years", positive=True),
        ),
        (
            Output("rise", "In all, last over first", TIMES, "end / start"),
            Output("fall", "In all, first over last", TIMES, "start / end"),
            Output("yearly", "A year", TIMES, "rise ** (1 / years)"),
            Output("yearly_fall", "Cheaper a year", TIMES, "1 / yearly"),
            Output("change", "Change a year", "share", "yearly - 1"),
        ),
    ),
    Calculator(
        "token_cost", "Cost of tokens", "Prices", "Tokens at a price per million.",
        (
            Input("tokens", "Tokens", TOKENS, "query_tokens.complex"),
            Input("price", "Price", USD_M, "token_price.output"),
        ),
        (Output("cost", "Cost", USD, "tokens * price / million"),),
    ),
    Calculator(
        "implied_price", "Price that a cost implies", "Prices", "What a million tokens would have to cost.",
        (
            Input("cost", "Cost", USD, "query_cost"),
            Input("tokens", "Tokens", TOKENS, "query_tokens.complex", positive=True),
        ),
        (Output("price", "Price", USD_M, "cost / tokens * million"),),
    ),
    Calculator(
        "affordable_tokens", "Tokens for a sum", "Prices", "How many tokens a sum buys.",
        (
            Input("cost", "Sum", USD, "query_cost"),
            Input("price", "Price", USD_M, "token_price.output", positive=True),
        ),
        (Output("tokens", "Tokens", TOKENS, "cost / price * million"),),
    ),
    Calculator(
        "lead_time", "Months until relief", "Prices", "Whole months from one day to another.",
        (
            Input("since", "From", DATE, "supply_shortage_seen"),
            Input("until", "Until", DATE, "supply_relief_date"),
        ),
        (Output("months", "Months", "months", "until - since"),),
    ),
)  # fmt: skip

_HARDWARE = (
    Calculator(
        "gpu_time_cost", "Cost of GPU time", "Own hardware", "Seconds of a GPU at its price an hour.",
        (Input("seconds", "GPU time", SECONDS, "query_gpu_seconds"), _GPU_PRICE),
        (Output("cost", "Cost", USD, "seconds * gpu_price / seconds_an_hour"),),
    ),
    Calculator(
        "model_compute", "Compute of a model", "Own hardware",
        "Two operations a parameter and token. A small part of a GPU: reading weights is what takes the time.",
        (
            Input("parameters", "Parameters in use", "billion", "model_parameters", positive=True),
            Input("speed", "Speed", "tokens/s", "decode_speed"),
            Input("gpu_compute", "Compute of a GPU", "TFLOP/s", "gpu_compute.h100", positive=True),
        ),
        (
            Output("token_compute", "Compute of a token", "GFLOP", "2 * parameters"),
            Output("used", "Compute in use", "TFLOP/s", "token_compute * speed / thousand"),
            Output("part", "Part of a GPU", "share", "used / gpu_compute"),
        ),
    ),
    Calculator(
        "gpu_energy", "Energy of a GPU", "Own hardware", "Power of a site by its GPUs, and what an hour of it costs.",
        (
            Input("megawatts", "Power of the site", "MW", "site_power"),
            Input("gpus", "GPUs", "GPUs", "site_gpus", positive=True),
            Input("electricity", "Electricity", "USD/kWh", "electricity_price"),
            _GPU_PRICE,
        ),
        (
            Output("power", "Power of a GPU, all in", "kW", "megawatts * thousand / gpus"),
            Output("energy", "Energy of a GPU", USD_HOUR, "power * electricity"),
            Output("part", "Part of its price", "share", "energy / gpu_price"),
        ),
    ),
)  # fmt: skip

FORMULAS: tuple[Calculator, ...] = (*_COMPOUNDING, *_PRICES, *_HARDWARE)
