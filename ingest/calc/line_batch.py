"""A batch of billed lines: identified, sorted by (charge_date, line_id), ready to be keyed and written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.calc.identity import clean, distinct_keys, event_ids

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass
class LineBatch:
    """Lines of one transaction. Arrays have one value per line, in the order of the table."""

    lines: pa.Table  # LINE_SCHEMA
    line_id: list[bytes]
    keys: list[tuple[str, ...]]  # distinct usage keys of this batch
    key: Ints  # index into keys
    duplicates: int  # lines left out because the batch holds them twice
    conflicts: list[int]  # record numbers of lines left out: the same id with other content

    def __len__(self) -> int:
        return len(self.lines)

    def dates(self) -> list[date]:
        """Distinct charge dates."""
        return sorted(pc.unique(self.lines["charge_date"]).to_pylist())


def make_line_batch(kind: str, account: str, lines: pa.Table) -> LineBatch:
    """Identify and sort lines. Equal ids with equal content are one line; with other content they conflict.

    Which of two conflicting lines stays does not depend on their order: the one whose content sorts first.
    """
    lines = lines.combine_chunks()
    accounts = pc.fill_null(lines["account"], account).to_pylist()
    ids = [value.tobytes() for value in event_ids(f"{kind}.line", accounts, lines["native_id"].to_pylist())]
    rows = lines.drop_columns(["record"]).to_pylist()
    days, numbers = lines["charge_date"].to_pylist(), lines["record"].to_pylist()
    order = sorted(range(len(ids)), key=lambda row: (days[row], ids[row], repr(rows[row])))
    keep: list[int] = []
    duplicates, conflicts = 0, list[int]()
    for row in order:
        if keep and (days[row], ids[row]) == (days[keep[-1]], ids[keep[-1]]):
            if rows[row] == rows[keep[-1]]:
                duplicates += 1
            else:
                conflicts.append(numbers[row])
        else:
            keep.append(row)
    kept = lines.take(pa.array(keep, pa.int64()))
    keys, key = distinct_keys(kept)
    return LineBatch(kept, [ids[row] for row in keep], keys, key, duplicates, conflicts)


_TEXTS = (
    "scope", "charge_category", "charge_class", "description", "sku_id", "price_class", "consumed_unit", "invoice_id",
    "commitment_id", "commitment_status", "resource_id", "kind_of_cost",
)  # fmt: skip
MAX_TEXT = 500


def line_rows(batch: LineBatch, run_id: int, key_ids: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Rows of billed_line in the order of LINE_COLUMNS; a text that is not known is ''."""
    for row, line_id, key_id in zip(batch.lines.to_pylist(), batch.line_id, key_ids, strict=True):
        text = {name: clean(row[name] or "")[:MAX_TEXT] for name in _TEXTS}
        yield (
            row["charge_date"], UUID(bytes=line_id), run_id, row["period_start"], row["period_end"], row["billing_period"],
            key_id, text["scope"], text["charge_category"], text["charge_class"], text["description"], text["sku_id"],
            text["price_class"], row["consumed_quantity"], text["consumed_unit"], row["list_cost"], row["contracted_cost"],
            row["effective_cost"], row["billed_cost"], row["billing_currency"], text["invoice_id"], text["commitment_id"],
            text["commitment_status"], text["resource_id"], text["kind_of_cost"],
        )  # fmt: skip
