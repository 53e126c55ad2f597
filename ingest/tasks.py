"""Tasks of ingest."""

from finops.celery import app
from ingest import runs


@app.task(name="ingest.reap")
def reap() -> None:
    """End runs whose process has died."""
    runs.reap()
