"""A folder that the demo watches: a LiteLLM log that is put there is taken within minutes."""

from datetime import timedelta

from django.conf import settings

from ingest.connections import Settings, connect
from ingest.folders import sweep
from ingest.models import Connection

NAME = "gateway-drop"


def watch(account: str) -> None:
    """Make the folder and its connection, and look into it once."""
    folder = settings.DATA_DIR / "demo" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    found = Connection.objects.filter(name=NAME).first()
    if found is None:
        found = connect(
            Settings(
                NAME, "litellm", Connection.Way.FOLDER, account,
                options={"url": str(folder), "pattern": "*.jsonl*"}, every=timedelta(minutes=5),
            ),
            by=None,
        )  # fmt: skip
    sweep(found)
