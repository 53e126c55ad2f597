"""The form that connects a source: made from what its kind declares, so that a new kind needs no page of its own."""

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from ingest.connections import BACKFILL, Settings
from ingest.source import Source
from web.connecting import NAME

EVERY = ((15, "every 15 minutes"), (60, "every hour"), (360, "every 6 hours"), (1440, "once a day"))
_OPTION = "option_"
_LONGEST = 8_192
BILLING_ACCOUNTS = "billing_accounts"  # an option of every kind
_WITHOUT_BILLS = ("gateway", "trace", "meter")  # see calls, not who is billed for them
# A key in a field of a page: no browser is to keep, complete or check it.
_KEPT_NOWHERE = {"autocomplete": "new-password", "spellcheck": "false", "autocapitalize": "none"}


class KeyForm(forms.Form):
    """Another key for a connection."""

    secret = forms.CharField(max_length=_LONGEST, widget=forms.PasswordInput(attrs=_KEPT_NOWHERE))


class ConnectForm(forms.Form):
    """Name, key and options of one kind. What is wrong with them as a whole, ingest.connections says."""

    name = forms.RegexField(
        f"^{NAME}$", max_length=60, help_text="What you call it, as in its address: a-z, 0-9, - and _.",
        error_messages={"invalid": "Begin with a letter or digit; then a-z, 0-9, - and _."},
    )  # fmt: skip
    secret = forms.CharField(max_length=_LONGEST, required=False, widget=forms.PasswordInput(attrs=_KEPT_NOWHERE))
    base_url = forms.CharField(
        label="Address", max_length=500, required=False, widget=forms.TextInput(attrs={"inputmode": "url"})
    )
    account = forms.CharField(
        max_length=200, initial="default",
        help_text="Part of the identity of its records: two connections to the same organisation share it, two "
        "organisations must not.",
    )  # fmt: skip
    begins_on = forms.DateField(
        label="From", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="The first day that is pulled. The newest days come first.",
    )  # fmt: skip
    every = forms.TypedChoiceField(label="How often", coerce=int, choices=EVERY, initial=60)

    def __init__(self, source: Source, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.source = source
        self.fields["name"].initial = source.kind.replace("_", "-")
        self.fields["begins_on"].initial = (timezone.now() - BACKFILL).date()
        self._describe_key()
        self.fields["base_url"].initial = source.default_url
        self.fields["base_url"].required = not source.default_url
        self.fields["base_url"].help_text = (
            "The provider's own; change it only for a proxy of yours." if source.default_url
            else "Where it answers, e.g. https://litellm.example.com"
        )  # fmt: skip
        for option in source.options:
            self.fields[_OPTION + option.name] = forms.CharField(
                label=option.name.replace("_", " ").capitalize(), help_text=option.help, initial=option.default,
                required=option.required, max_length=2_000,
            )  # fmt: skip

        if source.layer in _WITHOUT_BILLS:
            self.fields[_OPTION + BILLING_ACCOUNTS] = forms.CharField(
                label="Billing accounts", required=False, max_length=2_000,
                help_text="Whose bill the calls are on, as PROVIDER=ACCOUNT,...: by it they are matched with what the "
                "provider reports, e.g. openai=org-acme.",
            )  # fmt: skip

    def _describe_key(self) -> None:
        source, field = self.source, self.fields["secret"]
        if not source.secret:
            del self.fields["secret"]
            return
        field.label = source.secret[:1].upper() + source.secret[1:]
        field.required = source.needs_secret
        field.help_text = (
            "Stored encrypted and never shown again; or write env:NAME to have it read from the environment."
        )

    @property
    def needed(self) -> list[forms.BoundField]:
        """What nobody can leave out or would not want to."""
        first = ("name", "secret", *(() if self.source.default_url else ("base_url",)))
        chosen = [self[name] for name in first if name in self.fields]
        return chosen + [self[name] for name in self.fields if name.startswith(_OPTION) and self.fields[name].required]

    @property
    def more(self) -> list[forms.BoundField]:
        """What has a good default."""
        named = {field.name for field in self.needed}
        return [self[name] for name in self.fields if name not in named]

    @property
    def more_matters(self) -> bool:
        """Whether an error hides among the defaults, or an address other than the default may be the cause of one."""
        given = self.data.get("base_url", "").strip()
        return any(field.errors for field in self.more) or given not in ("", self.source.default_url)

    def say(self, wrong: str, field: str) -> None:
        """An error of a field, by its name in ingest's Settings, or of all."""
        self.add_error(field if field in self.fields else None, wrong)

    def settings(self) -> tuple[Settings, str]:
        """What was said, and the key."""
        said = self.cleaned_data
        options = {name[len(_OPTION) :]: value for name, value in said.items() if name.startswith(_OPTION)}
        settings = Settings(
            said["name"], self.source.kind, account=said["account"], base_url=said["base_url"],
            options={name: value for name, value in options.items() if value},
            every=timedelta(minutes=said["every"]), begins_on=said["begins_on"],
        )  # fmt: skip
        return settings, said.get("secret", "")
