"""The baseline forecast against seasonal naive on real traffic: ``python -m tests.bench.forecast --servegen P --daily P``.

``--servegen``: hourly LLM usage by client, parquet (workload, client, hour, input_tokens, output_tokens); ``--daily``: csv of
series, date, value. Hourly: 24 ahead, four origins whose days do not overlap, clients active in 48 of the first 216 hours,
at assumed prices. The same for seasonal naive with the same conformal intervals. Then announced price steps are injected,
with and without the index. ``--ets`` forecasts some of the series by statsforecast's AutoETS in the same run, on one core.
"""

import argparse
import resource
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pandas as pd

from forecasting.calc import hierarchy
from forecasting.calc.backtest import SERVED, Run, backtest, by_series, origins_of, scores
from forecasting.calc.baseline import ENSEMBLE, NAIVE, forecast
from forecasting.calc.intervals import coverage, marginals
from forecasting.calc.paths import totals
from forecasting.calc.price_index import PriceIndex, Steps
from forecasting.calc.series import DAY, HOUR, Panel

PRICES = {"m-large": ("1.6", "6.4"), "m-mid": ("0.4", "1.2"), "m-small": ("0.05", "0.2")}  # assumed, per million tokens
START = datetime(2026, 1, 1, tzinfo=UTC)
TRAIN, ACTIVE, HORIZON, ORIGINS = 216, 48, 24, 4
DAYS_AHEAD = 28


def servegen(path):
    """The panel of clients with two weeks of usage."""
    usage = pd.read_parquet(path)
    usage = usage[usage.workload.isin(PRICES)]
    rates = np.array([[float(rate) for rate in PRICES[name]] for name in usage.workload])
    usage["cost"] = (usage.input_tokens * rates[:, 0] + usage.output_tokens * rates[:, 1]) / 1e6
    table = usage.pivot_table(index=["workload", "client"], columns="hour", values="cost", aggfunc="sum")
    table = table.reindex(columns=range(usage.hour.max() + 1)).fillna(0)
    table = table[(table.iloc[:, :TRAIN] > 0).sum(axis=1) >= ACTIVE]
    keys = tuple((workload, str(client)) for workload, client in table.index)
    return Panel(HOUR, START, ("workload", "client"), keys, table.to_numpy(dtype=float))


def daily(path):
    """A panel a series of the csv: they cover different years."""
    rows = pd.read_csv(path, parse_dates=["date"])
    for name, mine in rows.groupby("series"):
        values = mine.set_index("date").value.asfreq("D")
        yield Panel(
            DAY, values.index[0].to_pydatetime().replace(tzinfo=UTC), ("series",), ((name,),), values.to_numpy()[None]
        )


def bootstrap(runs, draws=10_000):
    """Difference of MASE to seasonal naive, by series over its origins: (mean, 95 % interval, share of series that win)."""
    table = by_series(runs).pivot_table(index="Key", columns="Method", values="MASE")
    difference = (table[SERVED] - table[NAIVE]).to_numpy()
    rng = np.random.default_rng(0)
    means = difference[rng.integers(0, len(difference), (draws, len(difference)))].mean(axis=1)
    return difference.mean(), *np.quantile(means, [0.025, 0.975]), (difference < 0).mean()


def shown(title, table):
    print(f"\n{title}")
    table = table.assign(
        Level=["/".join(level) or "(all)" for level in table.Level], Method=table.Method.replace({"": "served"})
    )
    print(table.round(4).to_string(index=False))


def hourly(panel, origins):
    every = hierarchy.levels(panel.dimensions)
    runs = backtest(panel, HORIZON, origins, every, methods=(SERVED, ENSEMBLE, NAIVE))
    table = scores(runs)
    shown(f"hourly: {len(panel.keys)} series, origins {origins}, {HORIZON} h ahead", table)
    leaves = [run for run in runs if run.level == panel.dimensions]
    by_method = scores(leaves).set_index("Method")
    mean, low, high, wins = bootstrap(leaves)
    print(
        f"MASE {by_method.MASE[SERVED] / by_method.MASE[NAIVE]:.3f} x seasonal naive (bar 0.95), difference {mean:+.3f}, "
        f"95 % interval [{low:+.3f}, {high:+.3f}], better on {wins:.0%} of series; "
        f"WQL {by_method.WQL[SERVED] / by_method.WQL[NAIVE]:.3f} x seasonal naive's conformal (bar 0.95); "
        f"coverage {by_method.Coverage80[SERVED]:.1%} (bar 77 to 86 %) and {by_method.Coverage95[SERVED]:.1%} (bar 92 to 98 %)"
    )


def steps(panel, origins):
    """Announced steps: one of the dearest workload at each origin, then two of two workloads at the first and the third."""
    for factor in ("0.6", "1.5"):
        errors = [
            stepped(panel, [origin], {"m-mid": (panel.at(origin), factor)}, method)
            for method in (SERVED, NAIVE)
            for origin in origins
        ]
        for method, mine in ((SERVED, errors[: len(origins)]), (NAIVE, errors[len(origins) :])):
            compared(f"one step of m-mid to {factor} at each origin", method, np.mean(mine, axis=0))
    first, third = (panel.at(origins[number]) for number in (0, 2))
    for falls, rises in (("m-mid", "m-small"), ("m-small", "m-mid")):
        for method in (SERVED, NAIVE):
            errors = stepped(panel, origins, {falls: (first, "0.6"), rises: (third, "1.5")}, method)
            compared(f"{falls} to 0.6 at the first origin, {rises} to 1.5 at the third", method, errors)


def stepped(panel, origins, changes, method):
    """Mean portfolio error (with the index, without it) when prices of workloads change."""
    index = PriceIndex(("workload",), {
        (name,): Steps((START, at), (Decimal(1), Decimal(factor))) for name, (at, factor) in changes.items()
    })  # fmt: skip
    changed = Panel(
        panel.grain, panel.start, panel.dimensions, panel.keys, panel.cost * index.factors(panel, START, 0, panel.cells)
    )
    runs = [backtest(changed, HORIZON, origins, [()], methods=(method,), index=known) for known in (index, None)]
    return tuple(np.mean([total_error(run) for run in each]) for each in runs)


def compared(what, method, errors):
    print(
        f"announced: {what}, {method or 'served'}: portfolio error {errors[0]:.3f} with the index, "
        f"{errors[1]:.3f} without: {errors[0] / errors[1]:.2f} (bar 0.70 for the served method)"
    )


def total_error(run: Run):
    return abs(run.point.sum() - run.actual.sum()) / run.actual.sum()


def days(panels, counts=(4, 12, 40)):
    for panel in panels:
        for count in counts:
            origins = origins_of(panel, DAYS_AHEAD, count)
            table = scores(backtest(panel, DAYS_AHEAD, origins)).set_index("Method")
            served, naive = table.loc[SERVED], table.loc[NAIVE]
            print(
                f"{panel.keys[0][0]}, {len(origins)} origins, {DAYS_AHEAD} d ahead: MASE {served.MASE:.3f} against "
                f"{naive.MASE:.3f} of seasonal naive; total WAPE {served.TotalWAPE:.3f} against {naive.TotalWAPE:.3f}; "
                f"WQL {served.WQL:.4f} against {naive.WQL:.4f}; coverage {served.Coverage80:.1%} (bar 75 to 90 %), "
                f"{served.Coverage95:.1%}"
            )


def cost(panel, sample):
    """Seconds a series: a whole forecast (errors of the past, intervals, coverage, paths), and AutoETS with its intervals."""
    began = time.perf_counter()
    made = forecast(panel, HORIZON)
    points = time.perf_counter() - began
    bounds = marginals(made)
    coverage(made)
    totals(bounds, [slice(0, HORIZON)], seed=0)
    ours = (time.perf_counter() - began) / len(panel.keys)
    print(
        f"\nforecast {ours * 1e3:.2f} ms a series ({points / len(panel.keys) * 1e3:.2f} ms without intervals and paths)"
    )
    if not sample:
        return
    try:
        from statsforecast.models import AutoETS
    except ImportError:
        print("AutoETS: statsforecast is not installed, no ratio")
        return
    AutoETS(season_length=24).forecast(y=panel.cost[0][:96], h=HORIZON, level=[80, 95])  # compiles
    began = time.perf_counter()
    for row in np.linspace(0, len(panel.keys) - 1, sample).astype(int):
        AutoETS(season_length=24).forecast(y=panel.cost[row], h=HORIZON, level=[80, 95])
    theirs = (time.perf_counter() - began) / sample
    print(f"AutoETS {theirs * 1e3:.1f} ms a series on {sample} of them; ours {ours / theirs:.3f} of it (bar 0.1)")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servegen")
    parser.add_argument("--daily")
    parser.add_argument("--ets", type=int, default=0, metavar="N", help="series to forecast by AutoETS")
    args = parser.parse_args()
    if args.servegen:
        panel = servegen(args.servegen)
        for origins in ([TRAIN + HORIZON * n for n in range(ORIGINS)], origins_of(panel, HORIZON, ORIGINS)):
            hourly(panel, origins)
            steps(panel, origins)
        cost(panel, args.ets)
    if args.daily:
        print()
        days(daily(args.daily))
    print(f"peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
