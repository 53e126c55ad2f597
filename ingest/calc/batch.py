"""A batch of facts: usage rows with identity, sorted by (charge_date, event_id), ready to be keyed, tiered and written."""

from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finops.router_labels import LABEL_BITS, ROUTER_LABELS, UNKNOWN
from finops.tokens import TOKEN_CLASSES
from ingest.calc.copyrows import Column
from ingest.calc.identity import distinct_keys, event_ids, query_ids
from ingest.calc.usage import MONEY, USAGE_SCHEMA, context_tokens, ints

Ints = np.ndarray[Any, np.dtype[np.int64]]
_EPOCH = date(1970, 1, 1).toordinal()
_NUMBERS = [field.name for field in USAGE_SCHEMA if not pa.types.is_string(field.type)]


@dataclass
class Batch:
    """Facts of one transaction. Arrays have one value per fact, in the order of (charge_date, event_id)."""

    usage: pa.Table  # the columns that are no texts
    charge_date: Ints  # days since 1970
    occurred_at: Ints  # us since 1970
    event_id: np.ndarray[Any, Any]  # V16
    query_id: Ints
    has_query: np.ndarray[Any, np.dtype[np.bool_]]
    agent: Ints  # hash of the agent's name, 0: none
    caller: Column  # hash of the name of the agent that called it, 0: nobody; NULL: not known
    keys: list[tuple[str, ...]]  # distinct usage keys of this batch
    key: Ints  # index into keys
    duplicates: int  # rows left out because the batch holds the same fact twice
    request_id: Any  # texts: the provider's own id of the call, NULL where not stated
    conflicts: list[int]  # record numbers (lines) of rows left out: the same id with other content

    def __len__(self) -> int:
        return len(self.charge_date)

    @property
    def context(self) -> Ints:
        """Context tokens per call; of a bucket of calls what its provider states, else 0: it is not known."""
        return np.where(ints(self.usage, "requests") == 1, context_tokens(self.usage), ints(self.usage, "context"))

    def dates(self) -> list[date]:
        """Distinct charge dates."""
        return [date.fromordinal(int(day) + _EPOCH) for day in np.unique(self.charge_date)]


def make_batch(kind: str, account: str, usage: pa.Table) -> Batch:
    """Identify and sort usage rows. Equal ids with equal content are one fact; with other content they conflict.

    Which of two conflicting rows stays does not depend on their order: the one whose content sorts first.
    """
    usage = usage.combine_chunks()
    accounts = pc.fill_null(usage["account"], account).combine_chunks()
    ids = event_ids(kind, accounts.to_pylist(), usage["native_id"].to_pylist())
    days = pc.coalesce(usage["charge_date"], usage["occurred_at"].cast(pa.timestamp("us")).cast(pa.date32()))
    day = days.cast(pa.int32()).to_numpy().astype(np.int64)
    order, same = _sorted(day, ids)
    duplicates, conflicts = 0, list[int]()
    if same.any():
        order, duplicates, conflicts = _settle(usage, order, same)
    query, known = query_ids(kind, accounts, usage["trace"].combine_chunks())
    keys, key = distinct_keys(usage)
    agent, caller = agent_hashes(usage["agent"]), _callers(usage["caller"], order)
    usage = usage.set_column(usage.schema.get_field_index("flags"), "flags", with_labels(usage))
    numbers = usage.select(_NUMBERS).take(pa.array(order))  # texts are done with: sorting them would cost the most
    occurred = numbers["occurred_at"].cast(pa.int64()).to_numpy()
    requests = usage["request_id"].combine_chunks()
    if requests.null_count < len(requests):
        requests = requests.take(pa.array(order))
    return Batch(
        numbers, day[order], occurred, ids[order], query[order], known[order], agent[order], caller, keys, key[order], duplicates,
        requests, conflicts,
    )  # fmt: skip


def _sorted(day: Ints, ids: np.ndarray[Any, Any]) -> tuple[Ints, np.ndarray[Any, np.dtype[np.bool_]]]:
    """The order of (day, id), and which rows in it are the same as the one before."""
    words = ids.view(">u8").reshape(len(ids), 2).astype(np.uint64)
    order = np.argsort(words[:, 0])
    if len(days := np.unique(day)) > 1:
        order = order[np.argsort(np.searchsorted(days, day[order]).astype(np.int16), kind="stable")]
    meet = np.zeros(len(order), dtype=bool)
    a, b = order[1:], order[:-1]
    meet[1:] = (day[a] == day[b]) & (words[a, 0] == words[b, 0])
    if not meet.any():  # half an id tells almost all rows apart
        return order, meet
    order = np.lexsort((words[:, 1], words[:, 0], day))
    a, b = order[1:], order[:-1]
    meet[1:] = (day[a] == day[b]) & (words[a] == words[b]).all(axis=1)
    return order, meet


def _settle(usage: pa.Table, order: Ints, same: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[Ints, int, list[int]]:
    """Keep one row of each run of equal ids: the first by content; count equal ones, name the others."""
    keep, duplicates, conflicts = np.ones(len(order), dtype=bool), 0, []
    starts = np.flatnonzero(~same)
    ends = np.append(starts[1:], len(order))
    content, numbers = usage.drop_columns(["record"]), usage["record"].to_numpy()
    for start, end in zip(starts, ends, strict=True):
        if end - start == 1:
            continue
        rows = sorted(
            (repr(row), int(order[start + n])) for n, row in enumerate(content.take(order[start:end]).to_pylist())
        )
        for text, row in rows[1:]:
            if text == rows[0][0]:
                duplicates += 1
            else:
                conflicts.append(int(numbers[row]))
        order[start] = rows[0][1]
        keep[start + 1 : end] = False
    return order[keep], duplicates, conflicts


def positive(batch: Batch, name: str, *, keep_zero: bool = False) -> Column:
    """A count column of the facts: zero is stored as NULL (but for output_reasoning, where 0 says "none")."""
    column = batch.usage[name]
    values = ints(batch.usage, name)
    null = pc.is_null(column).to_numpy() if keep_zero else values == 0
    return Column("int8", values, null)


def fact_columns(
    batch: Batch, *, run_id: int, key_ids: Ints, slot_ids: Ints, tiers: dict[str, Ints]
) -> dict[str, Column]:
    """Every column of usage_event by name. ``tiers``: tier_rule and begins (0 or 1) per fact."""
    rows = len(batch)
    requests = ints(batch.usage, "requests")
    columns = {
        "query_id": Column("int8", batch.query_id, ~batch.has_query),
        "occurred_at": Column("timestamptz", batch.occurred_at),
        "run_id": Column("int4", np.full(rows, run_id)),
        "usage_key_id": Column("int4", key_ids),
        "rate_slot_id": Column("int2", slot_ids),
        "requests": Column("int4", requests, requests == 1),
        "charge_date": Column("date", batch.charge_date),
        "begins": Column("bool", tiers["begins"], tiers["begins"] == 0),
        "failed": positive(batch, "failed")._replace(type="int4"),
        "agent": Column("int4", batch.agent, batch.agent == 0),
        "tier_rule": Column("int2", tiers["tier_rule"]),
        "tool_calls": _small(positive(batch, "tool_calls")),
        "flags": _small(positive(batch, "flags")),
        "event_id": Column("uuid", batch.event_id),
        "reported_cost": Column(
            "numeric", batch.usage["reported_cost"].combine_chunks().cast(MONEY), _null_money(batch)
        ),
        "saved_tokens": positive(batch, "saved_tokens"),
        "caller": batch.caller,
    }
    for name in TOKEN_CLASSES:
        columns[name] = positive(batch, name, keep_zero=name == "output_reasoning")
    return columns


def _small(column: Column) -> Column:
    return column._replace(type="int2")


def _null_money(batch: Batch) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.asarray(pc.is_null(batch.usage["reported_cost"]).to_numpy())


def _callers(callers: Any, order: Ints) -> Column:
    """Hashes in that order; most sources say nothing of it."""
    if callers.null_count == len(callers):
        return Column("int4", np.zeros(len(order), dtype=np.int64), np.ones(len(order), dtype=bool))
    return Column("int4", agent_hashes(callers)[order], np.asarray(pc.is_null(callers).to_numpy())[order])


def with_labels(usage: pa.Table) -> pa.Array:
    """The flags of usage rows, with the number of a router's label above them."""
    labels = usage["router_label"]
    if labels.null_count == len(labels):
        return usage["flags"]
    known = labels.combine_chunks().dictionary_encode()
    numbers = [ROUTER_LABELS.get(text.strip().upper(), UNKNOWN) << LABEL_BITS for text in known.dictionary.to_pylist()]
    above = pa.array(numbers, pa.int64()).take(known.indices)
    return pc.add(pc.fill_null(usage["flags"], 0), pc.fill_null(above, 0))


def agent_hashes(agents: Any) -> Ints:
    """A 32-bit hash of each agent's name (0: none), to count the distinct agents of a trace."""
    encoded = pc.fill_null(agents, "").combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    table = [
        int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big", signed=True) if text else 0
        for text in encoded.dictionary.to_pylist()
    ]
    return np.asarray(np.array(table or [0], dtype=np.int64)[encoded.indices.to_numpy(zero_copy_only=False)])
