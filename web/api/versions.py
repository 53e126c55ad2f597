"""The parameter ``version`` of what is kept by version."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

_LARGEST = 2**31 - 1


def parameter(description: str = "By default the one in force.") -> OpenApiParameter:
    """How the API's description shows it."""
    return OpenApiParameter("version", {"type": "integer", "minimum": 1, "maximum": _LARGEST}, description=description)


def asked(request: Request) -> int | None:
    """The version that a request names; None: none. Raises ValidationError."""
    text = request.query_params.get("version")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text[:11]) <= _LARGEST):
        raise ValidationError({"version": "a whole number of at least 1"})
    return int(text)
