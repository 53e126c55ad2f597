"""Which rows of an account's levels can be compared: by model, kind of usage and day, or with more where one is not told."""

from collections import defaultdict
from typing import Any, NamedTuple

from allocation.calc.reconcile_rows import Mask, Row, mask_of
from finops.tokens import TOKEN_CLASSES

_LINE = Mask(True, True, True, False, False, False)
_TOKENS, _FEE = "tokens", "fee"
_ANY = ("", None)


class Atom(NamedTuple):
    """What one row is about: tokens or a unit ('': not told), of a model, on a day."""

    family: str
    model: str
    day: Any


class Group(NamedTuple):
    """Rows of all levels that can only be compared together, and the grain of the lines made of them."""

    levels: dict[str, list[Row]]
    grain: Mask


def groups(levels: dict[str, list[Row]]) -> list[Group]:
    """Every row in exactly one group.

    Usage is joined by model, kind and day; a row without day joins all days of its model, one without model all models of
    its kind and day. Rows of other categories are compared by category, model, class and day.
    """
    atoms: dict[str, list[Any]] = {}
    for level, rows in levels.items():
        named = any(row.model or row.price_class for row in rows if row.category == "Usage")
        atoms[level] = [_atom(row, named=named) for row in rows]
    joined = _joined({atom for found in atoms.values() for atom in found if isinstance(atom, Atom)})
    found: dict[Any, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for level, rows in levels.items():
        for row, atom in zip(rows, atoms[level], strict=True):
            found[joined.get(atom, atom)][level].append(row)
    return [Group(group, _grain(group)) for group in found.values()]


def _atom(row: Row, *, named: bool) -> Any:
    if row.category != "Usage":
        return (row.category, row.model, row.price_class, row.day)
    if named and not row.model and not row.price_class:
        return (_FEE, row.day)  # beside rows that say what they are about it is about no usage that is known
    return Atom(_TOKENS if row.price_class in TOKEN_CLASSES else row.price_class, row.model, row.day)


def _joined(atoms: set[Atom]) -> dict[Atom, Atom]:
    """Atom -> the one that stands for its group."""
    parent = {atom: atom for atom in atoms}

    def find(atom: Atom) -> Atom:
        while parent[atom] != atom:
            parent[atom] = atom = parent[parent[atom]]
        return atom

    by_model, by_day = defaultdict(list), defaultdict(list)
    for atom in atoms:
        by_model[atom.model].append(atom)
        by_day[atom.day].append(atom)
    for atom in sorted(atoms, key=str):
        if all(field not in _ANY for field in atom):
            continue
        near = by_model[atom.model] if atom.model else by_day[atom.day] if atom.day is not None else list(atoms)
        for other in near:
            if all(a in _ANY or a == b for a, b in zip(atom, other, strict=True)):
                parent[find(other)] = find(atom)
    return {atom: find(atom) for atom in atoms}


def _grain(levels: dict[str, list[Row]]) -> Mask:
    found = _LINE
    for rows in levels.values():
        found = found.both(mask_of(rows))
    return found
