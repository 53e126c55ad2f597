"""The demo's deliveries: each closed month's workbook goes into a folder beside the demo's database."""

from django.conf import settings

from web import approving, delivery, delivery_plan, delivery_runs
from web.demo.agreements import APPROVER, PREPARER
from web.demo.window import Window


def load(window: Window) -> None:
    """Agree on the plan, and deliver the newest closed month by it."""
    if not delivery_plan.in_force():
        folder = settings.DATA_DIR / "demo-deliveries"
        entry = {
            "code": "example-books", "working_day": 12, "files": ["workbook"], "stage": "final", "channel": "folder",
            "address": str(folder),
        }  # fmt: skip
        asked = approving.propose_document(delivery_plan.KIND, [entry], by=PREPARER)
        approving.decide(asked, by=APPROVER, accept=True, reason="example: the folder that the books are made from")
    (plan,) = delivery_plan.in_force()
    closed = [month for month in window.months()[:-1] if plan.day(month) < window.now.date()]
    for made in delivery_runs.make(plan, closed[-1]) if closed else ():
        delivery.send(made)
