"""The pages Watch and Alerts: the figures of the API to the cent, who answers, what is told to whom; and the command."""

import csv
import io
import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from allocation.models import Grant
from allocation.scope import EVERYTHING, Scope
from forecasting import watch, watch_alerts, watch_selectors
from forecasting.models import Alert, AlertNotice, QueryCap, Silence
from tests.forecasting.watched import NOW, budgeted, call, forecast, owned, taken
from tests.web.ledger import Usage, centre, load, person
from tests.web.money_pages import client_of, page, row, text
from web import delivery, signed_posts, watch_routes, watch_sending, webhook_sending, webhooks
from web.management.base import WrongUse
from web.models import Delivery
from web.watch_routes import RouteError

pytestmark = pytest.mark.usefixtures("ledger")
ROUTES = [
    {"code": "finops", "channel": "email", "address": "finops@example.com"},
    {"code": "owners", "channel": "email", "address": "owners", "severity": "ticket"},
    {"code": "on-call", "channel": "slack", "address": "env:ALERTS_SLACK", "severity": "page"},
    {"code": "boss", "channel": "email", "address": "boss@example.com", "level": 2},
]


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The clock that the pages read."""
    clock = type("Clock", (), {"now": staticmethod(lambda: NOW)})
    for name in ("pages.watch", "pages.alerts", "management.commands.watch"):
        monkeypatch.setattr(__import__(f"web.{name}", fromlist=["timezone"]), "timezone", clock)
    return NOW


def looped(folder: Path) -> None:
    """$5 a day of a budget of $225, and of CC-200 $12 of a budget of $10; the last hours $40 each."""
    owned()
    budgeted(("CC-100", "225"), ("CC-200", "10"))
    forecast("CC-100", "5", spread="1", actual="95")
    spent = [call(NOW - timedelta(days=n), "5") for n in range(1, 20)]
    loop = [call(NOW - timedelta(hours=n), "20") for n in (1, 2, 3)]
    taken(folder, [*spent, *loop, call(NOW, "12", "chat")])
    watch.run(NOW)


def test_without_a_budget_the_page_says_how_to_get_one_and_without_alerts_what_looks() -> None:
    client = client_of("finance")
    assert "No budget runs now" in text(page(client, "/budgets/watch/"))
    assert "manage.py budgets load" in page(client, "/budgets/watch/")
    shown = text(page(client, "/budgets/alerts/"))
    assert "Nothing is open" in shown
    assert "No route leads to people yet" in shown
    assert "Silence everything" not in text(page(client_of("auditor"), "/budgets/alerts/"))


def test_the_page_has_the_figures_of_the_service_and_its_files_are_exact(tmp_path: Path) -> None:
    looped(tmp_path)
    client = client_of("finance")
    markup = page(client, "/budgets/watch/")
    one = next(s for s in watch_selectors.states(EVERYTHING, NOW) if s.running.subject.code == "CC-100")
    assert one.standing.counted == 155
    line = row(markup, "CC-100")
    assert "$155.00" in line
    assert "$225.00" in line
    assert "page" not in line
    assert "warn" in markup.split("CC-100", 2)[1] or "verdict-warn" in markup
    assert "exceeded" in row(markup, "CC-200")
    rows = list(csv.DictReader(io.StringIO(client.get("/budgets/watch/budgets.csv").content.decode())))
    assert rows[0]["x_CostCentre"] == "CC-200"  # what is exceeded comes first
    mine = next(each for each in rows if each["x_CostCentre"] == "CC-100")
    assert (mine["Counted"], mine["verdict"]) == ("155.000000000000", "warn")
    assert Decimal(mine["close_median"]) == one.standing.close.middle  # type: ignore[union-attr]
    only = list(csv.DictReader(io.StringIO(client.get("/budgets/watch/budgets.csv?verdict=stop").content.decode())))
    assert [each["x_CostCentre"] for each in only] == ["CC-200"]
    book = openpyxl.load_workbook(io.BytesIO(client.get("/budgets/watch/watch.xlsx").content))
    assert book.sheetnames == ["Budgets", "Caps", "Bands"]
    assert (
        "CC-200"
        not in text(page(client, "/budgets/watch/?verdict=warn")).partition("Which queries")[0].partition("Spent")[2]
    )


def test_a_viewer_sees_the_own_budget_and_may_neither_cap_nor_answer(tmp_path: Path) -> None:
    looped(tmp_path)
    client = client_of("viewer")
    shown = text(page(client, "/budgets/watch/"))
    assert "CC-100" in shown
    assert "CC-200" not in shown
    assert "The whole" not in shown
    assert "Set a cap" not in shown
    assert client.post("/budgets/watch/caps", {"most": "1"}).status_code == 403
    number = Alert.objects.filter(cost_centre__code="CC-100").values_list("pk", flat=True)[0]
    assert "CC-200" not in text(page(client, "/budgets/alerts/"))
    assert client.post(f"/budgets/alerts/{number}/acknowledge").status_code == 403


def test_caps_are_set_and_ended_on_the_page_and_a_wrong_one_keeps_what_was_said(tmp_path: Path) -> None:
    looped(tmp_path)
    client = client_of("analyst")
    answer = client.post("/budgets/watch/caps", {"most": "lots", "model": "gpt-5"})
    assert answer.status_code == 422
    assert "most: an amount above 0" in text(answer.content.decode())
    assert 'value="gpt-5"' in answer.content.decode()
    assert client.post("/budgets/watch/caps", {"most": "10", "tier": "", "severity": "page"}).status_code == 302
    watch.run(NOW)
    line = row(page(client, "/budgets/watch/"), "every query")
    assert "4" in line  # three of $20, one of $12
    assert "$32.00" in line
    assert client.post(f"/budgets/watch/caps/{QueryCap.objects.get().pk}/end").status_code == 302
    assert client.post("/budgets/watch/caps/9/end").status_code == 404
    assert "No cap holds" in text(page(client, "/budgets/watch/"))


def test_alerts_are_answered_and_silenced_on_the_page(tmp_path: Path) -> None:
    looped(tmp_path)
    client = client_of("finance", "ann")
    burn = Alert.objects.get(label="CC-100")
    markup = page(client, "/budgets/alerts/")
    assert "20.0 x in" in text(markup) or "against the budget's rate" in text(markup)
    said = {"note": "stopped the loop", "back": "?severity=page"}
    answer = client.post(f"/budgets/alerts/{burn.pk}/acknowledge", said)
    assert (answer.status_code, answer["Location"]) == (302, "/budgets/alerts/?severity=page")
    shown = text(page(client, "/budgets/alerts/"))
    assert "ann has it since" in shown
    assert "stopped the loop" in shown
    other = Alert.objects.filter(label="CC-200, 2026-09").first()
    assert other is not None
    client.post("/budgets/alerts/silence", {"subject": other.subject, "hours": "4", "reason": "known"})
    held = Silence.objects.get()
    assert held.ends - NOW == timedelta(hours=4)
    assert "What is silent?" in text(page(client, "/budgets/alerts/"))
    client.post("/budgets/alerts/silence", {"subject": other.subject, "hours": "5", "reason": "known"})
    assert Silence.objects.count() == 1
    client.post(f"/budgets/alerts/silences/{held.pk}/end")
    held.refresh_from_db()
    assert held.ended_by == "ann"
    rows = list(csv.DictReader(io.StringIO(client.get("/budgets/alerts/alerts.csv?severity=page").content.decode())))
    assert {each["severity"] for each in rows} == {"page"}
    assert openpyxl.load_workbook(io.BytesIO(client.get("/budgets/alerts/alerts.xlsx").content)).sheetnames == [
        "Alerts"
    ]


def test_notices_go_by_mail_to_slack_and_to_webhooks_once_and_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = person("olga", "owner", "CC-100")
    owner.email = "olga@example.com"
    owner.save()
    finance = person("fin", "finance")
    watch_routes.load(ROUTES, actor="fin")
    webhooks.create(url="https://hooks.example/a", events=["alert.opened"], secret="x" * 20, by=finance)
    looped(tmp_path)
    asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []
    monkeypatch.setenv("ALERTS_SLACK", "https://slack.example/T0/B0")

    def taking(address: str, content: bytes, headers: dict[str, str], **_: Any) -> None:
        asked.append((address, json.loads(content), headers))
        if address.startswith("https://slack") and len([each for each in asked if each[0] == address]) == 1:
            raise signed_posts.PostFailed("the webhook failed: 503")

    monkeypatch.setattr(signed_posts, "post", taking)
    first = watch_sending.emit(NOW)
    assert first > 0
    assert watch_sending.emit(NOW) == 0
    assert not AlertNotice.objects.filter(routed_at=None).exists()
    webhook_sending.emit()
    delivery.send_due()
    burn = AlertNotice.objects.get(alert__label="CC-100")
    to = {message.to[0] for message in mail.outbox if "CC-100" in message.subject}
    assert to == {"finops@example.com", "olga@example.com"}  # the boss is told where nobody answers
    told = next(message for message in mail.outbox if message.to == ["olga@example.com"])
    assert told.subject == "[page] New: CC-100"
    assert burn.why in told.body
    slack = Delivery.objects.get(occasion=burn.occasion, channel="webhook")
    assert (slack.state, slack.attempts, slack.address) == ("waiting", 1, "slack:on-call")
    assert "503" in slack.error
    assert "T0" not in f"{slack.address}{slack.error}{slack.subject}"
    delivery.send_due(timezone.now() + timedelta(hours=1))
    slack.refresh_from_db()
    assert (slack.state, slack.attempts) == ("sent", 2)
    (address, body, _) = [each for each in asked if each[0].startswith("https://slack")][-1]
    assert address == "https://slack.example/T0/B0"
    assert body["text"].startswith("*[page] New: CC-100*\n")
    hooked = [each for each in asked if each[0] == "https://hooks.example/a"]
    assert len(hooked) == AlertNotice.objects.count()
    event = next(each[1] for each in hooked if each[1]["details"]["label"] == "CC-100")
    assert (event["event"], event["details"]["severity"], event["actor"]) == ("alert.opened", "page", "system")
    assert "X-Ledger-Signature" in hooked[0][2]
    sent = len(mail.outbox)
    watch.run(NOW + timedelta(minutes=61))
    watch_sending.emit(NOW + timedelta(minutes=61))
    delivery.send_due(timezone.now() + timedelta(hours=2))
    assert {message.to[0] for message in mail.outbox[sent:]} >= {"boss@example.com"}


def test_the_network_guard_holds_for_slack_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch_routes.load(ROUTES[2:3], actor="ann")
    looped(tmp_path)
    monkeypatch.setenv("ALERTS_SLACK", "https://169.254.169.254/latest")
    watch_sending.emit(NOW)
    delivery.send_due()
    refused = Delivery.objects.filter(kind="alert").first()
    assert refused is not None
    assert refused.state == "waiting"
    assert "169.254.169.254" in refused.error


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"channel": "pigeon", "address": "x"}, "channel: email or slack"),
        ({"channel": "email", "address": "nobody"}, "address:"),
        ({"channel": "slack", "address": "https://hooks.example/secret"}, "env:NAME"),
        ({"channel": "slack", "address": "env:FINOPS_SECRET_KEY"}, "is a setting of this site"),
        ({"channel": "email", "address": "a@example.com", "severity": "loud"}, "severity: one of"),
        ({"channel": "email", "address": "a@example.com", "level": 0}, "level: 1 to 10"),
        ({"channel": "email", "address": "a@example.com", "lvl": 1}, "lvl: is not known"),
    ],
)  # fmt: skip
def test_what_is_no_route_is_named(entry: dict[str, Any], told: str) -> None:
    with pytest.raises(RouteError, match=told):
        watch_routes.parse([{"code": "a", **entry}])


def test_the_command_looks_once_and_loads_documents(tmp_path: Path) -> None:
    centre("CC-100")
    budgeted(("CC-100", "10"))
    load(Usage("6", "CC-100", day=timezone.now().date()))
    person("ann", "finance")

    def run(*arguments: str) -> dict[str, Any]:
        out = io.StringIO()
        call_command("watch", *arguments, "--json", stdout=out)
        found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
        return found

    found = run("run")
    assert found["hours"] == 1
    assert found["hours_left"] == 0
    routes = tmp_path / "routes.yaml"
    routes.write_text("- {code: finops, channel: email, address: finops@example.com}\n")
    assert run("routes", str(routes), "--as", "ann")["version"] == 1
    assert [route.code for route in watch_routes.in_force()] == ["finops"]
    policy = tmp_path / "policy.yaml"
    shipped = (Path(watch.__file__).parent / "watch_policy.yaml").read_text()
    policy.write_text(shipped.replace('finance: ["0.5", "0.8", "1"]', 'finance: ["0.9"]'))
    assert run("policy", str(policy))["kind"] == "watch_policy"
    policy.write_text(shipped.replace("quiet_hours: 24", "quiet_hours: 0"))
    with pytest.raises(WrongUse, match=r"policy\.yaml: alerts: quiet_hours"):
        run("policy", str(policy))
    with pytest.raises(WrongUse, match="there is no file"):
        run("routes", str(tmp_path / "none.yaml"))


def test_the_tabs_and_the_menu_lead_everywhere() -> None:
    client = Client()
    client.force_login(person("v", Grant.Role.VIEWER, "CC-100"))
    for path in ("/budgets/", "/budgets/watch/", "/budgets/alerts/"):
        markup = page(client, path)
        assert 'href="/budgets/watch/"' in markup
        assert 'href="/budgets/alerts/"' in markup
        assert "Budgets &amp; anomalies" in markup


def test_an_alert_of_somebody_else_is_not_found(tmp_path: Path) -> None:
    looped(tmp_path)
    client = client_of("owner")
    other = Alert.objects.filter(cost_centre__code="CC-200").first()
    assert other is not None
    assert client.post(f"/budgets/alerts/{other.pk}/acknowledge").status_code == 404
    with pytest.raises(Alert.DoesNotExist):
        watch_alerts.acknowledge(Scope(), other.pk, by="x", now=NOW)


def test_an_answer_that_is_given_anew_loses_none_of_the_former_ones(tmp_path: Path) -> None:
    looped(tmp_path)
    ann, bob = client_of("finance", "ann"), client_of("finance", "bob")
    burn = Alert.objects.get(label="CC-100")
    for client, note in ((ann, "stopped the loop"), (bob, "asked for more budget")):
        client.post(f"/budgets/alerts/{burn.pk}/acknowledge", {"note": note})
    shown = text(page(ann, "/budgets/alerts/"))
    assert "bob has it since" in shown
    assert "“asked for more budget”" in shown
    assert "1 former answer ann" in shown
    assert "“stopped the loop”" in shown
    (told,) = [each for each in ann.get("/api/v1/alerts").json()["results"] if each["id"] == burn.pk]
    assert [(each["by"], each["note"]) for each in told["acknowledgements"]] == [
        ("bob", "asked for more budget"), ("ann", "stopped the loop"),
    ]  # fmt: skip
    assert told["note"] == "asked for more budget"
    Alert.objects.filter(pk=burn.pk).update(acknowledged_by="", acknowledged_at=None)  # it grew more severe
    shown = text(page(ann, "/budgets/alerts/"))
    assert "2 former answers bob" in shown
    viewer = client_of("viewer").get("/api/v1/alerts").json()["results"]
    assert {each["x_CostCentre"] for each in viewer} == {"CC-100"}


def test_what_of_the_close_is_at_proxy_prices_is_told_and_the_forecast_page_named() -> None:
    owned()
    budgeted(("CC-100", "225"))
    forecast("CC-100", "5", spread="1", actual="90")
    load(
        Usage("90", "CC-100", day=NOW.date() - timedelta(days=1)),
        Usage(None, "CC-100", feature="x", estimate="12", day=NOW.date() - timedelta(days=1)),
    )
    one = next(s for s in watch_selectors.states(EVERYTHING, NOW) if s.running.subject.code == "CC-100")
    close = one.standing.close
    assert close is not None
    assert (one.unpriced, close.middle) == (12, 90 + 12 + 11 * 5)
    markup = page(client_of("finance"), "/budgets/watch/")
    assert 'title="$145.00 of the forecast and $12.00 at proxy prices">$157.00' in markup
    assert "tells the same median of priced cost alone" in text(markup)
