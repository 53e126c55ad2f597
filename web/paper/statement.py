"""A statement on paper: the first page says it all, the detail lies behind it."""

from web.paper.drawing import ACCENT, COLOURS, HEIGHT, INK, LINE, MARGIN, MUTED, RIGHT, UP, WARNING, Paper
from web.statement_sheet import DetailLine, Sheet

_WIDE = RIGHT - MARGIN
_TOP, _BOTTOM = HEIGHT - 46, 58.0
_ROW = 15.5
_LINES = int((_TOP - 62 - _BOTTOM - 22) // _ROW)
# name, place of its edge, flush right
_COLUMNS = (
    ("Basis", MARGIN, 62.0), ("Team", MARGIN + 68, 62.0), ("Model", MARGIN + 136, 136.0), ("Tier", MARGIN + 278, 46.0),
    ("Queries", MARGIN + 368, 0.0), ("Tokens", MARGIN + 434, 0.0), ("Amount", RIGHT, 0.0),
)  # fmt: skip
_FIRST_FIGURE = 4


def pdf(sheet: Sheet) -> bytes:
    """The statement as a PDF file, the same bytes for the same sheet."""
    paper = Paper(f"Statement {sheet.number}", f"{sheet.title}, {sheet.month}: {sheet.charged}")
    chunks = [sheet.lines[at : at + _LINES] for at in range(0, len(sheet.lines), _LINES)] or [[]]
    pages = 1 + len(chunks)
    _first(paper, sheet, pages)
    for number, lines in enumerate(chunks, start=2):
        paper.next_page()
        _detail(paper, sheet, lines, number, pages)
    return paper.finished()


def _first(paper: Paper, sheet: Sheet, pages: int) -> None:
    y = _head(paper, sheet)
    y = _amount(paper, sheet, y - 40)
    y = _section(paper, "What cost most", y - 30, aside=f"of {sheet.amount}")
    y = _drivers(paper, sheet, y)
    y = _section(paper, "On what basis", y - 30)
    y = _parts(paper, sheet, y)
    y = _section(paper, "Against the budget", y - 30, aside=f"year from {sheet.year_from}")
    y = _plans(paper, sheet, y)
    _notes(paper, sheet, y - 30)
    _foot(paper, sheet, 1, pages)


def _head(paper: Paper, sheet: Sheet) -> float:
    paper.logo(MARGIN, _TOP - 12, 17)
    paper.text(MARGIN + 25, _TOP - 7.5, "Inference Ledger", 10.5, bold=True)
    words = "DRAFT" if sheet.draft else sheet.kind
    colour = WARNING if sheet.draft or sheet.showback else MUTED
    paper.text(
        RIGHT, _TOP - 7.5, f"Statement {sheet.number.split(' ')[0]} \u00b7 {words}", 9, colour=colour, right=True
    )
    y = _TOP - 58
    paper.text(MARGIN, y, sheet.title, 22, bold=True, width=_WIDE - 130)
    paper.text(RIGHT, y, sheet.month, 14, right=True, colour=MUTED)
    told = [sheet.code if sheet.name else "", f"issued {sheet.issued}" if sheet.issued else "not issued yet"]
    paper.text(MARGIN, y - 17, " \u00b7 ".join(part for part in told if part), 9.5, colour=MUTED, width=_WIDE)
    return y - 17


def _amount(paper: Paper, sheet: Sheet, y: float) -> float:
    paper.rule(y + 24)
    paper.text(MARGIN, y, "Charged" if not sheet.showback else "Would be charged", 9, colour=MUTED)
    y -= 32
    used = paper.text(MARGIN, y, sheet.charged, 32, bold=True)
    if sheet.more is not None:
        colour = UP if sheet.more else "#1f7a4d"
        paper.text(MARGIN + used + 14, y + 12, sheet.difference, 12, bold=True, colour=colour)
        paper.text(MARGIN + used + 14, y, f"on {sheet.before_month}", 9, colour=MUTED)
    if sheet.dispute_until:
        paper.text(RIGHT, y + 15, "Dispute by the end of", 9, colour=MUTED, right=True)
        paper.text(RIGHT, y, sheet.dispute_until, 12, bold=True, right=True)
    if sheet.own:
        y -= 16
        paper.text(MARGIN, y, f"{sheet.amount} at {sheet.rate}", 9, colour=MUTED, width=_WIDE)
    y -= 24
    for line in paper.wrapped(sheet.sentence, 10.5, _WIDE, 2):
        paper.text(MARGIN, y, line, 10.5)
        y -= 15
    paper.text(MARGIN, y - 3, f"EffectiveCost in {sheet.currency}, amortised, at the minor unit; exact: {sheet.exact}", 8,
               colour=MUTED)  # fmt: skip
    return y - 3


def _section(paper: Paper, title: str, y: float, *, aside: str = "") -> float:
    paper.text(MARGIN, y, title, 11, bold=True)
    if aside:
        paper.text(RIGHT, y, aside, 8.5, colour=MUTED, right=True)
    paper.rule(y - 6)
    return y - 6


def _drivers(paper: Paper, sheet: Sheet, y: float) -> float:
    left, wide = MARGIN + 196, 156.0
    for each in sheet.drivers:
        y -= 24
        paper.text(MARGIN, y + (3.5 if each.note else -2), each.label, 9.5, bold=True, width=186)
        paper.text(MARGIN, y - 6.5, each.note, 8, colour=MUTED, width=186)
        paper.box(left, y - 3, wide, 8, "#eef1f4", 2)
        if each.part:
            paper.box(left, y - 3, max(wide * each.part, 2), 8, COLOURS[each.colour], min(2, wide * each.part / 2))
        paper.text(RIGHT - 96, y - 2, each.share, 9, colour=MUTED, right=True)
        paper.text(RIGHT, y - 2, each.amount, 10, bold=True, right=True)
        y -= 3
    if sheet.other_count:
        y -= 19
        paper.text(MARGIN, y, f"{sheet.other_count} more", 9.5, colour=MUTED)
        paper.text(RIGHT, y, sheet.other, 10, right=True)
    if not sheet.drivers and not sheet.other_count:
        y -= 19
        paper.text(MARGIN, y, "Nothing was used.", 9.5, colour=MUTED)
    return y - 4


def _parts(paper: Paper, sheet: Sheet, y: float) -> float:
    for part in sheet.parts:
        lines = paper.wrapped(part.words, 8.5, 312, 2)
        y -= 17
        paper.text(MARGIN, y, part.name, 9.5, bold=True, width=100)
        paper.text(RIGHT, y, part.amount, 10, right=True)
        if part.own:
            paper.text(RIGHT, y - 10, part.own, 8.5, colour=MUTED, right=True)
        for place, line in enumerate(lines):
            paper.text(MARGIN + 106, y - place * 11, line, 8.5, colour=MUTED)
        y -= 11 * (max(len(lines), 2 if part.own else 1) - 1)
    y -= 8
    paper.rule(y)
    y -= 14
    paper.text(MARGIN, y, "Total", 9.5, bold=True)
    paper.text(RIGHT, y, sheet.amount, 10, bold=True, right=True)
    if sheet.own:
        y -= 11
        paper.text(RIGHT, y, sheet.charged, 8.5, bold=True, right=True)
    return y


def _plans(paper: Paper, sheet: Sheet, y: float) -> float:
    edges = (RIGHT - 230, RIGHT - 115, RIGHT)
    y -= 14
    for name, edge in zip(("Budget", "Actual", "Variance"), edges, strict=True):
        paper.text(edge, y, name, 8.5, colour=MUTED, right=True)
    for plan in sheet.plans:
        y -= 16
        paper.text(MARGIN, y, plan.name, 9.5, bold=True)
        paper.text(edges[0], y, plan.budget or "no budget", 10, colour=INK if plan.budget else MUTED, right=True)
        paper.text(edges[1], y, plan.amount, 10, right=True)
        paper.text(edges[2], y, plan.variance, 10, colour=UP if plan.over else INK, right=True)
    return y


def _notes(paper: Paper, sheet: Sheet, y: float) -> None:
    told = [*sheet.notes]
    if sheet.dispute_until:
        window = f"Without a dispute by the end of {sheet.dispute_until} (UTC) it counts as accepted."
        told.append(window + (f" Questions: {sheet.contact}" if sheet.contact else ""))
    elif sheet.contact:
        told.append(f"Questions: {sheet.contact}")
    for note in told:
        for line in paper.wrapped(note, 8.5, _WIDE - 12, 2):
            if y < _BOTTOM + 8:
                return
            paper.text(MARGIN + 12, y, line, 8.5, colour=MUTED)
            y -= 12
        paper.box(MARGIN, y + 12 + 2, 4, 4, ACCENT, 1)


def _foot(paper: Paper, sheet: Sheet, page: int, pages: int) -> None:
    paper.rule(44)
    paper.text(
        MARGIN,
        31,
        f"{sheet.number} \u00b7 {sheet.title} \u00b7 SHA-256 {sheet.content_hash[:16]}",
        7.5,
        colour=MUTED,
        width=400,
    )
    behind = " \u00b7 detail behind" if page == 1 else ""
    paper.text(RIGHT, 31, f"Page {page} of {pages}{behind}", 7.5, colour=MUTED, right=True)


def _detail(paper: Paper, sheet: Sheet, lines: list[DetailLine], page: int, pages: int) -> None:
    paper.text(MARGIN, _TOP - 10, "Detail", 14, bold=True)
    paper.text(
        RIGHT,
        _TOP - 10,
        f"{sheet.title}, {sheet.month}, {sheet.own or sheet.currency}",
        9,
        colour=MUTED,
        right=True,
        width=380,
    )
    y = _TOP - 40
    for place, (name, edge, _) in enumerate(_COLUMNS):
        paper.text(edge, y, name, 8.5, colour=MUTED, right=place >= _FIRST_FIGURE)
    paper.rule(y - 6)
    for line in lines:
        y -= _ROW
        figures = line.queries, line.tokens, line.own or line.amount
        for (_, edge, wide), text in zip(_COLUMNS, (line.basis, line.team, line.model, line.tier), strict=False):
            paper.text(edge, y - 4, text or "\u2013", 8.5, width=wide, colour=INK if text else MUTED)
        for (_, edge, _), text in zip(_COLUMNS[_FIRST_FIGURE:], figures, strict=True):
            paper.text(edge, y - 4, text or "\u2013", 8.5, right=True, colour=INK if text else MUTED)
        paper.rule(y - 8.5, colour="#eef1f4")
    if page == pages:
        y -= _ROW + 2
        paper.rule(y + 7, colour=LINE, weight=1)
        paper.text(MARGIN, y - 5, "Total", 9, bold=True)
        paper.text(RIGHT, y - 5, sheet.charged, 9, bold=True, right=True)
    _foot(paper, sheet, page, pages)
