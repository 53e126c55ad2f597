"""What the descriptions of all lists share."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from web.api.cursors import LIMIT, LIMIT_MAX

A_MONTH = OpenApiExample("A month", parameter_only=("month", "query"), value="2026-09")
LIMIT_AND_CURSOR = (
    OpenApiParameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT}, description="Rows per page."
    ),
    OpenApiParameter(
        "cursor",
        OpenApiTypes.STR,
        description="`next` of the page before, all else unchanged. The header `Link` holds the address.",
    ),
)
