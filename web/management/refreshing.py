"""Commands after which figures follow."""

from allocation.derived import refresh
from allocation.failed_days import DaysFailed
from web.management.base import LedgerCommand


class RefreshingCommand(LedgerCommand):
    """Days that cannot be charged do not undo what the command does: they are told at its end, with exit code 1."""

    def refreshed(self) -> None:
        """Recompute what is marked."""
        try:
            refresh()
            self.failed = None
        except DaysFailed as failed:
            self.failed = failed
