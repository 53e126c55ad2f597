"""Predictions of the demo: what is known of its last week's queries before their calls is asked for, then they come."""

import gzip
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from allocation.calc.predict import Request
from allocation.scope import EVERYTHING
from allocation.value import predictions, predictions_learning
from web.demo.calls import write_calls
from web.demo.window import Window

ASKED_DAYS, EVERY = 6, 7  # days of which predictions are asked for, of every so many queries one


def load(window: Window) -> None:
    """Learn as it was a week ago, ask for queries since then, compare, and learn from all."""
    since = window.until - timedelta(days=ASKED_DAYS)
    if predictions_learning.learn_through(since - timedelta(days=1)) is None:
        return
    for number, call in enumerate(_first_calls(replace(window, since=since))):
        if number % EVERY == 0:
            _ask(call)
    predictions_learning.compare(window.now)
    predictions_learning.learn_through(window.until)


def _first_calls(window: Window) -> Iterator[dict[str, Any]]:
    """The first call of each trace, as the gateway logs it."""
    first: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="finops-demo-") as folder:
        path = write_calls(window, Path(folder) / "calls.jsonl.gz")
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                call = json.loads(line)
                known = first.setdefault(call["trace_id"], call)
                if call["startTime"] < known["startTime"]:
                    first[call["trace_id"]] = call
    yield from first.values()


def _ask(call: dict[str, Any]) -> None:
    tags = dict(tag.split(":", 1) for tag in call["request_tags"])
    predictions.ask(
        EVERYTHING, Request(tags["feature"], call["prompt_tokens"], (call["model"],)), by="demo",
        now=datetime.fromisoformat(call["startTime"]) - timedelta(seconds=1),
        trace=predictions.Trace(call["trace_id"], "litellm", "gateway"),
    )  # fmt: skip
