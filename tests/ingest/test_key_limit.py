"""Usage keys: a dimension that varies with every call does not make a key of every call."""

from pathlib import Path

import pytest
from django.conf import LazySettings

from ingest.models import UsageKey
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

pytestmark = pytest.mark.usefixtures("ledger")


def test_beyond_the_days_limit_the_most_varied_dimension_becomes_many_and_nothing_is_lost(
    tmp_path: Path, settings: LazySettings
) -> None:
    settings.NEW_KEYS_PER_DAY = 10
    few = [payload(n, key="key-1", model=("gpt-5", "gpt-4o")[n % 2]) for n in range(4)]
    many = [payload(100 + n, key=f"request-{n}", model=("gpt-5", "gpt-4o")[n % 2]) for n in range(50)]
    ingest_file(Import(write_lines(tmp_path / "few.jsonl", few), "litellm"))
    run = ingest_file(Import(write_lines(tmp_path / "many.jsonl", many), "litellm"))
    assert run.stored == 50
    assert UsageKey.objects.count() == 4
    assert set(UsageKey.objects.values_list("api_key", "model_served")) == {
        ("key-1", "gpt-5"), ("key-1", "gpt-4o"), ("(many)", "gpt-5"), ("(many)", "gpt-4o"),
    }  # fmt: skip
    assert run.notes["folded_keys"] == 50
