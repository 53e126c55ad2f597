"""Frame contracts with one error style: what is wrong, where, and what was expected."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa


class FrameError(ValueError):
    """A frame does not keep its contract."""


def require_columns(frame: pd.DataFrame | pa.Table, columns: Iterable[str], *, name: str = "frame") -> None:
    """Raise FrameError naming the columns that are missing and those that are there."""
    present = list(frame.column_names if isinstance(frame, pa.Table) else frame.columns)
    missing = [column for column in columns if column not in present]
    if missing:
        raise FrameError(f"{name} lacks {', '.join(missing)}; it has {', '.join(map(str, present)) or 'no columns'}")


def empty(schema: Mapping[str, Any]) -> pd.DataFrame:
    """A frame with these columns and dtypes and no rows."""
    return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in schema.items()})


def concat(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """``pandas.concat`` of non-empty frames whose dtypes agree; FrameError otherwise.

    pandas turns a decimal column silently into object when precisions differ or one part is empty.
    """
    parts = [frame for frame in frames if len(frame)]
    if not parts:
        raise FrameError("nothing to concatenate")
    for part in parts[1:]:
        differing = [c for c in parts[0].columns if c not in part.columns or part[c].dtype != parts[0][c].dtype]
        if differing or len(part.columns) != len(parts[0].columns):
            raise FrameError(f"frames differ in {', '.join(map(str, differing)) or 'their columns'}")
    return pd.concat(parts, ignore_index=True)
