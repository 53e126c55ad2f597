"""Who acts, where a command needs a person with a role."""

from allocation.models import Grant
from web.management.base import COMMAND_LINE, RefusedHere, WrongUse


def of_finance(name: str | None) -> str:
    """The user of `--as`, whom there is, if they may act for finance. Raises WrongUse, and RefusedHere without that role."""
    if not name:
        raise WrongUse("--as USER: this is done by a person of finance; `manage.py user list` shows those there are")
    if not Grant.objects.filter(user__username=name, user__is_active=True, role=Grant.Role.FINANCE).exists():
        raise RefusedHere(f"{name} has not the role finance: `manage.py user grant {name} --role finance` gives it")
    return name


def acting(name: str | None) -> str:
    """Who puts something of money in force: whoever may run commands here, or the user of `--as`, who is of finance."""
    return COMMAND_LINE if name in (None, COMMAND_LINE) else of_finance(name)
