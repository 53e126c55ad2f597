"""Alerts: what is told to whom, once. Signals of an hour and the alert that is held -> the alert as it is then, and notices.

One alert is one episode of one subject (a budget, a cap, a band): it opens with the first signal, takes in whatever rule
fires while it lasts, and ends after ``quiet_hours`` without any. Told is its opening, a higher severity, money that became so
many times worse, that nobody answered, and its end; never the same twice. A silence holds notices back and loses nothing: what
is still so when it ends is told then.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from forecasting.calc.watch_policy import SEVERITIES, Telling

OPENED, WORSE, UNANSWERED, ENDED = "opened", "worse", "unanswered", "ended"
_NOTHING = Decimal(0)


class AlertError(ValueError):
    """An alert cannot become so; the message says why."""


class Signal(NamedTuple):
    """What one rule says of one subject at one instant: how urgent, how much money is at stake, and why in one line.

    ``once``: it is told once for its subject, and never again after it ended (a part of a budget that is spent is spent).
    """

    subject: str
    rule: str
    severity: str
    money: Decimal
    why: str
    once: bool = False


class Silence(NamedTuple):
    """No notice about a subject (``*``: any) of at most this severity from an instant up to, not including, another."""

    subject: str
    begins: datetime
    ends: datetime
    severity: str = SEVERITIES[-1]

    def holds(self, subject: str, severity: str, now: datetime) -> bool:
        """Whether it holds back a notice."""
        meant = self.subject in ("*", subject) and _rank(severity) <= _rank(self.severity)
        return meant and self.begins <= now < self.ends


class Alert(NamedTuple):
    """One episode. ``severity`` and ``money``: the worst seen; after ``quiet_hours`` without any as severe, those of now.

    ``fired_at``, ``severe_at``: when a signal, one that severe, was seen last; ``seen_at``: when it was looked at last.
    ``told_*``: what people were told last ('' and None: nothing yet), and up to which ``level`` of them, from 1 on;
    ``told_money`` by rule, and of a rule that fired since then, with what it began.
    ``acknowledged_by``: who answered, for the severity told then.
    """

    subject: str
    opened_at: datetime
    fired_at: datetime
    severe_at: datetime
    seen_at: datetime
    severity: str
    money: Decimal
    rules: tuple[str, ...]
    why: str
    once: bool = False
    told_severity: str = ""
    told_money: tuple[tuple[str, Decimal], ...] = ()
    told_at: datetime | None = None
    level: int = 0
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    ended_at: datetime | None = None


class Notice(NamedTuple):
    """One thing to tell, and up to which level of people. ``money``: at stake."""

    kind: str
    subject: str
    severity: str
    level: int
    money: Decimal
    why: str


def advance(
    held: Alert | None, signals: Sequence[Signal], now: datetime, policy: Telling, silences: Collection[Silence] = (),
    floor: Decimal = _NOTHING,
) -> tuple[Alert | None, list[Notice]]:  # fmt: skip
    """The alert of one subject after a look at it, and what is to be told.

    ``held``: its last alert, ended or not; ``signals``: all that fire now, of this subject alone; ``floor``: money at stake
    below which an alert is kept but told only as it grows. The same look twice tells nothing twice. An alert with another
    ``opened_at`` than the held one is a new episode. Raises AlertError where signals are of another subject or time runs
    backwards.
    """
    for signal in signals:
        _rank(signal.severity)
        if len({signal.subject, *(other.subject for other in signals), *([held.subject] if held else [])}) > 1:
            raise AlertError(
                f"signals of {signal.subject!r} and another subject in one look: one alert has one subject"
            )
    if held is not None and now < held.seen_at:
        raise AlertError(f"{held.subject}: was looked at at {held.seen_at} already, which lies after {now}")
    lasting, notices = held, list[Notice]()
    if (
        held is not None
        and held.ended_at is None
        and not (signals and held.once)
        and _quiet(held, signals, now, policy)
    ):
        lasting, notices = _end(held, now, silences)
    if signals:
        lasting = _fired(lasting, signals, now, policy)
    if lasting is None or lasting.ended_at is not None:
        return lasting, notices
    alert = lasting._replace(seen_at=now)
    kind = _to_tell(alert, signals, now, policy)
    if not kind or alert.money < floor or any(one.holds(alert.subject, alert.severity, now) for one in silences):
        return alert, notices
    level = min(alert.level + 1, policy.levels) if kind == UNANSWERED else max(alert.level, 1)
    voided = _rank(alert.severity) > _rank(alert.told_severity) if alert.told_severity else False
    told = alert._replace(
        told_severity=alert.severity, told_money=_money(alert, signals, max), told_at=now, level=level
    )
    if voided:
        told = told._replace(acknowledged_by="", acknowledged_at=None)
    return told, [*notices, Notice(kind, alert.subject, alert.severity, level, alert.money, alert.why)]


def acknowledge(alert: Alert, by: str, now: datetime) -> Alert:
    """Somebody answers: until it grows more severe or much worse nothing more is told. Raises AlertError."""
    if alert.ended_at is not None:
        raise AlertError(f"{alert.subject}: ended at {alert.ended_at}, there is nothing to acknowledge")
    if not by.strip():
        raise AlertError(f"{alert.subject}: say who acknowledges it")
    return alert._replace(acknowledged_by=by.strip(), acknowledged_at=now)


def folded(
    signals: Iterable[Signal], parents: Mapping[str, str], share: Decimal
) -> tuple[list[Signal], dict[str, str]]:
    """Signals without those that one part explains, and which part explains whom: money is told once, where it is.

    ``parents``: subject -> the one it is part of. A subject's signals go where one part of it, the deepest, fires as severely
    and has at least ``share`` of the money at stake: who listens to the subject hears of that part. Order is kept. Raises
    AlertError where a subject is part of itself.
    """
    found = list(signals)
    worst = {name: _worst([one for one in found if one.subject == name]) for name in {one.subject: 0 for one in found}}
    into: dict[str, tuple[int, str]] = {}
    for name, signal in worst.items():
        for depth, above in enumerate(_above(name, parents), start=1):
            whole = worst.get(above)
            if whole is None or _rank(signal.severity) < _rank(whole.severity) or signal.money < share * whole.money:
                continue
            into[above] = max(into.get(above, (0, "")), (depth, name))
    return [one for one in found if one.subject not in into], {above: name for above, (_, name) in sorted(into.items())}


def _above(name: str, parents: Mapping[str, str]) -> list[str]:
    found: list[str] = []
    at = name
    while at in parents:
        at = parents[at]
        if at in found or at == name:
            raise AlertError(f"{name!r} is part of itself")
        found.append(at)
    return found


def _fired(held: Alert | None, signals: Sequence[Signal], now: datetime, policy: Telling) -> Alert:
    """The alert with the signals taken in: the one that lasts, else a new episode; an ended one that is told but once stays."""
    worst = _worst(signals)
    once = all(signal.once for signal in signals)
    rules = tuple(sorted({signal.rule for signal in signals}))
    if held is None or (held.ended_at is not None and not (once and held.once)):
        return Alert(worst.subject, now, now, now, now, worst.severity, worst.money, rules, worst.why, once)
    if held.ended_at is not None:
        return held
    if held.severe_at + timedelta(hours=policy.quiet_hours) < now:
        held = _relaxed(held, signals, worst, now)
    above = _rank(worst.severity) - _rank(held.severity)
    return held._replace(
        fired_at=now, severe_at=now if above >= 0 else held.severe_at, severity=worst.severity if above > 0 else held.severity,
        money=max(held.money, worst.money), rules=tuple(sorted({*held.rules, *rules})),
        why=worst.why if above > 0 or worst.money > held.money else held.why, once=held.once and once,
        told_money=_money(held, [one for one in signals if one.rule not in dict(held.told_money)], max),
    )  # fmt: skip


def _relaxed(held: Alert, signals: Sequence[Signal], worst: Signal, now: datetime) -> Alert:
    """An alert that was not as severe for long is as severe as now: what then grows again is news, and told."""
    told = held.told_severity and min(held.told_severity, worst.severity, key=_rank)
    return held._replace(
        severe_at=now, severity=worst.severity, money=worst.money, told_severity=told,
        told_money=_money(held, signals, min),
    )  # fmt: skip


def _money(
    alert: Alert, signals: Sequence[Signal], choose: Callable[[Decimal, Decimal], Decimal]
) -> tuple[tuple[str, Decimal], ...]:
    """Money by rule: of those that fire the one chosen of what was told and is now; of the others what was told."""
    told = dict(alert.told_money)
    for one in signals:
        told[one.rule] = choose(told.get(one.rule, one.money), one.money)
    return tuple(sorted(told.items()))


def _worst(signals: Sequence[Signal]) -> Signal:
    """Of several signals the most severe, then the dearest one, with the largest money of all."""
    worst = max(signals, key=lambda one: (_rank(one.severity), one.money))
    return worst._replace(money=max(one.money for one in signals))


def _quiet(alert: Alert, signals: Sequence[Signal], now: datetime, policy: Telling) -> bool:
    """Whether it was quiet for so long that it is over; a signal at the very end of that time still goes on with it."""
    ends = alert.fired_at + timedelta(hours=policy.quiet_hours)
    return ends < now if signals else ends <= now


def _to_tell(alert: Alert, signals: Sequence[Signal], now: datetime, policy: Telling) -> str:
    """The kind of notice that is due; '': none."""
    if alert.told_at is None:
        return OPENED
    if _rank(alert.severity) > _rank(alert.told_severity):
        return WORSE
    told = dict(alert.told_money)
    if any(0 < told.get(one.rule, _NOTHING) * policy.worse <= one.money for one in signals):
        return WORSE
    waits = policy.unanswered.get(alert.severity)
    if waits is None or alert.acknowledged_by or alert.level >= policy.levels:
        return ""
    return UNANSWERED if alert.told_at + timedelta(hours=waits) <= now else ""


def _end(alert: Alert, now: datetime, silences: Collection[Silence]) -> tuple[Alert, list[Notice]]:
    """It is over; who was told that it began is told that, unless it is silent now."""
    if alert.told_at is None or any(one.holds(alert.subject, alert.severity, now) for one in silences):
        return alert._replace(seen_at=now, ended_at=now), []
    notice = Notice(ENDED, alert.subject, alert.told_severity, alert.level, alert.money, alert.why)
    return alert._replace(seen_at=now, ended_at=now), [notice]


def _rank(severity: str) -> int:
    if severity not in SEVERITIES:
        raise AlertError(f"{severity!r} is no severity; possible: {', '.join(SEVERITIES)}")
    return SEVERITIES.index(severity)
