"""Two actors on one database, in every order of the points at which they take a lock or commit.

Each actor is a thread, with the threads that it starts. It stops before each statement that takes a lock and before each
commit of a transaction that took one or wrote, until it is told to go on; an actor that waits in the database for the
other is left waiting. ``explore`` runs a scenario once per order: a walk through the tree of choices, with nothing left to
chance. Orders in which an actor is interrupted more often than ``interruptions`` are left out: nearly all that can go wrong
between two does so with one or two, and all orders of 50 points with 40 are more than 10 to the 25th.

Without ``waits`` who stands before an advisory lock that the other holds goes on only once it is free, as model checkers take a
lock: to be told to wait for it and to be told so after the other's commit lead to the same, as under READ COMMITTED the next
statement sees what was committed either way.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

_SECONDS = 60.0  # who neither arrives at a point nor waits for a lock for so long hangs
_POLL, _STEADY = 0.005, 3  # how often it is looked, and how many looks in a row a session waits that waits
_LOCKS = re.compile(r"pg_(try_)?advisory_(xact_)?lock|\bFOR (NO KEY )?UPDATE\b|\bLOCK TABLE\b", re.IGNORECASE)
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE|TRUNCATE|CREATE|ALTER|DROP)\b", re.IGNORECASE)
_WAITS_FOR = re.compile(r"pg_advisory_xact_lock", re.IGNORECASE)
_WAITING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
    "AND backend_type = 'client backend'"
)
Works = dict[str, Callable[[], Any]]
Wanted = Callable[[str, Any], bool]
Lock = tuple[str, ...]


class Actor(threading.Thread):
    """One of the two. Of the threads that it starts one at a time stands at a point."""

    def __init__(self, name: str, work: Callable[[], Any]) -> None:
        super().__init__(name=name, daemon=True)
        self.work = work
        self.error: BaseException | None = None
        self.points: list[str] = []
        self.wants: Lock | None = None  # the advisory lock before which it stands
        self.holds: dict[int, set[Lock]] = {}  # by connection, until it commits or rolls back
        self.arrived, self.told, self.done = threading.Event(), threading.Event(), threading.Event()
        self._one = threading.Lock()

    def run(self) -> None:
        """Do the work, from the first point to the last."""
        try:
            self.point("begin")
            self.work()
        except BaseException as error:  # noqa: BLE001  told to who runs the scenario
            self.error = error
        finally:
            connections.close_all()
            self.done.set()
            self.arrived.set()

    def point(self, name: str, wants: "Lock | None" = None) -> None:
        """Stop here until told to go on."""
        with self._one:
            self.points.append(name)
            self.wants = wants
            self.told.clear()
            self.arrived.set()
            self.told.wait()

    def go_on(self) -> None:
        """Let it run from its point."""
        self.arrived.clear()
        self.told.set()


def every_lock(_sql: str, _params: Any) -> bool:
    """Stop before every lock."""
    return True


def _actor() -> Actor | None:
    me: Any = threading.current_thread()
    actor = getattr(me, "actor", me)
    return actor if isinstance(actor, Actor) else None


def _pause(name: str, wants: Lock | None = None) -> None:
    if actor := _actor():
        actor.point(name, wants)


def _advisory(sql: str, params: Any) -> Lock | None:
    """The advisory lock that a statement waits for until its transaction ends."""
    return tuple(map(str, params)) if params and _WAITS_FOR.search(sql) else None


def _release(db: Any) -> None:
    if actor := _actor():
        actor.holds.pop(id(db), None)


def _before(db: Any, sql: str, params: Any, wanted: Wanted) -> None:
    """Stop before a lock, and before a write that commits at once; note what makes the commit of a transaction a point."""
    if _LOCKS.search(sql):
        if wanted(sql, params):
            _pause(sql, _advisory(sql, params))
            db.at_a_point = True
    elif wanted is every_lock and _WRITES.match(sql):
        if db.in_atomic_block:
            db.at_a_point = True
        else:
            _pause(sql)


@contextmanager
def _points(monkeypatch: pytest.MonkeyPatch, wanted: Wanted) -> Iterator[None]:
    execute, commit, roll_back = CursorWrapper.execute, BaseDatabaseWrapper._commit, BaseDatabaseWrapper._rollback
    start = threading.Thread.start

    def starting(self: Any) -> None:
        self.actor = self if isinstance(self, Actor) else getattr(threading.current_thread(), "actor", None)
        start(self)

    def pausing_execute(self: Any, sql: Any, params: Any = None) -> Any:
        _before(self.db, str(sql), params, wanted)
        done = execute(self, sql, params)
        if (lock := _advisory(str(sql), params)) and (actor := _actor()):
            actor.holds.setdefault(id(self.db), set()).add(lock)
        return done

    def pausing_commit(self: Any) -> Any:
        if getattr(self, "at_a_point", False):
            _pause("commit")
        self.at_a_point = False
        done = commit(self)
        _release(self)
        return done

    def forgetting(self: Any) -> Any:
        self.at_a_point = False
        done = roll_back(self)
        _release(self)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", starting)
        patch.setattr(CursorWrapper, "execute", pausing_execute)
        patch.setattr(BaseDatabaseWrapper, "_commit", pausing_commit)
        patch.setattr(BaseDatabaseWrapper, "_rollback", forgetting)
        yield


def _settle(actors: Sequence[Actor]) -> None:
    """Until each actor stands at a point, is done, or waits in the database for the other."""
    steady, since = 0, time.monotonic()
    while running := [actor for actor in actors if not actor.arrived.is_set()]:
        with connection.cursor() as cursor:
            cursor.execute(_WAITING)
            steady = steady + 1 if len(cursor.fetchall()) >= len(running) else 0
        if steady >= _STEADY and any(actor.arrived.is_set() and not actor.done.is_set() for actor in actors):
            return
        assert time.monotonic() - since < _SECONDS, f"{[actor.name for actor in running]} hang, or wait for each other"
        running[0].arrived.wait(_POLL)


@dataclass
class Order:
    """One order as it was run: the choices made, how many there were at each, and the points each actor came by."""

    made: list[int] = field(default_factory=list)
    possible: list[int] = field(default_factory=list)
    points: dict[str, list[str]] = field(default_factory=dict)


def _free(actor: Actor, actors: Sequence[Actor]) -> bool:
    """Whether nobody else holds the advisory lock before which it stands."""
    others = [lock for other in actors if other is not actor for held in other.holds.values() for lock in held]
    return actor.wants is None or actor.wants not in others


def run(
    monkeypatch: pytest.MonkeyPatch, works: Works, plan: Sequence[int], wanted: Wanted = every_lock, *, waits: bool = True
) -> Order:  # fmt: skip
    """Run one order: at the n-th choice the actor ``plan[n]`` of those that can go on; beyond the plan the first.

    Raises what an actor raised.
    """
    actors = [Actor(name, work) for name, work in works.items()]
    order = Order()
    last: Actor | None = None
    with _points(monkeypatch, wanted):
        for actor in actors:
            actor.start()
        _settle(actors)
        while not all(actor.done.is_set() for actor in actors):
            ready = [actor for actor in actors if actor.arrived.is_set() and not actor.done.is_set()]
            if not waits:
                ready = [actor for actor in ready if _free(actor, actors)] or ready
            ready.sort(key=lambda actor: actor is not last)  # the first choice is to go on with the same
            at = len(order.made)
            choice = min(plan[at] if at < len(plan) else 0, len(ready) - 1)
            order.made.append(choice)
            order.possible.append(len(ready))
            last = ready[choice]
            last.go_on()
            _settle(actors)
        for actor in actors:
            actor.join(10)
    order.points = {actor.name: actor.points for actor in actors}
    for actor in actors:
        if actor.error is not None:
            raise actor.error
    return order


def explore(
    monkeypatch: pytest.MonkeyPatch,
    scenario: Callable[[], Works],
    check: Callable[[], None],
    interruptions: int,
    wanted: Wanted = every_lock,
    *,
    waits: bool = True,
) -> list[Order]:
    """Run every order of a scenario and check each; returns them. ``scenario`` makes a fresh state."""
    plan: list[int] | None = []
    orders = []
    while plan is not None:
        order = run(monkeypatch, scenario(), plan, wanted, waits=waits)
        check()
        orders.append(order)
        plan = _next(order.made, order.possible, interruptions)
    return orders


def _next(made: list[int], possible: list[int], interruptions: int) -> list[int] | None:
    """The next leaf of the tree of choices, depth first; a choice other than 0 is an interruption, but who begins."""
    for at in range(len(made) - 1, -1, -1):
        if made[at] + 1 < possible[at] and (not at or sum(map(bool, made[1:at])) < interruptions):
            return [*made[:at], made[at] + 1]
    return None
