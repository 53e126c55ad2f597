"""The page Allocation: what each rule caught, what nobody owns, and a rule for it with one click."""

from decimal import Decimal
from pathlib import Path

import pytest

from allocation import rule_changes, rulebook
from allocation.derived import refresh
from finops.models import Approval, User
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.web.money_pages import BLIND, READERS, client_of, page, row, text
from web import approving
from web.formats import MINUS

pytestmark = pytest.mark.usefixtures("ledger")
PATH = "/allocation/?month=2026-09"
RULES = [
    {"id": "r1", "priority": 1, "when": {"tag.team": "sear*"}, "to": {"cost_centre": "CC-100"}},
    {"id": "r2", "priority": 2, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-200"}},
    {"id": "r3", "priority": 3, "when": {"tag.team": "legal"}, "to": {"cost_centre": "CC-200"}, "note": "moved out"},
    {
        "id": "r4", "priority": 4, "when": {"tag.team": "platform"},
        "to": {"proportional": {"driver": "headcount", "over": ["CC-100", "CC-200"]}},
    },
]  # fmt: skip


@pytest.fixture
def usage(ledger: None, tmp_path: Path) -> None:
    """Ten dear calls of team search, four of nobody's team lost, two of the platform that everybody shares."""
    teams = ["search"] * 10 + ["lost"] * 4 + ["platform"] * 2
    rows = [payload(n, team=team, output=10_000) for n, team in enumerate(teams)]  # 0.000125 + 0.1 each
    ingest_file(Import(write_lines(tmp_path / "u.jsonl", rows), "litellm"))
    refresh()
    rule_changes.load(RULES, actor="test")


@pytest.mark.parametrize("role", READERS)
def test_whoever_sees_everything_reads_what_has_an_owner_and_what_each_rule_caught(usage: None, role: str) -> None:
    markup = page(client_of(role), PATH)
    # 10 of 16 calls at 0.100125: 1.00125 of 1.602; 0.60075 is nobody's
    assert "62.5 % of the cost of September 2026 has an owner; $0.60 has none." in text(markup).replace("\u202f", " ")
    assert row(markup, "<b>r1</b>").replace("\u202f", " ") == "r1 tag team is sear* CC-100 CC-100 1 $1.00 62.5 %"
    assert "shadowed r1 took $1.00" in row(markup, "<b>r2</b>")
    assert "dead" in row(markup, "<b>r3</b>")
    assert 'title="tag team is legal. moved out"' in markup
    assert "$0.20 unallocated" in row(markup, "<b>r4</b>")
    assert "shares by headcount, of which this month has none" in text(markup)


@pytest.mark.parametrize("role", BLIND)
def test_whoever_sees_their_own_cost_only_is_refused(ledger: None, role: str) -> None:
    client = client_of(role)
    assert [client.get(path).status_code for path in (PATH, "/allocation/rules.csv")] == [403, 403]
    assert client.post("/allocation/propose", {"rule": "x"}).status_code == 403


def test_one_click_proposes_a_rule_that_catches_it_once_another_person_accepts(usage: None) -> None:
    ann = client_of("analyst", "ann")
    assert 'name="rule" value="s-team-lost"' in page(ann, PATH)
    ann.post("/allocation/propose?month=2026-09", {"rule": "s-team-lost", "cost_centre": "CC-200"})
    assert "Asked for: waits for a second person." in page(ann, PATH)
    asked = Approval.objects.get()
    assert rule_changes.described(asked.details) == ["s-team-lost, priority 14: tag team is lost → CC-200"]
    approving.decide(asked, by="bob", accept=True)
    refresh()
    assert [rule.rule for rule in rulebook.in_force().rules] == ["r1", "r2", "r3", "r4", "s-team-lost"]
    # 14 of 16 calls
    assert "87.5 % of the cost" in text(page(ann, PATH)).replace("\u202f", " ")


def test_who_pays_more_is_seen_before_anybody_accepts(usage: None) -> None:
    ann = client_of("analyst", "ann")
    ann.post("/allocation/propose?month=2026-09", {"rule": "s-team-lost", "cost_centre": "CC-200"})
    asked = Approval.objects.get()
    assert "Who pays more?" in page(ann, PATH)
    seen = text(ann.post(f"/allocation/effect/{asked.pk}").content.decode())
    # four calls of 0.100125 go from nobody to CC-200; CC-100 keeps its own
    assert "2 cost centres pay something else 1 stays as it is" in seen
    assert "CC-200 $0.00 $0.40 +$0.40" in seen
    assert f"(unallocated) $0.60 $0.20 {MINUS}$0.40" in seen
    assert [rule.rule for rule in rulebook.in_force().rules] == ["r1", "r2", "r3", "r4"], "nothing has changed"
    approving.decide(asked, by="bob", accept=True)
    refresh()
    assert ann.post(f"/allocation/effect/{asked.pk}").status_code == 404, "it waits no more"
    for role in (*BLIND, "admin", "auditor"):
        assert client_of(role).post(f"/allocation/effect/{asked.pk}").status_code == 403
    assert "$0.40" in text(page(ann, PATH))


@pytest.mark.parametrize(
    ("role", "posted", "told"),
    [
        ("admin", {"rule": "s-team-lost", "cost_centre": "CC-200"}, "needs the role analyst or finance"),
        ("finance", {"rule": "s-team-search", "cost_centre": "CC-200"}, "has an owner by now"),
        ("finance", {"rule": "s-team-lost", "cost_centre": ""}, "choose the cost centre"),
        ("finance", {"rule": "s-team-lost", "cost_centre": "CC-999"}, "choose the cost centre"),
    ],
)
def test_nothing_is_proposed_without_role_gap_and_cost_centre(
    usage: None, role: str, posted: dict[str, str], told: str
) -> None:
    answer = client_of(role).post("/allocation/propose?month=2026-09", posted, follow=True)
    assert told in text(answer.content.decode())
    assert not Approval.objects.exists()


def test_children_sum_to_their_parents_in_the_tree(usage: None) -> None:
    tree = [
        {"code": "CC", "name": "All"},
        {"code": "CC-100", "parent": "CC", "legal_entity": "ACME"},
        {"code": "CC-200", "parent": "CC"},
    ]
    User.objects.create_user("ann.archer")
    rule_changes.load_document(
        "cost_centres", [*tree, {"code": "CC-300", "parent": "CC", "owner": "ann.archer"}], actor="test"
    )
    markup = page(client_of("auditor"), PATH)
    assert row(markup, 'title="CC All"') == "CC All \u2013 \u2013 \u2013 $1.00"
    assert "CC-300 ann.archer" in row(markup, 'title="CC-300 "')
    assert row(markup, 'title="CC-100 "') == "CC-100 ACME \u2013 $1.00 $1.00"


def test_the_file_holds_exact_amounts_and_runs_no_formula(usage: None) -> None:
    rule_changes.load([*RULES, RULES[0] | {"id": "=cmd", "priority": 0}], actor="test")
    answer = client_of("analyst").get("/allocation/rules.csv?month=2026-09")
    lines = answer.content.decode().splitlines()
    assert lines[0] == "rule,priority,when,to,state,keys,cost,unallocated,taken_by_rules_before"
    assert lines[1] == f"'=cmd,0,tag team is sear*,CC-100,catches,1,{10 * Decimal('0.100125'):.12f},0,0"
    assert lines[2] == f"r1,1,tag team is sear*,CC-100,shadowed,0,0,0,{10 * Decimal('0.100125'):.12f}"


def test_without_cost_the_page_says_how_to_begin(ledger: None) -> None:
    assert "There is no cost to allocate" in text(page(client_of("finance"), "/allocation/"))
    assert client_of("admin").get("/allocation/?month=2026-13").status_code == 400
