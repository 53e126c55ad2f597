"""Celery: the app and the clock. Tasks hold no state; they read it from the database and may run twice.

Beat only ticks: whether there is work, and whether somebody else does it already, each task finds out by itself.
"""

from celery import Celery
from django.conf import settings

from finops import broker
from finops.deliveries import forget_what_cannot_be_acknowledged

TICK_SECONDS, HEARTBEAT_SECONDS, REAP_SECONDS, SYNC_SECONDS = 10, 20, 60, 30
PRUNE_SECONDS, AGENTS_SECONDS = 3_600, 300
WATCH_SECONDS = 300

app = Celery("finops")
app.conf.update(
    broker_url=broker.url(),
    broker_transport_options=broker.transport_options(),
    broker_connection_retry_on_startup=True,
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_default_queue="finops",
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,  # pgmq's queue names are too short for it
    worker_hijack_root_logger=False,
    timezone="UTC",
    imports=["finops.tasks", "ingest.tasks", "allocation.tasks", "forecasting.tasks", "web.tasks"],
    beat_schedule_filename=str(settings.DATA_DIR / "beat-schedule"),
    # A tick that nobody took in time is dropped: the next one does the same.
    beat_schedule={
        name: {"task": name, "schedule": seconds, "options": {"expires": seconds}}
        for name, seconds in {
            "finops.heartbeat": HEARTBEAT_SECONDS,
            "allocation.refresh": TICK_SECONDS,
            "ingest.reap": REAP_SECONDS,
            "ingest.sync_due": SYNC_SECONDS,
            "web.verify": SYNC_SECONDS,
            "web.deliver": REAP_SECONDS,
            "web.build_exports": TICK_SECONDS,
            "web.prune": PRUNE_SECONDS,
            "allocation.accept_in_silence": PRUNE_SECONDS,
            "allocation.learn": PRUNE_SECONDS,
            "allocation.agents": AGENTS_SECONDS,
            "forecasting.forecast": PRUNE_SECONDS,
            "forecasting.watch": WATCH_SECONDS,
            "forecasting.anomalies": PRUNE_SECONDS,
        }.items()
    },
)
forget_what_cannot_be_acknowledged(app)
