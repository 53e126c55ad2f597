"""When too much of an input is rejected, it is of a wrong kind or read by a wrong mapping: the import stops."""

from collections import Counter
from dataclasses import dataclass

from ingest.reading import Group

MAX_REJECTED_SHARE, MAX_REJECTED_IN_A_ROW = 0.20, 100


@dataclass
class Breaker:
    """``open`` says why the import must stop; empty: it goes on. ``rest``: what has it take the rest, in words."""

    off: bool
    first: bool = True
    streak: int = 0
    open: str = ""
    rest: str = "--accept-bad"

    def see(self, group: Group, good: int) -> None:
        bad = len(group.rejects)
        if self.off or not group.read:
            return
        self.streak = self.streak + bad if not good else _longest_streak(group)
        if self.streak >= MAX_REJECTED_IN_A_ROW:
            self.open = f"{self.streak} records in a row were rejected"
        elif self.first and bad > MAX_REJECTED_SHARE * group.read and group.read >= 5:
            self.open = f"{bad} of the first {group.read} records were rejected"
        elif self.first and bad == group.read:
            self.open = f"all of the first {group.read} records were rejected"
        if self.open:
            reasons = Counter(place.reason for place in group.rejects).most_common(3)
            first = group.rejects[0]
            self.open += (
                f" ({', '.join(f'{reason}: {count}' for reason, count in reasons)}; the first at {first.place}: "
                f"{first.reason} {first.detail})"
            )
            if self.rest:
                self.open += f"; if the kind and mapping are right, {self.rest} takes the rest"
        self.first = False


def _longest_streak(group: Group) -> int:
    """Rejects in a row by line numbers; a group without them counts no streak."""
    lines = sorted(int(place.place[5:]) for place in group.rejects if place.place.startswith("line "))
    longest = streak = 0
    for index, line in enumerate(lines):
        streak = streak + 1 if index and line == lines[index - 1] + 1 else 1
        longest = max(longest, streak)
    return longest
