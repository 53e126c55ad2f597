"""``prices``: load, diff, pending, approve, reject, history on the command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from finops.models import AuditEvent
from ingest.models import HeldPrice, PriceBookVersion
from tests.web.ledger import person

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture(autouse=True)
def own_prices_only(ledger: None) -> Iterator[None]:
    PriceBookVersion.objects.update(live=False)
    yield
    HeldPrice.objects.all().delete()
    PriceBookVersion.objects.exclude(book="builtin").delete()
    PriceBookVersion.objects.update(live=True)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """LiteLLM's catalogue of two days: one price slips by a decimal place, one doubles, one goes."""
    found = []
    for name, rates in {"one": {"a": 1.0, "b": 1.0, "c": 1.0}, "two": {"a": 10.0, "b": 2.0, "d": 4.0}}.items():
        entries = {
            model: {"litellm_provider": "selfhosted", "input_cost_per_token": rate / 1e6, "odd_cost": 3}
            for model, rate in rates.items()
        }
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(entries))
        found.append(path)
    return found[0], found[1]


def run(capsys: Any, *arguments: Any) -> tuple[dict[str, Any], str]:
    call_command("prices", *map(str, arguments), "--json")
    *lines, last = capsys.readouterr().out.strip().splitlines()
    return json.loads(last), "\n".join(lines)


def test_a_catalogue_is_loaded_compared_and_its_jump_approved_by_another_person(files: Any, capsys: Any) -> None:
    first, second = files
    person("ann", "finance")
    person("bob", "finance")
    found, text = run(capsys, "load", first, "--date", "2026-01-01", "--as", "ann")
    assert (found["book"], found["prices"], found["held"]) == ("snapshot", 3, [])
    assert "not expressed: selfhosted a: odd_cost: no price row can say this" in text
    assert len(found["left_out"]) == 3
    compared, text = run(capsys, "diff", second, "--date", "2026-02-01")
    assert compared["changes"] == {"added": 1, "removed": 1, "changed": 2, "reported": 1, "held": 1}
    assert "10x more, a slip of units? (x10: a decimal place)" in text
    loaded, _ = run(capsys, "load", second, "--date", "2026-02-01", "--as", "ann")
    assert [(price["model"], price["factor"]) for price in loaded["held"]] == [("a", "10")]
    assert [(price["model"], price["factor"]) for price in loaded["reported"]] == [("b", "2")]
    waiting, text = run(capsys, "pending")
    (asked,) = waiting["pending"]
    assert f"{asked['id']}: snapshot selfhosted a, loaded by ann" in text
    with pytest.raises(CommandError, match="ann prepared this") as refused:
        call_command("prices", "approve", str(asked["id"]), "--as", "ann")
    assert refused.value.returncode == 3
    decided, _ = run(capsys, "approve", asked["id"], "--as", "bob")
    assert decided["state"] == "accepted"
    assert AuditEvent.objects.get(action="price.approve").actor == "bob"
    rows, text = run(capsys, "history", "selfhosted", "a")
    assert [(row["rate"][:2], row["in_force"]) for row in rows["prices"] if row["live"]] == [
        ("1.", False),
        ("10", True),
    ]
    assert "2026-02-01" in text
    assert run(capsys, "pending")[0] == {"pending": []}


def test_the_last_load_can_be_looked_at_again(files: Any, capsys: Any) -> None:
    run(capsys, "load", files[0], "--date", "2026-01-01")
    run(capsys, "load", files[1], "--date", "2026-02-01")
    found, _ = run(capsys, "diff")
    told = {price["model"]: (price["change"], price["factor"]) for price in found["prices"]}
    assert told == {"b": ("changed", "2"), "c": ("removed", None), "d": ("added", None)}


def test_a_rejected_change_leaves_the_former_price(files: Any, capsys: Any) -> None:
    person("bob", "finance")
    run(capsys, "load", files[0], "--date", "2026-01-01")
    run(capsys, "load", files[1], "--date", "2026-02-01")
    asked = run(capsys, "pending")[0]["pending"][0]["id"]
    run(capsys, "reject", asked, "--as", "bob", "--reason", "a slip")
    live = [row for row in run(capsys, "history", "selfhosted", "a")[0]["prices"] if row["live"]]
    assert [row["rate"][:2] for row in live] == ["1."]


def test_a_dry_run_leaves_nothing(files: Any, capsys: Any) -> None:
    found, _ = run(capsys, "load", files[0], "--dry-run")
    assert (found["prices"], found["changes"]["added"]) == (0, 0)
    assert not PriceBookVersion.objects.filter(book="snapshot").exists()


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["approve", "1", "--as", "nobody"], "there is no user nobody", 2),
        (["approve", "1", "--as", "eve"], "eve has not the role finance", 3),
        (["reject", "999999", "--as", "bob"], "there is no price change 999999", 3),
        (
            ["load", "FILE", "--format", "llm-prices"],
            "one.json: this is not the history of llm-prices: there is no column",
            2,
        ),
        (["load", "FILE", "--date", "soon"], "'soon' is no day", 2),
        (["diff", "nowhere.json"], "there is no file", 2),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(files: Any, arguments: list[str], message: str, code: int) -> None:
    person("eve", "analyst")
    person("bob", "finance")
    with pytest.raises(CommandError, match=message) as caught:
        call_command("prices", *[str(files[0]) if argument == "FILE" else argument for argument in arguments])
    assert caught.value.returncode == code
