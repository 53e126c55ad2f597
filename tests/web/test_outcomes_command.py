"""``outcomes load|attest|accept``: files may be loaded again, refused rows are told with their row in the file."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from allocation.models import BenchmarkRun, Outcome
from allocation.value import outcomes, roi_benefits
from tests.web.ledger import centre, person
from web.management.base import RefusedHere, WrongUse

pytestmark = pytest.mark.django_db
HEADER = "source,id,at,success,feature\n"


def run(*arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("outcomes", *arguments, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return found


def test_a_file_is_loaded_twice_with_one_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "MAX_BATCH", 3)
    file = tmp_path / "o.csv"
    rows = [f"desk,t-{n},2026-09-08T13:00:00Z,true,chat" for n in range(7)]
    rows[4] = "desk,t-4,soon,true,chat"
    file.write_text(
        "\ufeff" + HEADER + "\n".join(rows) + "\ndesk,t-9,2026-09-08T13:00:00Z,true,chat,one more\n", encoding="utf-8"
    )
    first, again = run("load", str(file)), run("load", str(file))
    assert (first["received"], first["stored"], again["stored"], again["duplicate"]) == (8, 6, 0, 6)
    assert [(each["row"], each["reason"]) for each in first["refused"]] == [(6, "bad_time"), (9, "unknown_field")]
    assert Outcome.objects.count() == 6


def test_benchmark_runs_are_loaded(tmp_path: Path) -> None:
    file = tmp_path / "b.csv"
    file.write_text(
        "source,id,task_class,features,model,tasks,score,run_on\nb,1,coding,chat|mail,m,10,0.5,2026-08-01\n"
    )
    assert run("load", str(file), "--benchmarks")["stored"] == 1
    assert BenchmarkRun.objects.get().features == ["chat", "mail"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "its first row is the header"),
        (b"\xff\xfe", "b.csv"),
        (b"a,a\n1,2\n", "twice"),
        (b'a,b\n"1', "unexpected end"),
    ],
)
def test_a_file_that_is_none_is_wrong_use(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "b.csv"
    file.write_bytes(content)
    with pytest.raises(WrongUse, match=told):
        run("load", str(file))


def test_a_benefit_is_attested_and_accepted_by_two() -> None:
    centre("CC-100")
    person("olga", "owner", "CC-100")
    person("fin", "finance")
    roi_benefits.claim(
        {"effect": "e", "month": "2026-09", "kind": "capacity", "unit": "hours", "cost_centre": "CC-100", "baseline": "5",
         "actual": "1", "realisation": "1"}, by="ann",
    )  # fmt: skip
    with pytest.raises(RefusedHere, match="its owner attests it first"):
        run("accept", "e", "2026-09", "--as", "fin")
    with pytest.raises(WrongUse, match="no benefit e of 2026-08"):
        run("attest", "e", "2026-08", "--as", "olga")
    assert run("attest", "e", "2026-09", "--as", "olga")["state"] == "attested"
    with pytest.raises(RefusedHere):
        run("attest", "e", "2026-09", "--as", "olga")
    with pytest.raises(RefusedHere, match="has not the role finance"):
        run("accept", "e", "2026-09", "--as", "olga")
    assert run("accept", "e", "2026-09", "--as", "fin")["state"] == "accepted"
