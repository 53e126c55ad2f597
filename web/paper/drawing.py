"""A canvas with our fonts: text that fits its place, in every script we have signs for, and figures flush right."""

from functools import lru_cache
from io import BytesIO
from pathlib import Path

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from web.paper.scripts import plain, visual

FONTS = Path(__file__).with_name("fonts")
REGULAR, BOLD, EAST_ASIAN = "Sheet", "Sheet-Bold", "STSong-Light"
INK, MUTED, LINE, ACCENT, UP, WARNING = "#14202b", "#5d6b78", "#d9dfe4", "#0f6b66", "#b23a22", "#a9500b"
COLOURS = {
    "simple": "#9fd3bf", "moderate": "#4fa39a", "complex": "#2a6a93", "research": "#2d2a63", "idle": "#b4bec7",
    "other": ACCENT,
}  # fmt: skip
WIDTH, HEIGHT = map(float, A4)
MARGIN = 48.0
RIGHT = WIDTH - MARGIN
_NO_SIGN = "\ufffd"
_ELLIPSIS = "\u2026"


@lru_cache(maxsize=1)
def _load() -> dict[str, frozenset[int]]:
    """Register the fonts, once a process; font -> the characters it has."""
    for name, file in ((REGULAR, "DejaVuSansCondensed.ttf"), (BOLD, "DejaVuSansCondensed-Bold.ttf")):
        pdfmetrics.registerFont(TTFont(name, str(FONTS / file), shapable=False))
    pdfmetrics.registerFont(UnicodeCIDFont(EAST_ASIAN))  # drawn with the reader's own font: none of ours has these
    return {name: frozenset(pdfmetrics.getFont(name).face.charToGlyph) for name in (REGULAR, BOLD)}


class Paper:
    """One PDF in the making, A4. Coordinates in points from the lower left."""

    def __init__(self, title: str, subject: str) -> None:
        self._signs = _load()
        self._out = BytesIO()
        self.canvas = Canvas(self._out, pagesize=A4, invariant=1, pageCompression=1)  # the same sheet is the same bytes
        self.canvas.setTitle(plain(title))
        self.canvas.setSubject(plain(subject))
        self.canvas.setAuthor("Inference Ledger")
        self.canvas.setCreator("Inference Ledger")

    def finished(self) -> bytes:
        """The file."""
        self.canvas.save()
        return self._out.getvalue()

    def text(  # noqa: PLR0913  a place, a size, a look
        self, x: float, y: float, text: str, size: float = 9, *, bold: bool = False, colour: str = INK,
        width: float | None = None, right: bool = False,
    ) -> float:  # fmt: skip
        """Draw one line, cut with an ellipsis at ``width``; ``x`` is its end if ``right``. Returns the width drawn."""
        shown = self.fitted(text, size, bold=bold, width=width)
        runs = self._runs(visual(shown), bold=bold)
        length = _length(runs, size)
        at = x - length if right else x
        self.canvas.setFillColor(HexColor(colour))
        for font, part in runs:
            self.canvas.setFont(font, size)
            self.canvas.drawString(at, y, part)
            at += _length([(font, part)], size)
        return length

    def fitted(self, text: str, size: float, *, bold: bool = False, width: float | None = None) -> str:
        """The text as far as it fits, with an ellipsis where something is left out."""
        kept = plain(text)
        if width is None or self.width(kept, size, bold=bold) <= width:
            return kept
        while kept and self.width(kept + _ELLIPSIS, size, bold=bold) > width:
            kept = kept[:-1].rstrip()
        return kept + _ELLIPSIS

    def width(self, text: str, size: float, *, bold: bool = False) -> float:
        """How long a line would be."""
        return _length(self._runs(text, bold=bold), size)

    def wrapped(self, text: str, size: float, width: float, most: int) -> list[str]:
        """Lines no longer than ``width``, at most ``most``; what does not fit ends in an ellipsis."""
        words, lines = plain(text).split(), [""]
        for place, word in enumerate(words):
            longer = f"{lines[-1]} {word}".strip()
            if self.width(longer, size) <= width:
                lines[-1] = longer
            elif len(lines) == most:
                lines[-1] = self.fitted(f"{lines[-1]} {' '.join(words[place:])}", size, width=width)
                break
            else:
                lines.append(self.fitted(word, size, width=width))
        return lines

    def rule(
        self, y: float, *, left: float = MARGIN, right: float = RIGHT, colour: str = LINE, weight: float = 0.6
    ) -> None:
        """A hairline across."""
        self.canvas.setStrokeColor(HexColor(colour))
        self.canvas.setLineWidth(weight)
        self.canvas.line(left, y, right, y)

    def box(self, x: float, y: float, width: float, height: float, colour: str, radius: float = 0) -> None:
        """A filled rectangle."""
        self.canvas.setFillColor(HexColor(colour))
        self.canvas.roundRect(x, y, width, height, radius, stroke=0, fill=1)

    def logo(self, x: float, y: float, size: float = 18) -> None:
        """The mark: four layers, light to dark."""
        self.canvas.saveState()
        path = self.canvas.beginPath()
        path.roundRect(x, y, size, size, size / 4)
        self.canvas.clipPath(path, stroke=0, fill=0)
        for place, tier in enumerate(("research", "complex", "moderate", "simple")):
            self.box(x, y + place * size / 4, size, size / 4 + 0.2, COLOURS[tier])
        self.canvas.restoreState()

    def next_page(self) -> None:
        """Go on with a fresh page."""
        self.canvas.showPage()

    def _runs(self, text: str, *, bold: bool) -> list[tuple[str, str]]:
        """Pieces with the font that has their signs; one that no font has is shown as such."""
        own = BOLD if bold else REGULAR
        found: list[tuple[str, str]] = []
        for char in text:
            east = _is_east_asian(ord(char)) and ord(char) not in self._signs[own]
            font, sign = (EAST_ASIAN, char) if east else (own, char if ord(char) in self._signs[own] else _NO_SIGN)
            if found and found[-1][0] == font:
                found[-1] = (font, found[-1][1] + sign)
            else:
                found.append((font, sign))
        return found


def _length(runs: list[tuple[str, str]], size: float) -> float:
    return float(sum(pdfmetrics.stringWidth(part, font, size) for font, part in runs))


def _is_east_asian(code: int) -> bool:
    return 0x2E80 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0xFF00 <= code <= 0xFFEF
