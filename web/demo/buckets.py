"""ServeGen's hourly usage as the hourly buckets that providers report: OpenAI's usage pages, a CSV of the others."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from web.demo.plan import LOST_ACCOUNT, STREAMS, Model, Stream
from web.demo.window import Window

DATA = Path(__file__).parent / "data"
COUNTS = ("requests", "input_tokens", "output_tokens", "reasoning_tokens", "image_tokens")
CSV_COLUMNS = (
    "hour", "account", "provider", "model", "project", "api_key", "environment", "feature", *COUNTS,
)  # fmt: skip
OTHERS = 999  # the clients below the largest, as one


def buckets(window: Window) -> pd.DataFrame:
    """Every bucket of the window: columns of the CSV, whole numbers, in the order of time."""
    recording = pd.read_parquet(DATA / "llm_usage_servegen_hourly.parquet")
    weekly = _weekly_shape(recording)
    parts = []
    for stream in STREAMS:
        hours = _clients(recording[recording["workload"] == stream.workload], stream)
        parts += [_day(hours, stream, day, window, weekly) for day in window.days()]
    found = pd.concat(parts, ignore_index=True)
    found = found[(found["hour"] < pd.Timestamp(window.now) - pd.Timedelta(hours=1)) & (found["requests"] > 0)]
    lost: pd.Series[bool] = (found["account"] == LOST_ACCOUNT) & (found["hour"].dt.date == window.lost_day())
    return found.loc[~lost, list(CSV_COLUMNS)].sort_values(["hour", "account", "model", "api_key"], kind="stable")


def _weekly_shape(recording: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Requests of m-mid by day of the recording, mean 1: lends its weeks to workloads recorded for one day only."""
    rows = recording[recording["workload"] == "m-mid"]
    days = rows.groupby(rows["hour"] // 24)["requests"].sum()
    shape: np.ndarray[Any, Any] = days.to_numpy() / days.mean()
    return shape


def _clients(rows: pd.DataFrame, stream: Stream) -> pd.DataFrame:
    """Rows by hour and client, the largest clients by input first (``rank``) and the rest together."""
    totals = rows.groupby("client")["input_tokens"].sum()
    largest = totals.sort_values(ascending=False, kind="stable").index[: stream.clients]
    rank = {client: number for number, client in enumerate(largest)}
    rows = rows.assign(
        rank=rows["client"].map(rank).fillna(stream.clients).astype(int),
        client=rows["client"].where(rows["client"].isin(rank), OTHERS),
    )
    return rows.groupby(["hour", "client", "rank"], as_index=False)[list(COUNTS)].sum()


def _day(hours: pd.DataFrame, stream: Stream, day: date, window: Window, weekly: np.ndarray[Any, Any]) -> pd.DataFrame:
    """One day's buckets: the recording's hours of that day, scaled."""
    one_day_only = hours["hour"].max() < 24
    number, tile = window.day_of_tile(day), window.tile(day)
    rows = hours if one_day_only else hours[hours["hour"] // 24 == number]
    factor = stream.size * stream.growth**tile * (float(weekly[number]) if one_day_only else 1.0)
    start = pd.Timestamp(datetime.combine(day, time(), UTC))
    chosen = [_model(stream, rank, window.month(day)) for rank in rows["rank"]]
    projects = [_project(stream, rank) for rank in rows["rank"]]
    counts = {name: np.rint(rows[name].to_numpy() * factor) for name in COUNTS[:2] + COUNTS[4:]}
    depth = factor * stream.depth**tile
    counts["reasoning_tokens"] = np.floor(rows["reasoning_tokens"].to_numpy() * depth)
    counts["output_tokens"] = np.ceil(rows["output_tokens"].to_numpy() * depth)
    return pd.DataFrame(
        {
            "hour": start + pd.to_timedelta(rows["hour"].to_numpy() % 24, unit="h"),
            "account": [stream.account if model.provider in stream.account else f"{model.provider}-main" for model in chosen],
            "provider": [model.provider for model in chosen],
            "model": [model.name for model in chosen],
            "project": projects,
            "api_key": [f"key-{stream.workload}-{client}" for client in rows["client"]],
            "environment": ["dev" if rank % 5 == 4 else "prod" for rank in rows["rank"]],
            "feature": [project.partition("-")[2] or project for project in projects],
            **{name: np.nan_to_num(values).astype(np.int64) for name, values in counts.items()},
        }
    )  # fmt: skip


def _model(stream: Stream, rank: int, month: int) -> Model:
    if rank in stream.apart:
        return stream.apart[rank]
    late = stream.slow if rank % 2 else 0
    return [model for model in stream.models if not model.from_month or model.from_month + late <= month][-1]


def _project(stream: Stream, rank: int) -> str:
    return "sandbox" if rank in stream.unowned else stream.projects[rank % len(stream.projects)]


def write_openai(rows: pd.DataFrame, path: Path) -> Path:
    """OpenAI's buckets as a page of its usage API, one bucket an hour."""
    openai = rows[rows["provider"] == "openai"]
    page = {"object": "page", "data": list(_openai_buckets(openai)), "has_more": False, "next_page": None}
    path.write_text(json.dumps(page, separators=(",", ":")), encoding="utf-8")
    return path


def _openai_buckets(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for hour, group in rows.groupby("hour", sort=True):
        assert isinstance(hour, pd.Timestamp)
        yield {
            "object": "bucket", "start_time": int(hour.timestamp()),
            "end_time": int((hour + timedelta(hours=1)).timestamp()),
            "results": [
                {
                    "object": "organization.usage.completions.result", "input_tokens": row.input_tokens,
                    "output_tokens": row.output_tokens, "input_cached_tokens": 0, "input_audio_tokens": 0,
                    "output_audio_tokens": 0, "num_model_requests": row.requests, "project_id": row.project,
                    "user_id": None, "api_key_id": row.api_key, "model": row.model, "batch": False,
                    "service_tier": None,
                }
                for row in group.itertuples()
            ],
        }  # fmt: skip


def write_csv(rows: pd.DataFrame, path: Path) -> Path:
    """The other providers' buckets, read back by `mapping.yaml`."""
    others = rows[rows["provider"] != "openai"]
    reasoning = others["reasoning_tokens"].where(others["provider"] == "deepseek")  # the others do not split it
    others = others.assign(
        hour=others["hour"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"), reasoning_tokens=reasoning.astype("Int64")
    )
    others.to_csv(path, index=False)
    return path
