"""Tasks of web."""

from finops.celery import app
from web import (
    built_files,
    delivery,
    delivery_runs,
    export_building,
    idempotency,
    verified,
    watch_sending,
    webhook_sending,
)
from web.sessions import SessionStore


@app.task(name="web.prune")
def prune() -> None:
    """Forget idempotency keys after a day, files that were asked for and sessions when their time is over."""
    idempotency.prune()
    export_building.remove_expired()
    SessionStore.clear_expired()


@app.task(name="web.build_exports")
def build_exports() -> None:
    """Build the files that somebody asked the API for."""
    export_building.build_waiting()


@app.task(name="web.verify")
def verify() -> None:
    """Check the invariants when somebody asked for it, or once a day."""
    verified.check_if_due()


@app.task(name="web.build_workbook")
def build_workbook(number: int) -> None:
    """Build a workbook that somebody asked for (web.built_files.ask); how far it is stands in its row."""
    built_files.build(number)


@app.task(name="web.deliver")
def deliver() -> None:
    """Build what is due, and send what waits for its next try."""
    delivery_runs.make_due()
    webhook_sending.emit()
    watch_sending.emit()
    delivery.send_due()
