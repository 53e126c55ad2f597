"""Tasks of web."""

from finops.celery import app
from web import idempotency, verified


@app.task(name="web.prune")
def prune() -> None:
    """Forget idempotency keys after a day."""
    idempotency.prune()


@app.task(name="web.verify")
def verify() -> None:
    """Check the invariants when somebody asked for it, or once a day."""
    verified.check_if_due()
