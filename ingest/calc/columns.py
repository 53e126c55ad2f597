"""A mapping once it is read: where values stand in a record, and which count contains which."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Column:
    """Where a value stands: the first of ``columns`` that holds one. ``includes``: classes that a count contains."""

    columns: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    constant: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)  # the file's word -> ours

    def find(self, record: Mapping[str, Any]) -> Any:
        """The value as it stands in the record, None where there is none (an empty text is none)."""
        return next((value for _, value in self.held(record)), None)

    def held(self, record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The columns that hold a value, with it."""
        for name in self.columns:
            value = dig(record, name)
            if value is not None and not (isinstance(value, str) and not value.strip()):
                yield name, value

    @property
    def name(self) -> str:
        """The column or columns, as a person would name them."""
        return " or ".join(self.columns)


@dataclass(frozen=True)
class Numerals:
    """How a CSV writes fields and numbers. ``delimiter`` None: by the heading line."""

    delimiter: str | None = None
    decimal: str = "."
    thousands: str = ""


@dataclass(frozen=True)
class FieldMapping:
    """A checked mapping. ``counts`` and ``texts`` are keyed by columns of the usage table."""

    time: Column
    counts: Mapping[str, Column]
    texts: Mapping[str, Column]
    formats: tuple[str, ...] = ("rfc3339",)
    layer: str = "gateway"
    zone: ZoneInfo | None = None
    id: tuple[Column, ...] = ()
    provider: Column = Column()
    prefixes: tuple[tuple[str, str], ...] = ()  # of model names, longest first -> provider
    numbers: Mapping[str, Column] = field(default_factory=dict)
    failed: Column = Column()
    reported_cost: Column = Column()
    currency: Column = Column(constant="USD")
    tags: Mapping[str, Column] = field(default_factory=dict)
    units: Mapping[str, Column] = field(default_factory=dict)
    total: Column = Column()
    csv: Numerals = Numerals()
    e_notation: bool = False

    @property
    def has_identity(self) -> bool:
        """Whether records are known by columns of their own; without, a run is marked ``identity=row``."""
        return bool(self.id)

    def narrowed(self, names: Container[str]) -> "FieldMapping":
        """The same mapping without the columns that a record with these ``names`` at its top cannot hold.

        Records of a file mostly share their names, so that this is worked out once for many of them. What a message
        would name, the time and the input, is kept.
        """

        def less(column: Column) -> Column:
            held = tuple(name for name in column.columns if name in names or name.split(".")[0] in names)
            return replace(column, columns=held) if held else column if column.constant is not None else Column()

        def some(columns: Mapping[str, Column], *kept: str) -> dict[str, Column]:
            smaller = {name: less(column) for name, column in columns.items()}
            return {name: column if column != Column() else columns[name] for name, column in smaller.items()
                    if name in kept or column != Column()}  # fmt: skip

        return replace(
            self, counts=some(self.counts, "input_uncached"), texts=some(self.texts), numbers=some(self.numbers),
            tags=some(self.tags), units=some(self.units), provider=less(self.provider), failed=less(self.failed),
            reported_cost=less(self.reported_cost), total=less(self.total),
        )  # fmt: skip

    def columns(self) -> Iterator[str]:
        """Every column that the mapping looks at."""
        single = (self.time, self.provider, self.failed, self.reported_cost, self.currency, self.total, *self.id)
        many = (self.counts, self.texts, self.numbers, self.tags, self.units)
        for column in (*single, *(column for group in many for column in group.values())):
            yield from column.columns


def dig(record: Any, path: str) -> Any:
    """The value at a column name or dotted path, None without one; the literal name wins at every step."""
    if not isinstance(record, dict):
        return None
    if path in record:
        return record[path]
    first, _, rest = path.partition(".")
    return dig(record.get(first), rest) if rest else None
