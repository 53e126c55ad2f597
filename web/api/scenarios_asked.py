"""What requests about scenarios ask for, and how what is wrong with them is told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request

from finops.documents import DocumentError, read_yaml
from finops.periods import Period, PeriodError
from forecasting import scenarios
from forecasting.calc.scenario_origin import ScenarioError
from forecasting.scenarios_origin import NoMonth
from forecasting.scenarios_selectors import NoScenario
from web.api.posting import Conflict

FoundT = TypeVar("FoundT")


@dataclass(frozen=True)
class Numbers:
    """Whole numbers of a request."""

    given: dict[str, Any]

    def get(self, name: str, default: int) -> int:
        """Raises ValidationError."""
        value = self.given.get(name, default)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 18:
            value = int(value)
        if type(value) is not int:
            raise ValidationError({name: "a whole number"})
        return value


def told(work: Callable[[], FoundT]) -> FoundT:
    """What a request asks for; what is wrong with it as a problem that names the field."""
    try:
        return work()
    except NoScenario as none:
        raise NotFound(str(none)) from None
    except NoMonth as none:
        raise Conflict(f"{none}.") from None
    except ScenarioError as wrong:
        raise ValidationError({"detail": f"{wrong}."}) from None


def document(request: Request) -> Any:
    """The document of a body: an object, or YAML text. Raises ValidationError."""
    given = _body(request)
    if set(given) - {"document", "shared"} or "document" not in given:
        raise ValidationError({"document": "the body is an object with document, and shared where that is meant"})
    if not isinstance(given["document"], str):
        return given["document"]
    try:
        return read_yaml(given["document"])
    except (DocumentError, RecursionError) as wrong:
        raise ValidationError({"document": str(wrong)}) from None


def shared(request: Request) -> bool | None:
    """Whether others are to see it; None: it is not said. Raises ValidationError."""
    found = _body(request).get("shared")
    if found is not None and not isinstance(found, bool):
        raise ValidationError({"shared": "true or false"})
    return found


def asked(given: dict[str, Any]) -> scenarios.Asked:
    """How to run: month, seed and draws. Raises ValidationError."""
    numbers, month = Numbers(given), given.get("month")
    try:
        period = None if month is None else Period.month(str(month))
    except PeriodError as wrong:
        raise ValidationError({"month": str(wrong)}) from None
    return scenarios.Asked(period, numbers.get("seed", scenarios.SEED), numbers.get("draws", scenarios.DRAWS))


def _body(request: Request) -> dict[str, Any]:
    return request.data if isinstance(request.data, dict) else {}
