"""Close a month, step by step: preliminary, soft-closed (figures frozen, statements issued), closed (journal built)."""

from typing import Any

from django.core.management.base import CommandParser

from allocation import closing
from allocation.calc.closing import STEPS, WORDS, StepError
from allocation.calc.gates import BY_CODE, Gate, holding
from allocation.close import gates, manifest, states, waivers
from allocation.closing import GatesHold
from finops import audit
from finops.approvals import ApprovalError
from finops.periods import Period, PeriodError
from web import approving
from web.management.base import LedgerCommand, RefusedHere, WrongUse, as_option
from web.management.commands.audit_verify import written
from web.management.people import of_finance
from web.periods import described_gate, figure


class Command(LedgerCommand):
    """Takes one step. Refused (3) while a gate fails that two people have not waived, and to who prepared the month."""

    help = "Close a month, step by step; two people take part."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("month", metavar="YYYY-MM")
        parser.add_argument("--to", choices=STEPS, help="default: the next step")
        parser.add_argument(
            "--waive", action="append", default=[], metavar="GATE=REASON",
            help="ask that a gate which fails be waived, or accept what another person asked for; a reason alone is for all",
        )  # fmt: skip
        as_option(parser, default=None, help="who does it")

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            period = Period.month(options["month"])
        except PeriodError as error:
            raise WrongUse(error) from None
        to = options["to"] or closing.next_of(period)
        if to is None:
            raise RefusedHere(f"{period} is closed: `manage.py reopen_month {period}` asks to open it again")
        if not options["user"]:
            self._refuse_if_held(period, to)
        by = of_finance(options["user"])
        asked = self._waive(period, to, options["waive"], by) if options["waive"] else []
        try:
            held = closing.close_step(period, to, by=by)
        except GatesHold as held_up:
            raise RefusedHere(
                f"{held_up}. {_remedy(period, asked)}", self._told(period, to, held_up.failing, asked)
            ) from None
        except (StepError, ValueError) as error:
            raise RefusedHere(error) from None
        kept = manifest.of(period, held.version)
        self.stdout.write(f"{period} is {WORDS[held.state]}{f', manifest {kept.sha256}' if kept else ''}.")
        end = written(audit.head())
        self.stdout.write(f"The audit trail ends so, to be kept elsewhere (audit_verify --head): {end}")
        self.stdout.write(_next(period, held.state))
        return self._told(period, held.state, [], asked) | {"manifest": kept and kept.sha256, "audit_head": end}

    def _refuse_if_held(self, period: Period, to: str) -> None:
        """Without a person only the gates are looked at."""
        closing.recompute()
        failing = holding(gates.of(period, to, states.of(period).version), to)
        if failing:
            raise RefusedHere(
                f"{GatesHold(period, to, failing)}. {_remedy(period, [])}", self._told(period, to, failing, [])
            )

    def _waive(self, period: Period, to: str, texts: list[str], by: str) -> list[dict[str, Any]]:
        """Ask for waivers, and accept those of others that wait; returns what became of each."""
        closing.recompute()
        version = states.of(period).version
        failing = {gate.code: gate for gate in holding(gates.of(period, to, version), to)}
        done = []
        for code, reason in _wanted(texts, failing):
            waiting = [each for each in waivers.waiting(period, version) if each.details["gate"] == code]
            try:
                if waiting:
                    request = approving.decide(waiting[0], by=by, accept=True, reason=reason)
                elif code in failing:
                    request = waivers.propose(period, version, failing[code], reason, by=by)
                else:
                    continue  # passes, or was waived
            except (StepError, ApprovalError) as error:
                raise RefusedHere(error) from None
            self.stdout.write(f"Waiver of {code}: request {request.pk} is {request.state}.")
            done.append({"gate": code, "approval": request.pk, "state": request.state})
        return done

    def _told(self, period: Period, to: str, failing: list[Gate], asked: list[dict[str, Any]]) -> dict[str, Any]:
        held = states.of(period)
        for gate in failing:
            self.stdout.write(f"  {gate.code:<12} {figure(gate.value, gate.unit):>10}  {gate.told}")
        return {
            "month": str(period), "state": held.state, "version": held.version, "to": to,
            "self_approved": held.self_approved, "gates": [described_gate(gate) for gate in failing], "waivers": asked,
        }  # fmt: skip


def _wanted(texts: list[str], failing: dict[str, Gate]) -> list[tuple[str, str]]:
    """(gate, reason) of --waive. A text that names no gate is the reason for all that fail."""
    found = []
    for text in texts:
        code, equals, reason = text.partition("=")
        if equals and code in BY_CODE:
            found.append((code, reason))
        elif equals and " " not in code.strip():
            raise WrongUse(f"--waive: there is no gate {code!r}; there are: {', '.join(BY_CODE)}")
        else:
            found += [(each, text) for each in failing]
    return found


def _remedy(period: Period, asked: list[dict[str, Any]]) -> str:
    waiting = [each for each in asked if each["state"] == "proposed"]
    if waiting:
        first, *others = [str(each["approval"]) for each in waiting]
        also = f" (then {', '.join(others)})" if others else ""
        return f"Another person accepts the waiver: `manage.py approvals accept {first} --as USER`{also}"
    return f"Mend it, or ask for a waiver: `manage.py close_month {period} --waive GATE=REASON --as USER`"


def _next(period: Period, state: str) -> str:
    return {
        "preliminary": f"Another person freezes it: `manage.py close_month {period} --to soft_closed --as USER`.",
        "soft_closed": f"Statements are issued. Once agreed: `manage.py close_month {period} --to closed --as USER`.",
        "closed": f"Its journal is built. Another person posts it: `manage.py journal post {period} --as USER`.",
    }[state]
