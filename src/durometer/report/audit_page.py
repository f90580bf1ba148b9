"""The page of an audit: the numbers, and examples of each reason side by side. No script, no request.

Code on it is hostile: it is escaped, characters that reorder or hide text are written out, and long lines
and programs are cut where the page says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from markupsafe import Markup

from durometer.report.audit_tables import WORDS, Audited, AuditedFile, to_json, total
from durometer.report.files import write_text
from durometer.report.html import allowed, asset, environment

EXAMPLES_PER_REASON = 6
_LINES_AROUND = 14  # shown before and after the first offending line
_LINE_LIMIT = 300  # characters
_LINES_LIMIT = 2000  # lines of a program that are aligned at all
_RUN = re.compile(r"([\w$]+)")
# Controls, and what reorders, hides or imitates text (Unicode TR 36 and 39).
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)

Piece = tuple[str, bool]  # text, whether it changed


@dataclass(frozen=True)
class Line:
    """One line of a program: its number (0: no such line), its text in pieces, whether it offends."""

    number: int
    pieces: tuple[Piece, ...]
    offends: bool = False


@dataclass(frozen=True)
class Pair:
    """Original and adversarial program of one example, cut to what matters."""

    audited: Audited
    lines: tuple[tuple[Line, Line], ...]
    hidden: int


def write_page(audited: Sequence[AuditedFile], path: Path) -> None:
    """Write the page; the file appears whole or not at all."""
    write_text(path, page(audited))


def page(audited: Sequence[AuditedFile]) -> str:
    """Return the page's HTML."""
    templates = environment()
    templates.filters["visible"] = visible
    style, whole = asset("audit.css"), total(audited)
    return templates.get_template("audit.html.j2").render(
        style=Markup(style),
        policy=f"default-src 'none'; style-src {allowed(style)}; base-uri 'none'; form-action 'none'",
        files=[to_json(file) for file in audited],
        whole=to_json(whole),
        sections=[
            (name, WORDS[name], count, examples(whole, name))
            for classes in (whole.tally.reasons, whole.tally.notes)
            for name, count in classes.items()
        ],
    )


def examples(file: AuditedFile, name: str) -> list[Pair]:
    """Return examples of a reason or note: those with the fewest other reasons first, one per original."""
    having = [one for one in file.successes if name in (*one.finding.reasons, *one.finding.notes)]
    having.sort(key=lambda one: (len(one.finding.reasons), len(one.example.original)))
    first: dict[str, Audited] = {}
    for one in having:
        first.setdefault(one.example.original, one)
    return [side_by_side(one) for one in list(first.values())[:EXAMPLES_PER_REASON]]


def side_by_side(audited: Audited) -> Pair:
    """Align the two programs by lines and cut them to the surroundings of the first offending line."""
    before, after = (_numbered(text) for text in (audited.example.original, audited.finding.restored))
    offending = audited.finding.first_line
    rows: list[tuple[Line, Line]] = []
    matcher = SequenceMatcher(None, [text for _, text in before], [text for _, text in after], autojunk=False)
    for _, a, b, c, d in matcher.get_opcodes():
        for offset in range(max(b - a, d - c)):
            left = before[a + offset] if a + offset < b else (0, "")
            right = after[c + offset] if c + offset < d else (0, "")
            old, new = _marked(left[1], right[1])
            rows.append((Line(left[0], old), Line(right[0], new, bool(right[0]) and right[0] == offending)))
    centre = next((n for n, (_, right) in enumerate(rows) if right.offends), None)
    if centre is None:
        centre = next((n for n, (left, right) in enumerate(rows) if left.pieces != right.pieces), 0)
    start, stop = max(0, centre - _LINES_AROUND), centre + _LINES_AROUND + 1
    return Pair(audited, tuple(rows[start:stop]), max(0, len(rows) - stop) + start)


def visible(text: str) -> str:
    """Write out characters that cannot be seen or that change the order of others."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", text)


def _numbered(code: str) -> list[tuple[int, str]]:
    """Return the lines that are not blank (the attack tools drop those), numbered from 1 and cut."""
    lines = enumerate(code.split("\n"), start=1)
    return [
        (n, line.rstrip()[:_LINE_LIMIT] + "…" * (len(line) > _LINE_LIMIT))
        for n, line in lines
        if line.strip()
    ][:_LINES_LIMIT]


def _marked(old: str, new: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Split two lines into pieces, those that differ marked."""
    if old == new:
        return ((visible(old), False),), ((visible(new), False),)
    left, right = _RUN.split(old), _RUN.split(new)
    pieces: tuple[list[Piece], list[Piece]] = ([], [])
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for side, texts in zip(pieces, (left[a:b], right[c:d]), strict=True):
            if text := "".join(texts):
                side.append((visible(text), tag != "equal"))
    return tuple(pieces[0]), tuple(pieces[1])
