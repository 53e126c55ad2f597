"""A worker that could not acknowledge a message goes on: kombu would count it against the prefetch limit for ever.

When the broker is away at the moment a task ends, the acknowledgement is lost and, with one message at a time, nothing
more is ever fetched, although the worker looks alive. Here the message is forgotten on this side; the broker delivers it
again later, or has lost it, and tasks bear both.

No setting does this. ``task_acks_late=False`` acknowledges when a task begins: the next message waits inside the worker
for its turn by then, fills the limit, so that nothing is asked of the broker that would notice the loss, and its
acknowledgement fails likewise. A queue with ``no_ack`` has no limit at all: one worker takes every message there is.
"""

from collections.abc import Callable
from typing import Any

from celery import Celery


def forget_what_cannot_be_acknowledged(app: Celery) -> None:
    """Call once, before a worker consumes."""
    transport: Any = app.connection_for_read().get_transport_cls()
    channel = transport.Channel
    if not hasattr(channel, "qos") or getattr(channel.basic_ack, "forgets", False):
        return
    channel.basic_ack = _forgetting(channel.basic_ack)


def _forgetting(acknowledge: Callable[..., Any]) -> Callable[..., Any]:
    def basic_ack(self: Any, delivery_tag: Any, multiple: bool = False) -> Any:
        try:
            return acknowledge(self, delivery_tag, multiple)
        except Exception:
            self.qos._quick_ack(delivery_tag)
            raise

    basic_ack.forgets = True  # type: ignore[attr-defined]
    return basic_ack
