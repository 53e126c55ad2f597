"""What the body of a request says, field by field."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request


def given_in(shape: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The body by its fields; what would be ignored is refused. Raises ValidationError."""
    given = request.data
    if not isinstance(given, dict):
        raise ValidationError({"detail": "The body is a JSON object."})
    said = shape(data=given)
    known_fields(given, said.fields)
    said.is_valid(raise_exception=True)
    return dict(said.validated_data)


def known_fields(given: Any, fields: Mapping[str, Any]) -> None:
    """Raise ValidationError for the first name in an object that is no field."""
    if isinstance(given, dict) and (stray := sorted(str(name)[:60] for name in given if name not in fields)):
        raise ValidationError({stray[0]: f"no such field; possible: {', '.join(fields) or 'none'}"})
