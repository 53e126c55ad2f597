"""What foreign keys would keep and the database does not: they would be a third of what writing a day's charges costs."""

from typing import Any

from django.db import connection

_OF_NOBODY = (
    "UNION ALL SELECT a.charge_date, '{0}', a.id FROM {0} a "
    "LEFT JOIN allocation_costcentre o ON o.id = a.cost_centre_id LEFT JOIN allocation_team t ON t.id = a.team_id "
    "WHERE (a.cost_centre_id IS NOT NULL AND o.id IS NULL) OR (a.team_id IS NOT NULL AND t.id IS NULL) "
)


def orphan_shares() -> list[tuple[Any, ...]]:
    """(charge_date, table, id; of a share its charge's) of shares whose charge of that day, rule, cost centre or team does not
    exist, and what is made of them.
    """
    return _rows(
        "SELECT a.charge_date, 'allocated_cost', a.charge_id FROM allocated_cost a "
        "LEFT JOIN charge c ON c.id = a.charge_id AND c.charge_date = a.charge_date "
        "LEFT JOIN allocation_costcentre o ON o.id = a.cost_centre_id LEFT JOIN allocation_team t ON t.id = a.team_id "
        "LEFT JOIN allocation_allocationrule r ON r.id = a.rule_id WHERE c.id IS NULL "
        "OR (a.cost_centre_id IS NOT NULL AND o.id IS NULL) OR (a.team_id IS NOT NULL AND t.id IS NULL) "
        "OR (a.rule_id IS NOT NULL AND r.id IS NULL) "
        + "".join(_OF_NOBODY.format(table) for table in ("cost_daily", "class_daily"))
        + "UNION ALL SELECT a.charge_date, 'query_cost_daily', a.id FROM query_cost_daily a "
        "LEFT JOIN allocation_costcentre o ON o.id = a.cost_centre_id WHERE a.cost_centre_id IS NOT NULL AND o.id IS NULL "
        "ORDER BY 1, 2, 3"
    )


def orphan_charges() -> list[tuple[Any, ...]]:
    """(charge_date, table, id) of charges whose owner, origin or correction does not exist."""
    return _rows(
        "SELECT c.charge_date, 'charge', c.id FROM charge c LEFT JOIN allocation_costcentre o ON o.id = c.owner_id "
        "LEFT JOIN allocation_team t ON t.id = c.owner_team_id LEFT JOIN charge p ON p.id = c.origin_id "
        "LEFT JOIN allocation_correction n ON n.id = c.correction_id "
        "LEFT JOIN allocation_costcentre d ON d.id = c.corrects_centre_id "
        "LEFT JOIN allocation_team u ON u.id = c.corrects_team_id WHERE (c.owner_id IS NOT NULL AND o.id IS NULL) "
        "OR (c.owner_team_id IS NOT NULL AND t.id IS NULL) OR (c.origin_id IS NOT NULL AND p.id IS NULL) "
        "OR (c.correction_id IS NOT NULL AND n.id IS NULL) OR (c.corrects_centre_id IS NOT NULL AND d.id IS NULL) "
        "OR (c.corrects_team_id IS NOT NULL AND u.id IS NULL) ORDER BY 1, 3"
    )


def _rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
