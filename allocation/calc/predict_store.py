"""What was learnt as bytes, and back: the same predictor, so that it is learnt once a night and read by every process."""

import json
from typing import Any

import numpy as np
import pyarrow as pa

from allocation.calc.predict_calibration import Predictor
from allocation.calc.predict_history import ANY, LEVELS, STATISTICS, TEXTS, History, Level

_FORM = 1  # of the bytes; others are not read
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")
# ANY of what is no text: columns of numbers, in which it is NULL
_SCHEMA = pa.schema(
    [
        ("level", pa.int8()), *((name, pa.dictionary(pa.int32(), pa.string())) for name in TEXTS),
        ("attachments", pa.bool_()), ("tools", pa.bool_()), ("band", pa.int16()), ("queries", pa.int64()),
        ("low", pa.int16()), ("high", pa.int16()), *((name, pa.float64()) for name in STATISTICS),
    ]
)  # fmt: skip


class UnknownForm(ValueError):
    """The bytes were written by another version of the ledger: learn anew."""


def packed(predictor: Predictor) -> bytes:
    """A predictor as bytes (Arrow)."""
    columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA.names}
    for number, level in enumerate(predictor.history.levels):
        for key, place in level.rows.items():
            named = dict(zip(level.columns, key, strict=True))
            columns["level"].append(number)
            for name in LEVELS[-1]:
                value = named.get(name)
                columns[name].append(None if value == ANY and name not in TEXTS else value)
            columns["queries"].append(int(level.counts[place]))
            columns["low"].append(int(level.bands[place, 0]))
            columns["high"].append(int(level.bands[place, 1]))
    tables = [level.statistics for level in predictor.history.levels]
    whole = np.concatenate(tables)
    arrays = [pa.array(values, _SCHEMA.field(name).type) for name, values in columns.items() if name not in STATISTICS]
    arrays += [pa.array(whole[:, place]) for place in range(len(STATISTICS))]
    told = {
        "form": _FORM, "left_out": [level.left_out for level in predictor.history.levels],
        "margins": [[name, values.tolist()] for name, values in predictor.margins.items()],
    }  # fmt: skip
    sink = pa.BufferOutputStream()
    schema = _SCHEMA.with_metadata({"told": json.dumps(told)})
    with pa.ipc.new_stream(sink, schema, options=_OPTIONS) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return bytes(sink.getvalue())


def unpacked(data: bytes) -> Predictor:
    """The predictor that was packed. Raises UnknownForm."""
    table = pa.ipc.open_stream(pa.py_buffer(data)).read_all()
    told = json.loads((table.schema.metadata or {}).get(b"told", b"{}"))
    if told.get("form") != _FORM:
        raise UnknownForm(
            "what was learnt is of another version of the ledger; learn anew: manage.py predictions learn"
        )
    levels = [
        _level(table.filter(pa.compute.equal(table["level"], number)), number, left_out)
        for number, left_out in enumerate(told["left_out"])
    ]
    return Predictor(History(tuple(levels)), {name: np.array(values) for name, values in told["margins"]})


def _level(table: pa.Table, number: int, left_out: int) -> Level:
    names = LEVELS[number]
    keys = zip(*([ANY if value is None else value for value in table[name].to_pylist()] for name in names), strict=True)
    statistics = np.column_stack([table[name].to_numpy() for name in STATISTICS])
    bands = np.column_stack([table[name].to_numpy().astype(np.int64) for name in ("low", "high")])
    rows = {key: at for at, key in enumerate(keys)}
    return Level(names, rows, statistics, table["queries"].to_numpy(), bands, left_out)
