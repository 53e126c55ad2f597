"""/api/v1/calendar: the calendar events that forecasts know of, and proposals for others."""

from typing import Any

from forecasting import calendar
from web import approving
from web.api import documents
from web.api.permissions import ProposesCalendar


class _EventsView(documents.DocumentView):
    """Everybody reads why a forecast dips; analyst and finance propose."""

    permission_classes = [ProposesCalendar]
    ask = staticmethod(approving.propose_document)


CalendarView: Any = documents.view(_EventsView, calendar.KIND, "Calendar events", tag="forecasts")
