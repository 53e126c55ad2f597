"""How soon the watch on budgets sees what goes wrong, and how often it speaks without a cause, on production traffic.

``python -m tests.bench.burnrate --servegen PATH [--injections 3] [--seed 5] [--policy FILE] [--active 0.9]``: PATH is the
hourly usage of ServeGen's clients (workload, client, hour, input_tokens, output_tokens). Every client with usage in enough of
the hours is a budget: the mean of its first week x 720 h. In its second week an incident begins at a random recorded hour: a
loop (+20 x its mean for 6 h), a stolen key (+60 x for 3 h), a leak (+2 x from then on), an upgrade (x 1.6 from then on). Every
policy runs through the same alerts (forecasting.calc.alerting), an hour at a time.

Printed: alerts and notices a series-week in the untouched second week (of which real shifts are a part), and by incident the
share that brought a notice which the untouched week does not have, the share within 3 h, and the median delay of those found.
Hours in which no client of a workload has any usage are gaps of the recording, not zeros.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from finops.documents import read_yaml
from forecasting.calc.alerting import ENDED, OPENED, Signal, advance
from forecasting.calc.burnrate import Watched, fires, watched
from forecasting.calc.watch_policy import BUDGET, SEASON, BurnRule, Policy, parse

SHIPPED = Path(__file__).parents[2] / "forecasting/watch_policy.yaml"
PRICES = {
    "m-large": (1.6, 6.4),
    "m-mid": (0.4, 1.2),
    "m-small": (0.05, 0.2),
}  # assumed: USD a million tokens in and out
HOURS, WEEK, PERIOD, ROOM = 336, 168, 720, 96
SOON = 3
Array = np.ndarray[Any, np.dtype[np.float64]]
INCIDENTS: dict[str, Callable[[Array, Array], Array]] = {
    "loop": lambda spend, since: spend + 20 * ((since >= 0) & (since < 6)),
    "stolen key": lambda spend, since: spend + 60 * ((since >= 0) & (since < 3)),
    "leak": lambda spend, since: spend + 2 * (since >= 0),
    "upgrade": lambda spend, since: spend * np.where(since >= 0, 1.6, 1.0),
}
DAY = BurnRule("day", "ticket", (24,), 2.0, BUDGET)
BURN = (
    BurnRule("fast", "page", (1, 6), 6.0, BUDGET),
    BurnRule("slow", "ticket", (6, 24), 3.0, BUDGET),
    BurnRule("drift", "digest", (24, 72), 1.5, BUDGET),
)


class Told(NamedTuple):
    """Notices of one run: hour -> how urgent; and how many of them opened an alert."""

    at: dict[int, str]
    opened: int


class Found(NamedTuple):
    """Of one policy: alerts and notices a series-week, and by incident the delays in hours (None: not found)."""

    alerts: float
    notices: float
    delays: dict[str, list[int | None]]

    def share(self, incident: str, within: float = float("inf")) -> float:
        delays = self.delays[incident]
        return sum(one is not None and one <= within for one in delays) / len(delays)

    def median(self, incident: str) -> float:
        found = [one for one in self.delays[incident] if one is not None]
        return float(np.median(found)) if found else float("nan")


def spends(usage: pd.DataFrame, active: float) -> Array:
    """(clients, HOURS) of spend in units of the mean hour of the client's first week, of the clients that are active enough."""
    usage = usage[usage["workload"].isin(PRICES)]
    each = pd.DataFrame(PRICES, index=["in", "out"]).T.reindex(usage["workload"])
    cost = (
        usage["input_tokens"].to_numpy() * each["in"].to_numpy()
        + usage["output_tokens"].to_numpy() * each["out"].to_numpy()
    )
    by_hour = usage.assign(cost=cost).pivot_table(
        index=["workload", "client"], columns="hour", values="cost", aggfunc="sum"
    )
    by_hour = by_hour.reindex(columns=range(HOURS)).fillna(0.0)
    gaps = by_hour.groupby("workload").transform("sum") == 0
    found = by_hour.mask(gaps).to_numpy()
    known = ~np.isnan(found)
    found = found[(found > 0).sum(axis=1) >= active * known.sum(axis=1)]
    means: Array = np.nanmean(found[:, :WEEK], axis=1)
    return found[means > 0] / means[means > 0, None]


def begins(series: Array, injections: int, seed: int) -> np.ndarray[Any, Any]:
    """(clients, injections): hours of the second week at which incidents begin; each is recorded."""
    random = np.random.default_rng(seed)
    hours = np.arange(WEEK, HOURS - ROOM)
    return np.stack([random.choice(hours[~np.isnan(spend[hours])], injections) for spend in series])


def finance(spend: Array) -> Iterator[tuple[int, Signal]]:
    """What thresholds of 50, 80 and 100 % of a month say, an alert of its own each."""
    spent = np.nancumsum(spend[WEEK:]) / PERIOD
    for part in (0.5, 0.8, 1.0):
        for hour in np.flatnonzero(spent >= part):
            yield WEEK + int(hour), Signal(f"budget:{part}", "threshold", "digest", Decimal(0), "", once=True)


def burning(rules: Sequence[BurnRule], policy: Policy) -> Callable[[Array], Iterator[tuple[int, Signal]]]:
    """What burn rules say."""

    def said(spend: Array) -> Iterator[tuple[int, Signal]]:
        seen = watched(spend, np.ones(HOURS), 0, WEEK, policy.season)
        for rule in rules:
            over = _over(seen, rule)
            for hour in np.flatnonzero(fires(seen, rule)):
                money = Decimal(repr(round(float(max(over[hour], 0)), 6)))
                yield int(hour), Signal("budget", rule.code, rule.severity, money, "")

    return said


def _over(seen: Watched, rule: BurnRule) -> Array:
    """Spent beyond what was meant in the rule's longest window, by hour."""
    beyond = np.where(np.isnan(seen.spend), 0, seen.spend - seen.meant[rule.against])
    total = np.concatenate([[0.0], beyond.cumsum()])
    first = np.maximum(np.arange(1, len(total)) - rule.hours[-1], 0)
    return total[1:] - total[first]


def told(said: Iterator[tuple[int, Signal]], policy: Policy) -> Told:
    """The notices of a second week, hour by hour."""
    start = datetime(2026, 1, 5, tzinfo=UTC)
    by_subject: dict[str, dict[int, list[Signal]]] = {}
    for hour, signal in said:
        by_subject.setdefault(signal.subject, {}).setdefault(hour, []).append(signal)
    at: dict[int, str] = {}
    opened = 0
    telling = policy.alerts._replace(unanswered={})  # nobody answers in a bench
    for hours in by_subject.values():
        held = None
        for hour in range(min(hours), HOURS):
            held, notices = advance(held, hours.get(hour, []), start + timedelta(hours=hour), telling)
            for notice in notices:
                opened += notice.kind == OPENED
                if notice.kind != ENDED:
                    at[hour] = max(at.get(hour, ""), notice.severity, key=_RANKS.index)
    return Told(at, opened)


_RANKS = ("", "digest", "ticket", "page")


def measured(
    series: Array, starts: np.ndarray[Any, Any], said: Callable[[Array], Iterator[tuple[int, Signal]]], policy: Policy
) -> Found:
    """One policy over all series and incidents."""
    delays: dict[str, list[int | None]] = {name: [] for name in INCIDENTS}
    alerts = notices = 0
    for spend, begins in zip(series, starts, strict=True):
        quiet = told(said(spend), policy)
        alerts, notices = alerts + quiet.opened, notices + len(quiet.at)
        for name, incident in INCIDENTS.items():
            for begin in begins.tolist():
                loud = told(said(incident(spend, np.arange(HOURS) - begin)), policy)
                new = [
                    hour for hour, severity in loud.at.items()
                    if hour >= begin and _RANKS.index(severity) > _RANKS.index(quiet.at.get(hour, ""))
                ]  # fmt: skip
                delays[name].append(min(new) - begin + 1 if new else None)
    return Found(alerts / len(series), notices / len(series), delays)


def policies(policy: Policy) -> dict[str, Callable[[Array], Iterator[tuple[int, Signal]]]]:
    """What is compared, by name; the last is what ships."""
    by_season = [rule._replace(against=SEASON) for rule in BURN]
    own_day = [rule for rule in policy.burn if rule.code == "day"]
    return {
        "50/80/100 % of the month": finance,
        "day > 2 x average": burning([DAY], policy),
        "burn windows": burning(BURN, policy),
        "burn windows by season": burning(by_season, policy),
        "the policy's day rule alone": burning(own_day, policy),
        "the policy without it": burning([rule for rule in policy.burn if rule.code != "day"], policy),
        "the policy": burning(policy.burn, policy),
    }


def bars(found: Mapping[str, Found]) -> list[tuple[str, bool, str]]:
    """What is asked of the policy that ships: (what, whether it holds, the figures)."""
    ours, alone = found["the policy"], [found["day > 2 x average"], found["burn windows"]]
    rows = []
    for name in INCIDENTS:
        for what, within in (("found", float("inf")), (f"within {SOON} h", float(SOON))):
            best = max(one.share(name, within) for one in alone)
            rows.append(
                (f"{name}: {what}", ours.share(name, within) >= best, f"{ours.share(name, within):.3f} >= {best:.3f}")
            )
    least = min(one.alerts for one in alone)
    rows.append(
        ("unprompted alerts", ours.alerts <= 1.1 * least, f"{ours.alerts:.3f} <= 1.1 x {least:.3f} = {1.1 * least:.3f}")
    )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--servegen", type=Path, required=True)
    options.add_argument("--injections", type=int, default=3)
    options.add_argument("--seed", type=int, default=5)
    options.add_argument("--active", type=float, default=0.9)
    options.add_argument("--policy", type=Path, default=SHIPPED)
    given = options.parse_args(arguments)
    policy = parse(read_yaml(given.policy.read_bytes()))
    series = spends(pd.read_parquet(given.servegen), given.active)
    starts = begins(series, given.injections, given.seed)
    print(f"{len(series)} clients, {given.injections} incidents of each kind in each, seed {given.seed}")
    heads = "  ".join(f"{name:>10s}: found  <= {SOON} h  delay" for name in INCIDENTS)
    print(f"{'':28s} {'alerts':>7s} {'notices':>7s}  {heads}")
    found = {}
    for name, said in policies(policy).items():
        begin = time.perf_counter()
        one = found[name] = measured(series, starts, said, policy)
        cells = "  ".join(
            f"{'':10s}  {one.share(kind):5.3f}   {one.share(kind, SOON):5.3f}  {one.median(kind):3.0f} h"
            for kind in INCIDENTS
        )
        print(
            f"{name:28s} {one.alerts:7.3f} {one.notices:7.3f}  {cells}   {time.perf_counter() - begin:.0f} s",
            flush=True,
        )
    for what, holds, figures in bars(found):
        print(f"{'ok  ' if holds else 'MISS'} {what}: {figures}")


if __name__ == "__main__":
    main()
