"""JSON bodies of requests whose texts the database can hold."""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from finops.documents import DocumentError, check_texts


class StorableJSONParser(JSONParser):
    """Refuses NUL and halves of UTF-16 pairs, wherever they stand."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The body. Raises ParseError."""
        try:
            found = super().parse(stream, media_type, parser_context)
            check_texts(found)
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply.") from None
        except DocumentError as wrong:
            raise ParseError(f"{wrong}.") from None
        return found
