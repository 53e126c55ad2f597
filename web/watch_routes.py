"""The document ``watch_routes``: who is told of alerts, how, and from which severity on. Entries of the file::

    - {code: finops, channel: email, address: finops@example.com}
    - {code: owners, channel: email, address: owners, severity: ticket}
    - {code: on-call, channel: slack, address: "env:ALERTS_SLACK_URL", severity: page, level: 2}

``severity``: the least that is told (digest); ``level``: told from the how many-th notice without an answer on (1);
``cost_centre``: of alerts of that one alone. ``owners``: the people who own the alert's cost centre. The URL of a
Slack-compatible webhook is a secret, so the file names the environment variable (or NAME_FILE) that holds it. Webhooks of the
site (web.webhooks) hear of alerts as they hear of all events, and need no entry.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from allocation.costing import terms
from allocation.models import Grant, TermsVersion
from forecasting.calc.watch_policy import SEVERITIES
from forecasting.models import Alert, AlertNotice
from ingest import credentials
from ingest.credentials import CredentialError

KIND = "watch_routes"
EMAIL, SLACK = "email", "slack"
OWNERS = "owners"
_ENV = "env:"
_FIELDS = ("code", "channel", "address", "severity", "level", "cost_centre")
_LEVELS = 10


class RouteError(ValueError):
    """Routes of alerts cannot be used; the message names the entry and the field."""


class Route(NamedTuple):
    """One entry."""

    code: str
    channel: str
    address: str
    severity: str
    level: int
    cost_centre: str

    def hears(self, notice: AlertNotice) -> bool:
        """Whether it is told."""
        urgent = SEVERITIES.index(notice.severity) >= SEVERITIES.index(self.severity)
        centre = notice.alert.cost_centre
        return urgent and notice.level >= self.level and self.cost_centre in ("", centre.code if centre else "")


def parse(document: Any) -> tuple[Route, ...]:
    """The entries of a document. Raises RouteError."""
    if not isinstance(document, list):
        raise RouteError("routes of alerts are a list of entries")
    found = tuple(_entry(entry, number) for number, entry in enumerate(document, start=1))
    codes = [one.code for one in found]
    if doubled := [code for code in codes if codes.count(code) > 1]:
        raise RouteError(f"{doubled[0]}: two entries have this code")
    return found


def load(document: Any, *, actor: str) -> TermsVersion:
    """Put routes in force: for what is told from now on. Raises RouteError."""
    return terms.load(KIND, document, parse, actor=actor, charged=False)


def in_force() -> tuple[Route, ...]:
    """The routes."""
    found: tuple[Route, ...] = terms.in_force(KIND, parse)
    return found


def addresses(route: Route, alert: Alert) -> list[str]:
    """Where a route leads for an alert: mail addresses, or of Slack the code of the route."""
    if route.channel == SLACK:
        return [f"{SLACK}:{route.code}"]
    if route.address != OWNERS:
        return [route.address]
    if alert.cost_centre_id is None:
        return []
    owners = Grant.objects.filter(role=Grant.Role.OWNER, cost_centre=alert.cost_centre_id, user__is_active=True)
    return sorted(set(owners.exclude(user__email="").values_list("user__email", flat=True)))


def slack_url(code: str) -> str:
    """The URL of a route of Slack, from the environment. Raises RouteError."""
    route = next((one for one in in_force() if one.code == code and one.channel == SLACK), None)
    if route is None:
        raise RouteError(f"there is no route {code} any more")
    try:
        return credentials.from_environment(route.address.removeprefix(_ENV))
    except CredentialError as wrong:
        raise RouteError(str(wrong)) from None


def _entry(entry: Any, number: int) -> Route:
    if not isinstance(entry, Mapping):
        raise RouteError(f"entry {number}: is no mapping of fields")
    code = entry.get("code")
    if not isinstance(code, str) or not code.strip() or len(code) > 60:
        raise RouteError(f"entry {number}: code: a name of at most 60 characters")
    for name in entry:
        if name not in _FIELDS:
            raise RouteError(f"{code}: {str(name)[:40]}: is not known; possible: {', '.join(_FIELDS)}")
    channel, address = entry.get("channel"), entry.get("address")
    if channel not in (EMAIL, SLACK) or not isinstance(address, str):
        raise RouteError(f"{code}: channel: {EMAIL} or {SLACK}, with an address")
    severity, level, centre = entry.get("severity", SEVERITIES[0]), entry.get("level", 1), entry.get("cost_centre", "")
    if severity not in SEVERITIES:
        raise RouteError(f"{code}: severity: one of {', '.join(SEVERITIES)}")
    if type(level) is not int or not 1 <= level <= _LEVELS:
        raise RouteError(f"{code}: level: 1 to {_LEVELS}")
    if not isinstance(centre, str):
        raise RouteError(f"{code}: cost_centre: a code")
    _check(code, channel, address)
    return Route(code.strip(), channel, address, severity, level, centre)


def _check(code: str, channel: str, address: str) -> None:
    if channel == SLACK:
        if not address.startswith(_ENV):
            raise RouteError(f"{code}: address: env:NAME of the variable that holds the URL, which is a secret")
        try:
            credentials.allowed_name(address.removeprefix(_ENV))
        except CredentialError as wrong:
            raise RouteError(f"{code}: address: {wrong}") from None
        return
    if address == OWNERS:
        return
    try:
        validate_email(address)
    except ValidationError as wrong:
        raise RouteError(f"{code}: address: {'; '.join(wrong.messages)}") from None
