"""Tasks of the kernel."""

from finops.celery import app
from finops.models import SiteMark

WORKER = "worker"  # the mark whose time says when a worker last ran a task


@app.task(name="finops.heartbeat")
def heartbeat() -> None:
    """Say that scheduler, broker and a worker run: pages compare the mark's time with now."""
    SiteMark.objects.update_or_create(name=WORKER)
