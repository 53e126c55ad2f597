"""The currency that a request asks for."""

from collections.abc import Mapping

from django.conf import settings
from rest_framework.exceptions import ValidationError

from finops.currencies import check_currency
from finops.money import MoneyError


def currency_of(given: Mapping[str, str]) -> str:
    """Its parameter ``currency``, by default the site's. Raises ValidationError for what is no code of ISO 4217."""
    try:
        return check_currency(given["currency"]) if "currency" in given else str(settings.REPORT_CURRENCY)
    except MoneyError as wrong:
        raise ValidationError({"currency": str(wrong)}) from None
