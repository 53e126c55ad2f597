"""The page Allocation: how much of the cost has an owner, what each rule caught, and what nobody owns."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from allocation import rule_changes
from allocation.attribution import borne, coverage
from allocation.attribution.coverage import Coverage
from allocation.calc import rules_words
from allocation.calc.attribution import CALLER, MAPPED, SOURCE
from allocation.calc.rules import RuleError
from allocation.calc.rules_coverage import CATCHES, CORRECTION, NO_DRIVER, RuleCover
from allocation.models import CostCentre, Grant, TermsVersion
from allocation.scope import roles_of
from finops.periods import Period
from web.downloads import csv_file
from web.pages.access import for_those_who_see_everything
from web.pages.approvals import asked_for, deciding
from web.pages.months import Chosen, of_month
from web.pages.wrong import posted

_CSV = ("rule", "priority", "when", "to", "state", "keys", "cost", "unallocated", "taken_by_rules_before")
_WORD = {MAPPED: "an admin's mapping", SOURCE: "the source", CALLER: "the caller", "": "not stated"}
_GAPS, _LEAST = 12, Decimal("0.005")


@require_safe
@for_those_who_see_everything
@of_month("allocation")
def page(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """A month: the share that has an owner, rules with what they caught, gaps with suggestions, and the tree with sums."""
    context: dict[str, Any] = {"tab": "rules", "period": chosen.period, "months": chosen.months}
    if chosen.period:
        found = coverage.of_month(chosen.period)
        context |= _facts(found, chosen.period) | {
            "waiting": asked_for(request, {rule_changes.KIND, rule_changes.DOCUMENT}), "proposes": _proposes(request),
            "csv": f"{reverse('allocation-csv')}?{urlencode({'month': str(chosen.period)})}",
        } | deciding(request)  # fmt: skip
    return render(request, "web/allocation.html", context)


@require_safe
@for_those_who_see_everything
@of_month("allocation")
def as_csv(_request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """The rules of the very view: exact amounts, one row a rule, no total."""
    found = coverage.of_month(chosen.period).rules if chosen.period else []
    rows = (
        (
            row.rule.rule, row.rule.priority, rules_words.condition(row.rule.when), rules_words.bearers(row.rule), row.state,
            row.keys, row.cost, row.unborne, row.shadowed,
        )
        for row in found
    )  # fmt: skip
    return csv_file(f"rules_{chosen.period or 'empty'}", _CSV, rows)


@require_POST
@for_those_who_see_everything
@of_month("allocation")
def propose(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """Ask for the rule that was suggested for money nobody owns, with the cost centre that was chosen for it."""
    back = f"{reverse('allocation')}?{urlencode({'month': str(chosen.period or '')})}"
    name, code = (posted(request).get(field, "") for field in ("rule", "cost_centre"))
    found = coverage.of_month(chosen.period).gaps if chosen.period else []
    rule = next((gap.rule for gap in found if gap.rule and gap.rule["id"] == name), None)
    if not _proposes(request):
        messages.error(request, "Nothing was proposed: that needs the role analyst or finance.")
    elif rule is None:
        messages.error(request, "Nothing was proposed: what it was suggested for has an owner by now.")
    elif not CostCentre.objects.filter(code=code).exists():
        messages.error(request, "Nothing was proposed: choose the cost centre that bears it.")
    else:
        try:
            asked = rule_changes.propose_rule(rule | {"to": {"cost_centre": code}}, by=request.user.get_username())
        except RuleError as wrong:
            messages.error(request, f"Nothing was proposed: {wrong}.")
        else:
            messages.success(request, f"{asked.subject} for {code} waits for another person of finance.")
    return redirect(back)


def _proposes(request: HttpRequest) -> bool:
    return bool(roles_of(request.user) & {Grant.Role.ANALYST, Grant.Role.FINANCE})


def _facts(found: Coverage, period: Period) -> dict[str, Any]:
    catching = [row for row in found.rules if row.state == CATCHES]
    widest = max((row.cost for row in catching), default=Decimal(0))
    gaps = _gaps(found)
    suggested = {row["gap"].rule["id"] for row in gaps if row["gap"].rule}
    hidden = len(found.gaps) - len(gaps)
    return {
        "found": found, "currency": found.currency, "share": found.share, "bar": _bar(found),
        "rules": [_rule(row, found, widest) for row in catching],
        "caught": sum((row.cost for row in catching), Decimal(0)), "keys": sum(row.keys for row in catching),
        "idle": [_rule(row, found, widest) for row in found.rules if row.state != CATCHES],
        "overlaps": [row for row in found.rules if row.state == CATCHES and row.by],
        "gaps": gaps, "more_gaps": hidden, "only_small": hidden and len(gaps) < _GAPS,
        "nobodys": sum((gap.cost for gap in found.gaps), Decimal(0)),
        "asked": suggested & _asked_rules(), "tree": borne.tree(period, found.currency),
        "centres": list(CostCentre.objects.order_by("code").values_list("code", "name")),
        "with_tree": TermsVersion.objects.filter(kind="cost_centres", live=True).exists(),
        "said": _said(found), "site": settings.REPORT_CURRENCY,
    }  # fmt: skip


def _asked_rules() -> set[str]:
    """Ids of rules that are asked for already."""
    return {asked.details["add"]["id"] for asked in rule_changes.waiting() if "add" in asked.details}


def _bar(found: Coverage) -> list[dict[str, Any]]:
    """The whole cost as parts of a bar 1000 wide: by rules, declared, split, and nobody's."""
    by_rule = sum((row.cost - row.unborne for row in found.rules), Decimal(0))
    parts = [("rule", "by rules", by_rule), ("declared", "by agreements and corrections", found.declared)]
    parts += [("shared", "by splits", found.total - found.unallocated - by_rule - found.declared)]
    parts += [("nobody", "nobody's", found.unallocated)]
    shown: list[dict[str, Any]] = []
    at = 0
    for kind, name, cost in parts:
        if cost > 0 and found.total > 0:
            width = max(round(cost / found.total * 1000), 3)
            shown.append(
                {"kind": kind, "name": name, "cost": cost, "x": at, "width": width, "share": found.share_of(cost)}
            )
            at += width
    return shown


def _rule(row: RuleCover, found: Coverage, widest: Decimal) -> dict[str, Any]:
    return {
        "row": row, "when": rules_words.condition(row.rule.when), "to": rules_words.bearers(row.rule),
        "driver": rules_words.driver(row.rule), "share": found.share_of(row.cost),
        "width": row.cost / widest if widest > 0 else Decimal(0),
    }  # fmt: skip


def _gaps(found: Coverage) -> list[dict[str, Any]]:
    """Those of a cent and more, be it a credit, the largest first."""
    large = [gap for gap in found.gaps if abs(gap.cost) >= _LEAST]
    drivers = {row.rule.rule: rules_words.driver(row.rule) for row in found.rules}
    return [
        {
            "gap": gap, "share": found.share_of(gap.cost), "about": _words(gap.about),
            "driver": drivers.get(gap.about, "") if gap.reason == NO_DRIVER else "", "corrects": gap.reason == CORRECTION,
        }
        for gap in sorted(large, key=lambda gap: -abs(gap.cost))[:_GAPS]
    ]  # fmt: skip


def _words(about: str) -> str:
    """What keys have in common: ``billing_account main`` as ``billing account main``."""
    name, _, value = about.partition(" ")
    return f"{name.replace('tag.', 'tag ').replace('_', ' ')} {value}".strip()


def _said(found: Coverage) -> list[dict[str, Any]]:
    """By whose word each field is what it is, as shares of cost."""
    rows = []
    for said in found.said:
        whole = sum(said.cost.values(), Decimal(0))
        if whole:
            shares = {name: said.cost.get(name, Decimal(0)) / whole for name in _WORD}
            rows.append({"field": said.field.replace("tag.", "tag "), "shares": [shares[name] for name in _WORD]})
    return rows
