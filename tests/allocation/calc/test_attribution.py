"""Mappings: an admin's word on what usage is for comes before a caller's."""

from datetime import date

import pytest
import yaml

from allocation.calc.attribution import attribute, parse_mappings, provenance
from allocation.calc.rules import RuleError

KEY = {"api_key": "key_ci7", "environment": "prod", "feature": "chat", "tags": {"env": "prod", "team": "search"}}
CI = "- {id: m1, when: {api_key: 'key_ci*'}, set: {environment: test, tag.team: platform}, valid_from: 2026-09-01}"


def test_a_mapping_sets_a_field_whatever_the_caller_stated_from_its_first_day_on() -> None:
    mappings = parse_mappings(yaml.safe_load(CI))
    seen = attribute({1: KEY}, mappings, date(2026, 9, 1))
    assert seen.dimensions[1] == {**KEY, "environment": "test", "tags": {"env": "prod", "team": "platform"}}
    assert attribute({1: KEY}, mappings, date(2026, 8, 31)).dimensions == {1: KEY}
    assert KEY["environment"] == "prod", "the key itself is not touched"


def test_a_mapping_looks_at_what_the_source_states_never_at_what_another_mapping_sets() -> None:
    text = CI + "\n- {id: m2, when: {environment: test}, set: {feature: tests}}"
    assert (
        attribute({1: KEY}, parse_mappings(yaml.safe_load(text)), date(2026, 9, 1)).dimensions[1]["feature"] == "chat"
    )


def test_every_field_says_by_whose_word_it_is_what_it_is() -> None:
    mapped = {"tag.team": "m1"}
    assert provenance(KEY, mapped, "tag.team") == "mapped"
    assert provenance(KEY, {}, "tag.team") == "caller"
    assert provenance(KEY, {}, "environment") == "caller"  # the tag env says the same
    assert provenance(KEY, {}, "feature") == "source"
    assert provenance({"tags": {}}, {}, "feature") == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1", "list of mappings"),
        ("- {when: {project: p}, set: {feature: x}}", "mapping 1: needs an id"),
        ("- {id: m, when: {project: p}, set: {}}", "m: set must name"),
        ("- {id: m, when: {project: p}, set: {provider: x}}", "m: set.provider"),
        ("- {id: m, when: {project: p}, set: {feature: ''}}", "m: set.feature: '' is not a value"),
        ("- {id: m, when: {colour: p}, set: {feature: x}}", "m: unknown dimension 'colour'"),
        ("- {id: m, when: {project: p}, set: {feature: x}, to: y}", "m: unknown field to"),
        (
            "- {id: m, when: {project: p}, set: {feature: x}, valid_from: 2026-09-02, valid_to: 2026-09-01}",
            "m: valid_to",
        ),
        ("- {id: m, when: {project: p}, set: {feature: x}}\n- {id: m, when: {project: p}, set: {feature: x}}", "twice"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_named_with_its_field(text: str, message: str) -> None:
    with pytest.raises(RuleError, match=message):
        parse_mappings(yaml.safe_load(text))
