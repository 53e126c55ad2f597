"""Under which names a month is reconciled: providers, accounts and models, and the usage keys behind them."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from allocation.calc.layers import WITNESSES
from allocation.layering import Names
from ingest.selectors import price_book

Place = tuple[str, str]  # provider, account


class Naming:
    """Provider, account and model of usage keys, as all levels call them; and the keys behind them."""

    def __init__(self, keys: Mapping[int, Mapping[str, Any]]) -> None:
        self.loaded = price_book()
        self.dimensions = {key: dict(found) for key, found in keys.items()}
        self._names = Names(self.dimensions, self.loaded.book)
        self._models: dict[tuple[str, str], str] = {}
        accounts: dict[tuple[str, str], set[str]] = defaultdict(set)
        for key, found in sorted(self.dimensions.items()):
            group, provider = self._names.place(key)
            accounts[group, provider].add(found["billing_account"])
            model, text = self._names.model(key), found["model_served"] or found["model_requested"]
            known = self._models.get((provider, model), text)
            self._models[provider, model] = min(known, text, key=lambda name: (len(name), name))
        self._accounts = {
            place: next(iter(known - {""})) if len(known - {""}) == 1 else place[0] for place, known in accounts.items()
        }
        self.keys_of: dict[tuple[Place, str], list[int]] = defaultdict(list)  # (place, layer) -> keys
        self.sample: dict[tuple[str, str], int] = {}  # (provider, model) -> a key
        for key, found in sorted(self.dimensions.items()):
            self.keys_of[self.place(key), found["layer"]].append(key)
            if self.model(key):
                self.sample.setdefault((self.place(key)[0], self.model(key)), key)

    def place(self, key: int) -> Place:
        """(provider, billing account; '' where several are joined because one does not say which)."""
        group, provider = self._names.place(key)
        return provider, self._accounts[group, provider]

    def model(self, key: int) -> str:
        """As the shortest of its spellings; '' where the key does not say."""
        provider, model = self._names.place(key)[1], self._names.model(key)
        return self._models[provider, model] if model else ""

    def index(self, provider: str, model: str) -> int:
        """Model index in the price book; -1: it knows none."""
        found = self.dimensions.get(self.sample.get((provider, model), 0))
        if found is None:
            return -1
        number, _ = self.loaded.book.resolve_one(
            found["provider"] or None, found["model_served"] or None, found["model_requested"] or None,
            found["host"] or None,
        )  # fmt: skip
        return int(number)


def witnesses(naming: Naming, place: Place, level: str) -> list[int]:
    """The usage keys whose facts are behind a level of an account: the gateway's, or the provider's usage."""
    layers = WITNESSES if level == "computed" else ("provider_usage",)
    found = [key for layer in layers for key in naming.keys_of[place, layer]]
    return found or [key for layer in ("provider_usage", *WITNESSES) for key in naming.keys_of[place, layer]]
