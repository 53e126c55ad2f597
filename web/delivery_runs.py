"""What is due by the plan is built and given to ``web.delivery``; and what is issued goes to whom the policy names."""

from datetime import date, datetime, timedelta

from django.db.models import Max
from django.utils import timezone

from allocation import selectors
from allocation.calc.closing import FROZEN
from allocation.close import statement_views, statements
from allocation.close.periods import state_of
from allocation.models import BillingPeriod, Statement
from allocation.scope import EVERYTHING
from finops.locks import try_lock
from finops.periods import Period
from web import built_files, notices, statement_sheet
from web.delivery import DeliveryError, Payload, builds, deliver, sends
from web.delivery_plan import WORKBOOK, Planned, in_force
from web.downloads import XLSX
from web.exports.files import safe_part
from web.models import BuiltFile, Delivery
from web.paper import statement as paper

Stage = Delivery.Stage
STATEMENT, NOTICE = "statement", "notice"
_LOCK = 0x44454C56  # "DELV": one maker of deliveries at a time
_CATCH_UP = timedelta(days=45)  # how late a site that did not run still delivers
_NOTICE_UNTIL = timedelta(days=30)


def make_due(now: datetime | None = None) -> list[Delivery]:
    """Write down, and build, all that the plan and the statement policy say is due by now; what was is left alone."""
    moment = now or timezone.now()
    with try_lock(_LOCK) as mine:
        if not mine:
            return []
        made = [each for one in in_force() for month in _months(one, moment.date()) for each in make(one, month)]
        return made + _notices(moment)


def make(one: Planned, month: Period, *, again: bool = False) -> list[Delivery]:
    """The deliveries of one entry for a month that has cost, if its books are that far. ``again``: another number of what was."""
    stage = _stage(month)
    if stage is None or (not again and stage != one.stage) or str(month) not in selectors.months(EVERYTHING):
        return []
    occasion = f"{one.code}:{month}:{stage}:v{_version(month)}"
    if again:
        tries = Delivery.objects.filter(occasion__startswith=occasion).values("occasion").distinct().count()
        occasion = f"{occasion}:{tries + 1}" if tries else occasion
    elif Delivery.objects.filter(occasion=occasion).exists():
        return []
    made = []
    for file in one.files:
        made += _workbook(one, month, stage, occasion) if file == WORKBOOK else _statements(one, month, stage, occasion)
    return made


def _months(one: Planned, today: date) -> list[Period]:
    """The months whose working day has come, not longer ago than a site catches up."""
    month, found = Period.month_of(today).previous(), []
    while today - month.end <= _CATCH_UP:
        if one.day(month) <= today:
            found.append(month)
        month = month.previous()
    return found[::-1]


def _stage(month: Period) -> str | None:
    """Final once the month is closed, preliminary while its figures may change; in between neither."""
    state = state_of(month.start)
    if state == BillingPeriod.State.CLOSED:
        return Stage.FINAL.value
    return None if state in FROZEN else Stage.PRELIMINARY.value


def _version(month: Period) -> int:
    return BillingPeriod.objects.filter(month=month.start).values_list("version", flat=True).first() or 1


def _workbook(one: Planned, month: Period, stage: str, occasion: str) -> list[Delivery]:
    subject = f"{month}{f' {one.cost_centre}' if one.cost_centre else ''}"
    number = _next(WORKBOOK, subject, stage)
    part = f"_{safe_part(one.cost_centre)}" if one.cost_centre else ""
    name = f"statement_{month}{part}_{stage}-{number}.xlsx"
    file = built_files.ask(month, by=_by(one), cost_centre=one.cost_centre, name=name)
    built_files.build(file.pk)
    more = {"month": month.start, "stage": stage, "number": number, "file": file}
    return [deliver(WORKBOOK, subject, one.channel, one.address, occasion=occasion, **more)]


def _statements(one: Planned, month: Period, stage: str, occasion: str) -> list[Delivery]:
    """A PDF per statement, as it reads now: drafts of a month that is open."""
    if stage == Stage.PRELIMINARY:
        statements.draft(month)
    made = []
    for statement in statement_views.of(month, EVERYTHING):
        code = statement.cost_centre.code
        if one.cost_centre not in ("", code):
            continue
        subject = f"{month} {code} {statement.currency}"
        number, sheet = _next(STATEMENT, subject, stage), statement_sheet.read(statement)
        name = f"{sheet.file_name}_{stage}-{number}.pdf"
        file = built_files.keep(STATEMENT, name, month, paper.pdf(sheet), by=_by(one), cost_centre=code)
        more = {"month": month.start, "stage": stage, "number": number, "file": file}
        made.append(deliver(STATEMENT, subject, one.channel, one.address, occasion=occasion, **more))
    return made


def _by(one: Planned) -> str:
    return f"deliveries: {one.code}"


def _next(kind: str, subject: str, stage: str) -> int:
    rows = Delivery.objects.filter(kind=kind, subject=subject, stage=stage)
    return 1 + (rows.aggregate(n=Max("number"))["n"] or 0)


def _notices(now: datetime) -> list[Delivery]:
    """Statements that were issued lately, to whom the policy sends them; each target once."""
    issued = Statement.objects.filter(issued_at__gte=now - _NOTICE_UNTIL).exclude(state=Statement.State.DRAFT)
    known = set(Delivery.objects.filter(kind=NOTICE).values_list("subject", "channel", "address"))
    return [
        deliver(NOTICE, str(row.pk), target.channel, target.address, occasion=f"issued:{row.pk}", month=row.month)
        for row in issued.select_related("cost_centre").order_by("pk")
        for target in notices.targets(row)
        if (str(row.pk), target.channel, target.address) not in known
    ]


@builds(WORKBOOK)
@builds(STATEMENT)
def _file(delivery: Delivery) -> Payload:
    """The bytes that were built for it, each time the same."""
    file = delivery.file
    if file is None or file.state != BuiltFile.State.DONE or file.content is None:
        raise DeliveryError(f"the {delivery.kind} is not built")
    what = f"{delivery.kind.capitalize()} {delivery.subject}, {delivery.stage}, number {delivery.number}"
    kind = XLSX if delivery.kind == WORKBOOK else built_files.PDF
    return Payload(file.name, bytes(file.content), kind, what, f"{what}.\nSHA-256 {file.sha256}\n")


@sends(NOTICE)
def _notice(delivery: Delivery, now: datetime) -> None:
    try:
        notices.send(_statement(delivery), notices.Target(delivery.channel, delivery.address), now)
    except notices.NoticeError as error:
        raise DeliveryError(str(error)) from error


def _statement(delivery: Delivery) -> Statement:
    found = Statement.objects.select_related("cost_centre").filter(pk=int(delivery.subject)).first()
    if found is None:
        raise DeliveryError("the statement is gone: it was a draft")
    return found
