"""Detection on labelled series: ``python -m tests.bench.anomaly --nab SERIES.parquet --labels LABELS.csv``.

NAB's real series as hourly means, the product's defaults for all, the first 15 % of a series as probation, episodes as the
product merges them. A labelled window counts as found when an episode meets it; an episode that meets none is false.
"""

import argparse
import resource
import sys
import time
from datetime import UTC

import numpy as np
import pandas as pd

from forecasting.calc.anomaly import NEW, episodes, scored
from forecasting.calc.series import HOUR, Panel

PROBATION, MONTH = 0.15, 720


def series(path, prefix):
    rows = pd.read_parquet(path)
    rows["timestamp"] = pd.to_datetime(rows.timestamp)
    for name, mine in rows[rows.series.str.startswith(prefix)].groupby("series"):
        values = mine.set_index("timestamp").value.resample("1h").mean()
        start = values.index[0].to_pydatetime().replace(tzinfo=UTC)
        yield name, Panel(HOUR, start, (), ((),), np.maximum(values.to_numpy(dtype=float), 0)[None])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nab", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--prefix", default="real")
    args = parser.parse_args()
    labels = pd.read_csv(args.labels)
    labels = labels[labels.kind == "window"]
    began, rows = time.perf_counter(), []
    for name, panel in series(args.nab, args.prefix):
        first = int(PROBATION * panel.cells)
        windows = [
            (pd.Timestamp(low, tz=UTC).floor("h"), pd.Timestamp(high, tz=UTC))
            for low, high in labels.loc[labels.series == name, ["start", "end"]].itertuples(index=False)
        ]
        windows = [window for window in windows if window[1] >= panel.at(first)]
        found = [one for one in episodes(scored(panel), first) if one.kind != NEW]
        hit = sum(any(one.start <= high and one.end > low for one in found) for low, high in windows)
        false = sum(not any(one.start <= high and one.end > low for low, high in windows) for one in found)
        rows.append((name, hit, len(windows), false, (panel.cells - first) / MONTH))
    table = pd.DataFrame(rows, columns=["series", "found", "windows", "false", "months"])
    table["set"] = table.series.str.split("/").str[0]
    by_set = table.groupby("set")[["found", "windows", "false", "months"]].sum()
    for name, each in [*by_set.iterrows(), ("all", by_set.sum())]:
        print(
            f"{name}: {each.found:.0f} of {each.windows:.0f} windows ({each.found / each.windows:.0%}), "
            f"{each.false / each.months:.2f} false episodes per series-month"
        )
    print(
        f"bar: at least 60 % at most 2.5; {len(table)} series in {time.perf_counter() - began:.1f} s; "
        f"peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
