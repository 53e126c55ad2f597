"""Names as they are kept: what a person reads is what is compared."""

import json

import pytest

from ingest.calc.identity import canonical_tags, clean

DIRECTIONS = [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C]


@pytest.mark.parametrize("mark", [chr(code) for code in DIRECTIONS], ids=[f"U+{code:04X}" for code in DIRECTIONS])
def test_a_mark_that_turns_text_round_is_not_part_of_a_name(mark: str) -> None:
    assert clean(f"CC-{mark}100{mark}") == "CC-100"
    tags, _ = canonical_tags({"team": f"{mark}search"}, frozenset({"team"}))
    assert json.loads(tags or "") == {"team": "search"}


def test_letters_of_any_script_and_joiners_stay() -> None:
    for name in (
        "\u05de\u05d7\u05e7\u05e8",
        "\u0628\u062d\u062b",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u7814\u7a76",
        "caf\u00e9",
        "\U0001f469\u200d\U0001f4bb",
    ):
        assert clean(name) == name
