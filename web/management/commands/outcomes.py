"""Load outcomes and benchmark runs, attest and accept benefits."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation.models import Benefit
from allocation.value import outcomes, roi_benefits
from finops.approvals import ApprovalError
from finops.models import User
from web import approving
from web.management.base import LedgerCommand, RefusedHere, WrongUse, as_option, json_option
from web.management.files import naming
from web.management.people import of_finance

_TOLD = 20  # refused rows that are printed; --json has all
_COUNTS = ("received", "stored", "changed", "duplicate", "late")


class Command(LedgerCommand):
    """``outcomes load FILE``: rows are known by source and id, so that a file may be loaded again."""

    help = "Load outcomes (or benchmark runs) from CSV; attest a benefit as its owner, accept it as finance."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="store the rows of a file; refused rows are told, the others kept")
        load.add_argument("file", type=Path, help="CSV in UTF-8: a header and a row each; the columns: docs/roi.md")
        load.add_argument("--benchmarks", action="store_true", help="the file holds benchmark runs")
        as_option(load)
        attest = actions.add_parser("attest", help="answer for a benefit: its cost centre's owner, or finance")
        accept = actions.add_parser("accept", help="let an attested benefit count: another person of finance")
        for each in (attest, accept):
            each.add_argument("effect", help="its code")
            each.add_argument("month", metavar="YYYY-MM")
            as_option(each, required=True, default=None)
        for each in (load, attest, accept):
            json_option(each)

    def run(self, **options: Any) -> dict[str, Any]:
        if options["action"] == "load":
            return self._load(options)
        return self._attest(options) if options["action"] == "attest" else self._accept(options)

    def _load(self, options: dict[str, Any]) -> dict[str, Any]:
        take = outcomes.take_benchmarks if options["benchmarks"] else outcomes.take
        told: dict[str, Any] = dict.fromkeys(_COUNTS, 0) | {"refused": []}
        with naming(options["file"], csv.Error), options["file"].open(encoding="utf-8-sig", newline="") as lines:
            rows = _rows(lines)
            number = 2  # the header is row 1
            while batch := list(islice(rows, outcomes.MAX_BATCH)):
                found = take(batch, by=options["user"], first=number)
                number += len(batch)
                for name in _COUNTS:
                    told[name] += getattr(found, name)
                told["refused"] += [each._asdict() for each in found.refused]
        counts = ", ".join(f"{told[name]:,} {name}" for name in _COUNTS[1:])
        self.stdout.write(f"{told['received']:,} rows: {counts}, {len(told['refused']):,} refused.")
        for each in told["refused"][:_TOLD]:
            self.stdout.write(f"  row {each['row']}: {each['field'] or 'row'}: {each['detail']} ({each['reason']})")
        if len(told["refused"]) > _TOLD:
            self.stdout.write(f"  and {len(told['refused']) - _TOLD:,} more; --json tells all")
        return told

    def _attest(self, options: dict[str, Any]) -> dict[str, Any]:
        held = _benefit(options)
        try:
            held = roi_benefits.attest(held.pk, User.objects.get(username=options["user"]))
        except roi_benefits.BenefitError as wrong:
            raise RefusedHere(wrong) from None
        self.stdout.write(f"{held} is attested; another person of finance accepts it: manage.py outcomes accept")
        return {"effect": held.effect, "state": held.state, "approval": held.approval_id}

    def _accept(self, options: dict[str, Any]) -> dict[str, Any]:
        held, user = _benefit(options), of_finance(options["user"])
        if held.approval is None:
            raise RefusedHere(f"{held} is {held.state}; its owner attests it first")
        try:
            approving.decide(held.approval, by=user, accept=True)
        except (ApprovalError, roi_benefits.BenefitError) as wrong:
            raise RefusedHere(wrong) from None
        self.stdout.write(f"{held} counts.")
        return {"effect": held.effect, "state": "accepted", "approval": held.approval_id}


def _rows(lines: Any) -> Iterator[Any]:
    """Rows as they are; one with more cells than the header keeps them under None, which is no field."""
    reader = csv.DictReader(lines, strict=True)
    if not reader.fieldnames:
        raise WrongUse("its first row is the header; it is empty")
    if twice := {name for name in reader.fieldnames if reader.fieldnames.count(name) > 1}:
        raise WrongUse(f"its header names {sorted(twice)[0]!r} twice")
    for row in reader:
        yield {name: value for name, value in row.items() if value is not None}


def _benefit(options: dict[str, Any]) -> Benefit:
    month = options["month"]
    found = Benefit.objects.filter(effect=options["effect"]).select_related("cost_centre", "approval")
    held = next((each for each in found if f"{each.month:%Y-%m}" == month), None)
    if held is None:
        raise WrongUse(
            f"no benefit {options['effect']} of {month} is claimed; API /api/v1/benefits lists and takes them"
        )
    return held
