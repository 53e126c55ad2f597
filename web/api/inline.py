"""Serializers of answers that no model has, for the OpenAPI document."""

import copy
from typing import Any

from drf_spectacular import utils
from rest_framework import serializers


def inline_serializer(name: str, fields: dict[str, Any], **named: Any) -> serializers.Serializer[Any]:
    """As drf-spectacular's, of a field of its own for each name: one that several share keeps the last of their names."""
    own = {each: copy.deepcopy(field) for each, field in fields.items()}
    found: serializers.Serializer[Any] = utils.inline_serializer(name, own, **named)
    return found
