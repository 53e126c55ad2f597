"""Calls that a gateway's log and a trace both hold, found by the id that the provider gave to the call."""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from ingest.calc.identity import event_ids
from ingest.facts import derive

TABLE = "layer_matched"
REACH = timedelta(hours=6)  # the longest that a call may last and still be found across midnight


class Match(NamedTuple):
    """One call as a trace and a gateway hold it."""

    traced_on: date
    traced: UUID
    gateway_on: date
    gateway: UUID


def matches_around(day: date) -> list[Match]:
    """Every match of which either side lies on the day; the other may lie on the day before or after.

    A gateway's event id is made of the provider's id of the call, so the traced id is hashed as each gateway's would be;
    and a gateway that states the provider's id beside its own is found by that.
    """
    days = [day + timedelta(days=n) for n in (-1, 0, 1)]
    asked = derive.requests_around(day, REACH)
    traced = [(on, event, request, at) for on, event, layer, request, at in asked if layer == "trace"]
    if not traced:
        return []
    of_gateways = {request: (on, event) for on, event, layer, request, _ in asked if layer == "gateway"}
    candidates: dict[UUID, list[int]] = {}
    texts = [request for _, _, request, _ in traced]
    for source, account in derive.gateway_accounts(days):
        for number, value in enumerate(event_ids(source, [account] * len(texts), texts)):
            candidates.setdefault(UUID(bytes=value.tobytes()), []).append(number)
    found = derive.gateway_facts(days, list(candidates)) if candidates else {}
    gateway = {number: (found[event], event) for event in found for number in candidates[event]}
    pairs = []
    for number, (on, event, request, at) in enumerate(traced):
        place = gateway.get(number) or of_gateways.get(request)
        if place is not None and day in (on, place[0]) and _near(at, on, place[0]):
            pairs.append(Match(on, event, *place))
    return pairs


def _near(at: datetime, on: date, gateway_on: date) -> bool:
    """Whether a call is close enough to midnight for its gateway to have it on another day: alike seen from both days."""
    if on == gateway_on:
        return True
    midnight = datetime.combine(max(on, gateway_on), time(), UTC)
    return abs(at - midnight) <= REACH


def matched_table(day: date, matches: list[Match]) -> str:
    """Make the temporary table (event_id) of the day's matched calls, of both layers; returns its name."""
    ids = {match.traced for match in matches if match.traced_on == day}
    ids |= {match.gateway for match in matches if match.gateway_on == day}
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {TABLE} (event_id uuid PRIMARY KEY) ON COMMIT DELETE ROWS")
        cursor.execute(f"TRUNCATE {TABLE}")
        cursor.execute(f"INSERT INTO {TABLE} SELECT unnest(%s::uuid[])", [sorted(ids)])
    return TABLE
