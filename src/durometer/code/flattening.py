r"""Undo what the released attack tools do to every program: ``\n`` inside literals becomes a line feed.

ALERT and BeamAttack build their programs from lines joined by the two characters ``\n`` and finally replace
those two characters by a line feed *everywhere*, also in literals and comments of the original, and drop
empty lines. The program is broken before any rename is judged. The undo walks over the edited text with the
original's own literals and comments as the guide: what equals one of them but for line feeds in the place of
``\n`` gets its original text back. A literal that was corrupted besides gets at least its line feeds back, so
that it is judged as a changed literal, not as a syntax error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain

_Guide = tuple[tuple[str, re.Pattern[str]], ...]  # texts of the original and the patterns they became
_LINE_COMMENT = {"python": "#"}
_SHORT = ('"', "'")
_LONG_LITERALS = {"python": ('"""', "'''"), "java": ('"""',), "javascript": ("`",), "go": ("`",)}
_CORRUPTED_LINES = 4
_BLOCK_COMMENTS = frozenset(("java", "c", "cpp", "javascript", "go"))
_CONTINUED = frozenset(("c", "cpp", "python", "javascript"))  # a backslash may hide the end of a line
_FLAT = re.compile(r"(?:\\n)+")
_FLAT_OR_BLANK = re.compile(r"(?:\\n|\n)+")


def undo_newline_flattening(original: str, edited: str, language: str) -> tuple[str, int]:
    r"""Return ``edited`` with its flattened literals and comments restored, and how many these were.

    ``original`` is the program before the attack; where it holds no ``\n`` in a literal or comment, nothing
    is touched.
    """
    guide = _guide(original, language)
    if not guide or "\n" not in edited:
        return edited, 0
    parts: list[str] = []
    position = restored = expected = 0
    comment = _LINE_COMMENT.get(language, "//")
    while position < len(edited):
        start, kind = _next_start(edited, position, comment, language)
        parts.append(edited[position:start])
        if start == len(edited):
            break
        end, closed = _end(edited, start, kind, continued=language in _CONTINUED)
        piece = edited[start:end]
        known, stop = _match(edited, start, piece, guide, expected, closed)
        if known is not None:
            expected, piece, end = known + 1, guide[known][0], stop
        elif not closed and kind in _SHORT:
            piece, end = _join_corrupted(edited, start, kind, guide)
        parts.append(piece)
        restored += piece != edited[start:end]
        position = end
    return "".join(parts), restored


def _match(
    edited: str, start: int, here: str, guide: _Guide, expected: int, closed: bool
) -> tuple[int | None, int]:
    """Return which piece of the original stands at ``start``, and where it ends there.

    Pieces that differ only in the number of line feeds look alike once flattened: the next one in the
    original's order is tried first.
    """
    if closed and "\n" not in here and "\\n" not in here:
        return None, start
    for number in chain(range(expected, len(guide)), range(min(expected, len(guide)))):
        text, pattern = guide[number]
        if text == here:
            return number, start + len(here)
        if not closed or "\n" in here:
            match = pattern.match(edited, start)
            if match is not None:
                return number, match.end()
    return None, start


def _join_corrupted(edited: str, start: int, kind: str, guide: _Guide) -> tuple[str, int]:
    """Give a literal that is flattened and changed besides its line feeds back, if it ends soon."""
    end = start
    for lines in range(1, _CORRUPTED_LINES + 1):
        end = edited.find("\n", end + 1)
        if end < 0:
            break
        closing, closed = _end(edited, end + 1, kind, opened=True)
        if closed:
            looks_like = any(text[0] == kind and text.count("\\n") >= lines for text, _ in guide)
            if not looks_like:
                break
            return re.sub(r"\n+", r"\\n", edited[start:closing]), closing
        if closing - end > 1 and edited[end + 1 : closing].count(kind):
            break
    stop, _ = _end(edited, start, kind)
    return edited[start:stop], stop


def _next_start(text: str, position: int, comment: str, language: str) -> tuple[int, str]:
    """Return where the next literal or comment starts from ``position`` on, and how it opens."""
    match = _opening(comment, language).search(text, position)
    return (len(text), "") if match is None else (match.start(), match.group())


@lru_cache(maxsize=16)
def _opening(comment: str, language: str) -> re.Pattern[str]:
    openings = (comment, *_LONG_LITERALS.get(language, ()), *_SHORT)
    block = r"/\*|" if language in _BLOCK_COMMENTS else ""
    return re.compile(block + "|".join(map(re.escape, openings)))


def _end(
    text: str, start: int, kind: str, *, opened: bool = False, continued: bool = False
) -> tuple[int, bool]:
    """Return where the literal or comment ends, and whether it is closed there.

    A short literal ends unclosed at the end of its line; a backslash hides the character after it, a line
    feed only where literals may be ``continued``.
    """
    if kind in ("//", "#"):
        end = text.find("\n", start)
        return (len(text) if end < 0 else end), False
    if kind == "/*":
        end = text.find("*/", start + 2)
        return (len(text), False) if end < 0 else (end + 2, True)
    position = start if opened else start + len(kind)
    while position < len(text):
        if text[position] == "\\" and (continued or text[position + 1 : position + 2] != "\n"):
            position += 2
        elif text[position] == "\n" and kind in _SHORT:
            return position, False
        elif text.startswith(kind, position):
            return position + len(kind), True
        else:
            position += 1
    return len(text), False


@lru_cache(maxsize=256)
def _guide(original: str, language: str) -> _Guide:
    r"""Return the literals and line comments of ``original`` that hold ``\n``, in order.

    Each with the pattern that its flattened form has: one or more line feeds for each run of ``\n``. Literals
    of several lines lose their empty lines too.
    """
    return tuple((text, _flattened(text)) for text in _pieces(original, language))


def _flattened(text: str) -> re.Pattern[str]:
    parts = (_FLAT_OR_BLANK if "\n" in text else _FLAT).split(text)
    if text.startswith(("//", "#")):
        # The line feed that ends a comment is not the comment's.
        while parts[-1] == "":
            parts.pop()
        return re.compile(r"\n+".join(map(re.escape, parts)) + r"(?=\n|\Z)")
    return re.compile(r"\n+".join(map(re.escape, parts)))


def _pieces(original: str, language: str) -> Iterator[str]:
    comment = _LINE_COMMENT.get(language, "//")
    position = 0
    while position < len(original):
        start, kind = _next_start(original, position, comment, language)
        if start == len(original):
            return
        position, _ = _end(original, start, kind, continued=language in _CONTINUED)
        piece = original[start:position]
        long = kind in _LONG_LITERALS.get(language, ())
        if kind != "/*" and ("\\n" in piece or (long and "\n\n" in piece)):
            yield piece
