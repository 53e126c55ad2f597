"""When a price book brings conditions that the rate slots of facts do not know: slots are rebuilt from the facts."""

from datetime import date

import numpy as np
from django.db import transaction

from finops.tokens import ALL_INPUT_CLASSES
from ingest import facts
from ingest.calc.price_excess import FILL_ORDER
from ingest.calc.slots import conditional
from ingest.keys import Keys
from ingest.models import FactDay, RateSlot, UsageKey
from ingest.selectors import LoadedBook, price_book

_EPOCH = date(1970, 1, 1).toordinal()


def rebuild_slots() -> int:
    """Give every fact of a model with conditions the slot that the prices in force ask for; returns how many moved.

    Facts of models that lost their conditions go back to the base slot.
    """
    loaded = price_book()
    keys, models = Keys("", "", loaded), _models_with_slots(loaded)
    if not models:
        return 0
    bands = dict(RateSlot.objects.values_list("id", "context_over"))
    return sum(_rebuild_day(day, models, keys, bands) for day in FactDay.objects.values_list("charge_date", flat=True))


def _models_with_slots(loaded: LoadedBook) -> dict[int, int]:
    """Usage key id -> model index, of the keys that need slots now or whose facts may have some."""
    roles = UsageKey.objects.values_list("id", "provider", "model_served", "model_requested", "host")
    models = {key_id: loaded.book.resolve_one(*(text or None for text in role))[0] for key_id, *role in roles}
    needed = conditional(loaded.book)  # after resolving: the book knows the models that were asked for
    had_any = RateSlot.objects.exclude(context_over=0, window_start=-1, segment_from=None).exists()
    return {key_id: model for key_id, model in models.items() if had_any or (model >= 0 and needed[model])}


def _rebuild_day(day: date, models: dict[int, int], keys: Keys, bands: dict[int, int]) -> int:
    with transaction.atomic():
        facts.lock_days([day], 0)
        rows = facts.slot_events(day, list(models))
        if not rows:
            return 0
        event, key, at, requests, slot, *classes = zip(*rows, strict=True)
        micros = np.array([round(moment.timestamp() * 1e6) for moment in at], dtype=np.int64)
        count = np.array(requests, dtype=np.int64)
        stated = np.array([bands[number] for number in slot], dtype=np.int64)  # of a bucket: as its provider said
        tokens = dict(zip(ALL_INPUT_CLASSES, (np.array(values, dtype=np.int64) for values in classes), strict=True))
        sums = np.stack([tokens[name] for name in FILL_ORDER], axis=1)
        inside = np.where(count == 1, sums.sum(axis=1), np.where(stated > 0, stated + 1, 0))
        model = np.array([models[number] for number in key], dtype=np.int64)
        days = np.full(len(rows), day.toordinal() - _EPOCH, dtype=np.int64)
        wanted = keys.slots_of(model, micros, inside, days, lambda some: (sums[some], count[some]))
        moved = np.flatnonzero(wanted != np.array(slot, dtype=np.int64))
        facts.update_slots(day, [(event[row], int(wanted[row])) for row in moved])
        facts.mark_dirty([(day, int(key[row])) for row in moved])
        return len(moved)
