"""Whose cost a person may see: the one place where rows are scoped. Every read of cost takes a Scope first."""

from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from allocation.models import Grant

ROLES_THAT_SEE_ALL = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE, Grant.Role.ADMIN, Grant.Role.AUDITOR})
RowT = TypeVar("RowT", bound=Model)


@dataclass(frozen=True)
class Scope:
    """Everything, or the cost centres (ids) granted; unallocated cost belongs to those who see everything."""

    everything: bool = False
    cost_centres: frozenset[int] = frozenset()

    def of(self, rows: "QuerySet[RowT]", field: str = "cost_centre") -> "QuerySet[RowT]":
        """The rows of a queryset that this scope may see."""
        return rows if self.everything else rows.filter(**{f"{field}__in": self.cost_centres})


EVERYTHING = Scope(everything=True)  # for commands, which already have the database


def scope_of(user: Any) -> Scope:
    """The scope of a user by their grants; nobody and inactive users see nothing. Read afresh for every request."""
    if not getattr(user, "is_authenticated", False) or not user.is_active:
        return Scope()
    grants = Grant.objects.filter(user=user).values_list("role", "cost_centre_id")
    if any(role in ROLES_THAT_SEE_ALL for role, _ in grants):
        return EVERYTHING
    return Scope(cost_centres=frozenset(centre for _, centre in grants if centre is not None))


def roles_of(user: Any) -> frozenset[str]:
    """The roles a user holds anywhere."""
    if not getattr(user, "is_authenticated", False) or not user.is_active:
        return frozenset()
    return frozenset(Grant.objects.filter(user=user).values_list("role", flat=True))
