"""Django's session engine, with whose each session is: it can be listed, and ends with a right that was taken."""

from typing import Any, cast

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.base_session import AbstractBaseSession

LOGIN = "login"  # of the session: when, from where and how its user came (web.log_in)


class SessionStore(DatabaseStore):
    """Rows of web.models.Session."""

    @classmethod
    def get_model_class(cls) -> type[AbstractBaseSession]:
        """The model; imported when it is first needed, as Django's own."""
        from web.models import Session

        return Session

    def create_model_instance(self, data: Any) -> AbstractBaseSession:
        """The row of this session, with what makes it somebody's."""
        row = cast(Any, super().create_model_instance(data))
        row.user_id = data.get("_auth_user_id")
        login = data.get(LOGIN) or {}
        row.began_at, row.way = login.get("at"), login.get("way", "")
        row.address, row.agent = login.get("address"), login.get("agent", "")
        return cast(AbstractBaseSession, row)


def end_sessions(user: int, *, but: str | None = None) -> int:
    """End a user's sessions now, all or all but one; how many that were."""
    from web.models import Session

    rows = Session.objects.filter(user_id=user)
    ended, _ = (rows.exclude(session_key=but) if but else rows).delete()
    return ended
