"""How layers of truth were reconciled: kept for days on which several speak of the same account, or a bill does."""

from django.db import models
from django.db.models import CompositePrimaryKey

from allocation.models.cube import CubeKey
from finops.domains import MoneyField, QuantityField


class LayerDay(models.Model):
    """One day whose charges depend on several layers. Unique by date; replaced whenever the day is derived.

    ``whole``: which sources stated the day whole when it was charged (see allocation.completeness). When that changes
    the day is derived again, though none of its facts did.
    """

    charge_date = models.DateField(primary_key=True)
    whole = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.charge_date}"


class LayerShare(CubeKey):
    """A part of one rating that is not simply charged. Unique by the rating's key, ``part`` and ``cause``.

    A rating without shares is charged in full. Otherwise its parts other than below_exceeds sum to its quantity, and
    charged and below_exceeds are what is charged. ``price_class`` is also ``requests`` or ``queries``: counts of the
    cube. Derived with its day.
    """

    class Part(models.TextChoices):
        """What became of it; the parts by_* are what another layer charges for the same calls."""

        CHARGED = "charged"
        BY_ID = "by_id", "the same call by the provider's id"
        BY_HOUR = "by_hour", "the same account, model, class and hour"
        BY_DAY = "by_day", "of a provider's bucket: explained by calls of lower layers"
        BELOW_EXCEEDS = "below_exceeds", "negative: lower layers say more than the provider"

    pk = CompositePrimaryKey(
        "charge_date", "usage_key_id", "tier", "tier_estimated", "rate_slot_id", "price_class", "part", "cause"
    )
    price_class = models.CharField(max_length=30)
    part = models.CharField(max_length=14, choices=Part.choices)
    cause = models.CharField(max_length=24, blank=True)
    quantity = QuantityField()
    list_cost = MoneyField(null=True)

    class Meta:
        db_table = "layer_share"

    def __str__(self) -> str:
        return f"{self.charge_date} {self.usage_key_id} {self.price_class} {self.part} {self.quantity}"


class LateMatch(models.Model):
    """A traced call whose gateway fact lies on the day before or after. Unique by (charge_date, event_id).

    Kept so that a change of one of the two days derives the other again.
    """

    pk = CompositePrimaryKey("charge_date", "event_id")
    charge_date = models.DateField(help_text="Of the traced call.")
    event_id = models.UUIDField()
    gateway_date = models.DateField()

    class Meta:
        db_table = "layer_late_match"

    def __str__(self) -> str:
        return f"{self.charge_date} {self.event_id}"
