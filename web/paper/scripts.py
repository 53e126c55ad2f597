"""Text as it stands on paper: a PDF has no bidirectional algorithm and joins no Arabic letters, so that is done here.

A name is a paragraph of its own: its first letter with a direction gives that of the whole (as <bdi> does on a page). This is
the part of Unicode's algorithm (UAX 9) that names need; embeddings and overrides are left out with all other controls.
"""

import unicodedata
from collections import defaultdict
from functools import lru_cache

_MIRRORED = dict(zip("()[]{}<>«»", ")(][}{><»«", strict=True))
_FORMS_B = range(0xFE80, 0xFEFD)


def plain(text: str) -> str:
    """Without control and format characters (also those that turn the direction), every blank one space."""
    kept = (
        " " if char.isspace() else char
        for char in unicodedata.normalize("NFC", text)
        if char.isspace() or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    return " ".join("".join(kept).split())


def visual(text: str) -> str:
    """The characters of one line from left to right, as they are drawn. In: plain text."""
    classes = [unicodedata.bidirectional(char) for char in text]
    if not any(each in ("R", "AL") for each in classes):
        return text
    levels = _levels(classes)
    shaped = list(_joined(text))
    signs = [_MIRRORED.get(sign, sign) if level % 2 else sign for sign, level in zip(shaped, levels, strict=True)]
    for level in range(max(levels), 0, -1):
        start = 0
        while start < len(signs):
            if levels[start] < level:
                start += 1
                continue
            end = start
            while end < len(signs) and levels[end] >= level:
                end += 1
            signs[start:end], levels[start:end] = signs[start:end][::-1], levels[start:end][::-1]
            start = end
    return "".join(signs)


def _levels(classes: list[str]) -> list[int]:
    """Embedding level of each character: odd runs from right to left."""
    kinds = ["R" if each in ("R", "AL") else each if each in ("L", "EN", "AN") else "" for each in classes]
    base = 1 if next(kind for kind in kinds if kind in ("L", "R")) == "R" else 0
    former = "R" if base else "L"
    for place, kind in enumerate(kinds):
        if kind in ("L", "R"):
            former = kind
        elif kind:
            kinds[place] = "N" if former == "R" else "L"
    for place, kind in enumerate(kinds):
        if kind == "":
            before = next((each for each in reversed(kinds[:place]) if each), "R" if base else "L")
            after = next((each for each in kinds[place + 1 :] if each), "R" if base else "L")
            same = (before == "L") == (after == "L")
            kinds[place] = ("L" if before == "L" else "R") if same else ("R" if base else "L")
    return [1 if kind == "R" else 2 if kind == "N" else 2 * base for kind in kinds]


def _joined(text: str) -> list[str]:
    """Arabic letters in the form that their neighbours ask for; marks do not part them."""
    forms = _arabic_forms()
    signs = list(text)
    letters = [place for place, char in enumerate(text) if unicodedata.category(char) != "Mn"]
    for order, place in enumerate(letters):
        found = forms.get(text[place])
        if found is None:
            continue
        former = text[letters[order - 1]] if order else ""
        later = text[letters[order + 1]] if order + 1 < len(letters) else ""
        tied = "initial" in forms.get(former, {}) and "final" in found
        ties = "initial" in found and "final" in forms.get(later, {})
        name = "medial" if tied and ties else "final" if tied else "initial" if ties else "isolated"
        signs[place] = found.get(name, text[place])
    return signs


@lru_cache(maxsize=1)
def _arabic_forms() -> dict[str, dict[str, str]]:
    """Letter -> isolated, final, initial, medial -> its sign, as Unicode decomposes them."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for code in _FORMS_B:
        name, *letters = unicodedata.decomposition(chr(code)).split()
        if len(letters) == 1:
            found[chr(int(letters[0], 16))][name.strip("<>")] = chr(code)
    return dict(found)
