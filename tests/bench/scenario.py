"""Scenario engine against plain numpy: ``python -m tests.bench.scenario [--draws N]``.

Prints for every preset the fan of its last month, how far doubling the draws moves medians, whether a second run gives the
same bytes, and time over that of one numpy pass (``a * b``) over an array of draws x months x tiers for each driver that the
preset sets. Time is that of the processor on one thread, the best of several runs, passes and engine in turn. Exit code 1 where
month 0 is not the actual, bytes differ, a median moves by 1 % or more, or the ratio is above 5.
"""

import argparse
import resource
import sys
import time

import numpy as np

from forecasting.calc.scenario import run
from forecasting.calc.scenario_draws import DRAWS, draw
from forecasting.calc.scenario_results import TOTAL, content, fans
from forecasting.calc.sensitivity import effects, tornado
from tests.forecasting.calc.scenario_world import PRESETS, origin, preset, scenario

BAR, MOST_MOVE, SEED = 5, 0.01, 7


def timed(action):
    began = time.process_time()
    found = action()
    return time.process_time() - began, found


def best(runs, *actions):
    """The least time of each action, all in turn, and what each gave last."""
    times, found = [float("inf")] * len(actions), [None] * len(actions)
    for _ in range(runs):
        for place, action in enumerate(actions):
            seconds, found[place] = timed(action)
            times[place] = min(times[place], seconds)
    return times, found


def passes(draws, months, tiers):
    """One numpy pass over such an array: into a new one, and in place."""
    one, other = (np.random.default_rng(1).random((months, tiers, draws)) for _ in range(2))
    return lambda: one * other, lambda: np.multiply(one, other, out=one)


def moved(few, many):
    return max(
        abs(np.median(many.total[month]) / np.median(few.total[month]) - 1) for month in (6, 12, len(few.total) - 1)
    )


def measured(name, what, month, args):
    """A line of figures on a preset, and whether all of it holds."""
    drivers = len({full.partition(".")[0] for full, spec in what.specs.items() if spec is not None})
    shape = (args.draws, what.months + 1, len(month.tiers))
    times, found = best(
        args.runs,
        *passes(*shape),
        lambda: draw(what, month.month, month.names, args.draws, SEED),
        lambda: run(month, what, draw(what, month.month, month.names, args.draws, SEED)),
    )
    fresh, in_place, drawing, whole = times
    paths = found[3]
    again = run(month, what, draw(what, month.month, month.names, args.draws, SEED))
    same = content(month, what, paths, seed=SEED) == content(month, what, again, seed=SEED)
    double = run(month, what, draw(what, month.month, month.names, 2 * args.draws, SEED))
    rows = [fan for fan in fans(month, paths) if fan.tier == TOTAL]
    exact = set(rows[0].quantiles) == {round(month.total, 2)}
    ratio = whole / (fresh * drivers)
    print(
        f"{name:22} {drivers:3} drivers  {whole * 1000:5.0f} ms (draws {drawing * 1000:3.0f})  pass {fresh * 1000:4.1f} ms "
        f"(in place {in_place * 1000:4.2f})  ratio {ratio:4.2f} (in place {whole / (in_place * drivers):4.1f})  "
        f"doubled {moved(paths, double):6.2%}  bytes {'same' if same else 'DIFFER'}  month 0 {'exact' if exact else 'WRONG'}  "
        f"{rows[0].quantiles[2]:,} -> " + " / ".join(f"{value:,.0f}" for value in rows[-1].quantiles)
    )
    return exact and same and moved(paths, double) < MOST_MOVE and ratio <= BAR


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    month = origin(contract_share=0.5)
    names = [*PRESETS, "agents with a queue"]
    queue = scenario(over="agent_explosion", policy={"spill": "0.3", "delay": "0.5", "drop": "0.2"})
    print(f"{args.draws:,} draws x {queue.months + 1} months x {len(month.tiers)} tiers; fans: 5, 25, 50, 75, 95 %")
    held = [measured(name, queue if name not in PRESETS else preset(name), month, args) for name in names]
    base = preset("base")
    seconds, swings = timed(lambda: tornado(month, base))
    print(
        f"tornado {seconds * 1000:.0f} ms: "
        + ", ".join(f"{one.parameter} {one.low:,.0f} to {one.high:,.0f}" for one in swings.swings[:4])
    )
    seconds, found = timed(lambda: effects(month, base, seed=SEED))
    print(
        f"total effects {seconds * 1000:.0f} ms: "
        + ", ".join(
            f"{one.parameter} {one.total:.2f} (first {one.first:.2f}, error {one.error:.2f})" for one in found[:4]
        )
    )
    print(f"peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
