"""Who bears the charges of a day: runs the rules over them and rebuilds what pages read."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection

from allocation import cube_store, daily_store, day_calls, layer_changes, query_costs, rulebook
from allocation.attribution import moves
from allocation.calc import assign as assigning
from allocation.calc import daily
from allocation.models import AllocatedCost, AllocatedDay, Basis, ClassDaily, CostDaily
from allocation.posting import OF_CHARGE, SCHEMA, Posting
from allocation.rulebook import OfDay, Rulebook
from finops.copying import copy_table, read_table

Borne = dict[str, tuple[str, list[int | None]]]  # usage key -> digest of what rules make of it, ids of cost centres
_AMOUNTS = ("consumed_quantity", *assigning.COSTS)
_CHARGES = (
    f"SELECT {', '.join(f'c.{name}' for name in OF_CHARGE.names)}, o.code, t.code FROM charge c "
    "LEFT JOIN allocation_costcentre o ON o.id = c.owner_id LEFT JOIN allocation_team t ON t.id = c.owner_team_id "
    "WHERE c.charge_date = '{day:%Y-%m-%d}' AND ({which}) ORDER BY c.id"
)
_MANY = 0.5  # of a day's usage keys: when more of them go to others all of the day is written anew


class _Parts(NamedTuple):
    """Charges of a day with who bears them: their columns, parts, amounts over the parts."""

    charge: pa.Table
    parts: assigning.Parts
    shared: dict[str, Any]


def allocate_day(
    day: date,
    dimensions: Mapping[int, Mapping[str, Any]],
    charges: pa.Table,
    *,
    layered: bool,
    posting: Posting | None = None,
    distribute: bool = False,
) -> None:
    """Assign all charges of a day (``charges_of``, and those of ``posting``, still to be written) and rebuild what pages read.

    ``distribute``: cost per query as well, where the days after are as they will be and ``posting`` is of all the day's usage.
    """
    for model in (AllocatedCost, CostDaily, ClassDaily, AllocatedDay):
        model.objects.filter(charge_date=day)._raw_delete(using="default")
    book = rulebook.holding_on(day)
    seen, counts = book.on(day, dimensions), _counts(day, layered=layered)
    silent = daily_store.silent(day)  # all that is asked of the database, before anything is written behind
    AllocatedDay.objects.create(charge_date=day, rules=book.number, borne=borne(book, seen))
    moves.restore(day)
    distribution = None
    if posting is not None and distribute:
        distribution = query_costs.of_day(day, book, lambda _keys: seen, posting.ratings)
    if posting is not None:
        posting.write()
        charges = pa.concat_tables([charges, posting.table])
    found = _shared(charges, seen)
    _write_shares(day, book, found)
    _write_daily(day, book, found, counts, seen, silent)
    if distribution is not None:
        distribution.write()


def move_day(
    day: date, was: Mapping[str, Any], dimensions: Mapping[int, Mapping[str, Any]], book: Rulebook, *, layered: bool
) -> bool:
    """Assign the charges of a day's usage keys anew that ``book`` gives to others than before, and nothing else.

    ``was``: AllocatedDay.borne. Of cost_daily and query_cost_daily the rows of the cost centres that gain or lose are made
    anew. False, and nothing done, where most of the day moves: allocate_day is faster then.
    """
    seen = book.on(day, dimensions)
    now = borne(book, seen)
    moved = {int(key) for key, found in now.items() if was[key][0] != found[0]}
    if len(moved) > _MANY * len(now):
        return False
    if not moved:
        return True
    centres = {centre for key in map(str, moved) for found in (was, now) for centre in found[key][1]}
    touched = {int(key) for key, (_, bearers) in now.items() if not centres.isdisjoint(bearers)}
    found = _shared(_read(day, _bearing(touched, centres)), seen)
    theirs = pc.is_in(found.charge["usage_key_id"], pa.array(sorted(moved), pa.int64()))
    with connection.cursor() as cursor:
        charges = found.charge["id"].filter(theirs).to_pylist()
        cursor.execute("DELETE FROM allocated_cost WHERE charge_id = ANY(%s)", [charges])
    _write_shares(day, book, _of_charges(found, theirs))
    for model in (CostDaily, ClassDaily):
        of_them = model.objects.filter(charge_date=day).exclude(basis__in=Basis.values)
        of_them.filter(cube_store.borne_by(centres))._raw_delete(using="default")
    counts = [row for row in _counts(day, layered=layered) if row[0] in touched]
    _write_daily(day, book, found, counts, seen, daily_store.silent(day), centres)
    if not day_calls.are_stale(day):
        query_costs.move(day, book, seen, centres)
    with connection.cursor() as cursor:
        changed = json.dumps({str(key): now[str(key)] for key in sorted(moved)})
        cursor.execute("UPDATE allocated_day SET borne = borne || %s WHERE charge_date = %s", [changed, day])
    moves.outdated(day)
    return True


def borne(book: Rulebook, seen: OfDay) -> Borne:
    """What a day's rows of cost and its counts say of who bears a usage key, and under which names pages show it."""
    found: Borne = {}
    for key, rule in seen.assignment.items():
        targets, of = assigning.targets_of(rule), seen.dimensions[key]
        said = [rule and book.rule_ids.get(rule.rule), [tuple(map(str, target)) for target in targets]]
        shown = [of[name] for name in ("provider", "model_served", "model_requested", "environment", "feature")]
        digest = hashlib.blake2b(repr([said, shown]).encode(), digest_size=8).hexdigest()
        found[str(key)] = (digest, [book.cost_centres.get(target.cost_centre) for target in targets])
    return found


def _bearing(keys: Collection[int], centres: Collection[int | None]) -> str:
    """Charges of these usage keys, and those that these cost centres bear whatever the rules say."""
    owned = [centre for centre in centres if centre is not None]
    which = f"c.usage_key_id = ANY('{{{','.join(map(str, sorted(keys)))}}}')"
    which += f" OR c.owner_id = ANY('{{{','.join(map(str, sorted(owned)))}}}')"
    return which + (" OR c.corrects_date IS NOT NULL" if None in centres else "")


def charges_of(day: date) -> pa.Table:
    """posting.SCHEMA of the charges of a day."""
    return _read(day, "true")


def _read(day: date, which: str) -> pa.Table:
    return read_table(_CHARGES.format(day=day, which=which), SCHEMA)


def _shared(charge: pa.Table, seen: OfDay) -> _Parts:
    parts = assigning.parts(charge["usage_key_id"].to_pylist(), seen.assignment, _bearers(charge))
    return _Parts(charge, parts, {name: assigning.shares(charge[name].combine_chunks(), parts) for name in _AMOUNTS})


def _of_charges(found: _Parts, which: pa.ChunkedArray) -> _Parts:
    """Of some of the charges; ``which``: one bool for each."""
    at = np.flatnonzero(which.take(pa.array(found.parts.row)))
    parts = found.parts
    theirs = assigning.Parts(
        parts.row[at], parts.part[at], [parts.rule[n] for n in at], [parts.cost_centre[n] for n in at],
        [parts.team[n] for n in at], [parts.weight[n] for n in at],
    )  # fmt: skip
    return _Parts(found.charge, theirs, {name: column.take(pa.array(at)) for name, column in found.shared.items()})


def _write_shares(day: date, book: Rulebook, found: _Parts) -> None:
    parts, shared = found.parts, found.shared
    bearers = {
        "rule_id": [book.rule_ids.get(rule) for rule in parts.rule],
        "cost_centre_id": [book.cost_centres.get(code) for code in parts.cost_centre],
        "team_id": [book.teams.get(pair) for pair in zip(parts.cost_centre, parts.team, strict=True)],
    }
    allocated = {
        "charge_id": found.charge["id"].take(pa.array(parts.row)),
        "charge_date": pa.repeat(pa.scalar(day), len(parts.row)), "part": pa.array(parts.part),
        **{name: pa.array(values, pa.int64()) for name, values in bearers.items()},
        "quantity": shared["consumed_quantity"], **{name: shared[name] for name in assigning.COSTS},
    }  # fmt: skip
    copy_table("allocated_cost", list(allocated), pa.table(allocated))


def _counts(day: date, *, layered: bool) -> list[tuple[Any, ...]]:
    return [(*row[:3], *row[4:]) for row in layer_changes.counts_of_day(day, layered=layered)]


def _write_daily(
    day: date, book: Rulebook, found: _Parts, counts: Sequence[tuple[Any, ...]], seen: OfDay,
    silent: Collection[int], centres: Collection[int | None] | None = None,
) -> None:  # fmt: skip
    of = daily.classes(found.charge, found.parts, found.shared, seen.dimensions, silent)
    daily_store.keep(day, "class_daily", daily.class_daily(of), book, centres)
    currencies = daily.currencies(found.charge)
    daily_store.keep(
        day, "cost_daily", daily.cost_daily(of, counts, seen.assignment, seen.dimensions, currencies), book, centres
    )


def _bearers(charge: pa.Table) -> list[tuple[str, str] | None] | None:
    """Who bears a charge whatever the rules say: a declared owner; of a correction who bore it then, be it nobody."""
    columns = [charge[name] for name in ("owner__code", "owner_team__code", "corrects_date")]
    if all(column.null_count == len(column) for column in columns):
        return None
    return [
        (code or "", team or "") if code or corrects is not None else None
        for code, team, corrects in zip(*(column.to_pylist() for column in columns), strict=True)
    ]
