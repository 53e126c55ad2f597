"""How sources are described in the OpenAPI document, and what is accepted of them."""

from typing import Any

from rest_framework import serializers

from ingest.models import Connection
from web.api.inline import inline_serializer
from web.connecting import NAME

_NAME = f"^{NAME}$"
_KEY_HELP = "Written only; or env:NAME, to have it read from the environment."

_KEY: dict[str, Any] = {
    "last_four": serializers.CharField(allow_blank=True),
    "fingerprint": serializers.CharField(allow_blank=True, help_text="Of its SHA-256, to tell keys apart."),
    "reference": serializers.CharField(allow_blank=True, help_text="env:NAME, where it is not stored."),
    "version": serializers.IntegerField(),
    "last_used_at": serializers.DateTimeField(allow_null=True),
}
_FIELDS: dict[str, Any] = {
    "name": serializers.CharField(help_text="Of the connection; its kind where the way is `file`, without one."),
    "kind": serializers.CharField(),
    "layer": serializers.CharField(allow_blank=True, help_text="Where its figures stand in the layers of truth."),
    "way": serializers.ChoiceField(["file", *Connection.Way.values]),
    "account": serializers.CharField(),
    "state": serializers.CharField(help_text="ok, late, failing, disabled or never (pulled)."),
    "running": serializers.BooleanField(help_text="A worker is pulling it."),
    "last_ok_at": serializers.DateTimeField(
        allow_null=True, help_text="Of files and pushes: the last finished import."
    ),
    "last_tried_at": serializers.DateTimeField(allow_null=True),
    "next_due_at": serializers.DateTimeField(allow_null=True, help_text="Null: at once, or never."),
    "last_error": serializers.CharField(allow_blank=True),
    "failures": serializers.IntegerField(help_text="In a row."),
    "complete_until": serializers.DateTimeField(allow_null=True, help_text="Up to when every stream is known."),
    "complete_days": serializers.IntegerField(help_text="Since its beginning, up to yesterday."),
    "days": serializers.IntegerField(help_text="All days since its beginning, up to yesterday."),
    "records_7d": serializers.IntegerField(help_text="Stored or changed within 7 days."),
    "begins_on": serializers.DateField(allow_null=True),
    "every": serializers.IntegerField(allow_null=True, help_text="Minutes between two pulls."),
    "base_url": serializers.CharField(allow_blank=True),
    "options": serializers.DictField(child=serializers.CharField()),
    "key": inline_serializer("SourceKey", _KEY, allow_null=True),
}
SOURCE: type[serializers.Serializer[Any]] = type("Source", (serializers.Serializer,), _FIELDS)  # one class, many uses


class NewSource(serializers.Serializer[Any]):
    """A connection to make."""

    name = serializers.RegexField(_NAME, help_text="a-z, 0-9, - and _, beginning with a letter or digit.")
    kind = serializers.CharField(max_length=40, help_text="A kind that is pulled.")
    key = serializers.CharField(write_only=True, required=False, max_length=8_192, help_text=_KEY_HELP)
    account = serializers.CharField(default="default", max_length=200)
    base_url = serializers.CharField(default="", max_length=500, allow_blank=True)
    options = serializers.DictField(child=serializers.CharField(max_length=2_000, allow_blank=True), default=dict)
    every = serializers.IntegerField(default=60, min_value=1, max_value=43_200, help_text="Minutes.")
    begins_on = serializers.DateField(required=False, help_text="The first day; without it 30 days ago.")
    untried = serializers.BooleanField(default=False, help_text="Save it without asking the source first.")


class ChangedSource(serializers.Serializer[Any]):
    """What may change of a connection."""

    enabled = serializers.BooleanField(required=False)
    key = serializers.CharField(write_only=True, required=False, max_length=8_192, help_text=_KEY_HELP)
    every = serializers.IntegerField(required=False, min_value=1, max_value=43_200, help_text="Minutes.")
