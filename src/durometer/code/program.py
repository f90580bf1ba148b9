"""A program: a snippet under an injective map of names. Immutable, and cheap to derive from another.

A rename is a copy of a list with a few entries replaced; the text is joined when it is first read.
Nothing is parsed again: that a checked rename keeps the meaning follows from the snippet's scopes and the
freshness of the new name, and ``prove`` establishes it again from the two texts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from durometer.code.reason import Reason
from durometer.code.snippet import Snippet
from durometer.code.syntax import decode, encode

_NO_RENAMES: Mapping[str, str] = MappingProxyType({})


class _Pieces:
    """A snippet's text cut at every renameable occurrence: even entries are text, odd ones names."""

    __slots__ = ("parts", "places")

    def __init__(self, snippet: Snippet) -> None:
        data = encode(snippet.source)
        names = snippet.changeable
        spots = sorted((start, name) for name in names for start in snippet.occurrences(name))
        self.parts: list[str] = []
        self.places: dict[str, list[int]] = {name: [] for name in names}
        reached = 0
        for start, name in spots:
            self.parts.append(decode(data[reached:start]))
            self.places[name].append(len(self.parts))
            self.parts.append(name)
            reached = start + len(encode(name))
        self.parts.append(decode(data[reached:]))


class Program:
    """The snippet with ``renames`` applied, or a probe: one occurrence masked, never an answer."""

    __slots__ = ("_text", "is_probe", "renames", "snippet")

    def __init__(self, snippet: Snippet, renames: Mapping[str, str] = _NO_RENAMES) -> None:
        self.snippet = snippet
        self.renames = renames
        self.is_probe = False
        self._text: str | None = None

    def __repr__(self) -> str:
        kind = "probe" if self.is_probe else "program"
        return f"<{kind} of {self.snippet!r} with {dict(self.renames)}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and self.snippet == other.snippet and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return _restore, (self.snippet, dict(self.renames), self.text if self.is_probe else None)

    @property
    def text(self) -> str:
        """The program's source text; only renamed identifiers differ from the snippet's."""
        if self._text is None:
            self._text = "".join(self._parts())
        return self._text

    def rename(self, old: str, new: str) -> Program:
        """Return the program in which the snippet's name ``old`` is called ``new``.

        Not checked: ask ``check`` first. ``new == old`` undoes an earlier rename.

        Raises:
            ValueError: ``old`` is not a renameable name of the snippet.

        """
        return self.rename_many({old: new})

    def rename_many(self, renames: Mapping[str, str]) -> Program:
        """Return the program under all of ``renames`` on top of the present ones; raises as ``rename``."""
        places = _pieces(self.snippet).places
        merged = dict(self.renames)
        for old, new in renames.items():
            if old not in places:
                raise ValueError(f"{old!r} is not a renameable name of {self.snippet!r}")
            if new == old:
                merged.pop(old, None)
            else:
                merged[old] = new
        return Program(self.snippet, MappingProxyType(merged))

    def check(self, old: str, new: str) -> Reason | None:
        """Return why ``rename(old, new)`` would be invalid, or None.

        Stricter than a proof: the new name must be fresh, used nowhere in the snippet, so that neither
        capture nor shadowing can arise (spec section 0). Whether the function's own name may be renamed is
        the caller's choice; it is valid here.
        """
        snippet = self.snippet
        if old not in _pieces(snippet).places:
            return snippet.why_not(old) or Reason.UNDECLARED
        if new == old:
            return None
        return fault_of_name(snippet, new) or self._taken(old, new)

    def mask(self, old: str, occurrence: int) -> Program:
        """Return a probe: occurrence number ``occurrence`` (from 0) of ``old`` replaced by ``<unk>``.

        Raises:
            ValueError: ``old`` is not a renameable name of the snippet.
            IndexError: it has fewer occurrences.

        """
        pieces = _pieces(self.snippet)
        if old not in pieces.places:
            raise ValueError(f"{old!r} is not a renameable name of {self.snippet!r}")
        parts = self._parts()
        parts[pieces.places[old][occurrence]] = "<unk>"
        probe = Program(self.snippet, self.renames)
        probe.is_probe = True
        probe._text = "".join(parts)
        return probe

    def name_of(self, old: str) -> str:
        """Return what the snippet's name ``old`` is called in this program."""
        return self.renames.get(old, old)

    def _parts(self) -> list[str]:
        pieces = _pieces(self.snippet)
        parts = pieces.parts.copy()
        for old, new in self.renames.items():
            for place in pieces.places[old]:
                parts[place] = new
        return parts

    def _taken(self, old: str, new: str) -> Reason | None:
        taken = any(name == new for other, name in self.renames.items() if other != old)
        return Reason.NOT_INJECTIVE if taken else None


def fault_of_name(snippet: Snippet, new: str) -> Reason | None:
    """Return why ``new`` cannot be a fresh name in ``snippet``, or None."""
    language = snippet.definition
    if language.is_risky(new):
        return Reason.RESERVED_WORD
    if not language.is_legal(new) or new.startswith(language.unusable_prefixes):
        return Reason.ILLEGAL_NAME
    taken = new in snippet.words or new in snippet.resolution.vetoes  # text that is looked up names it
    return Reason.CAPTURE if taken else None


def _pieces(snippet: Snippet) -> _Pieces:
    pieces = snippet.__dict__.get("_pieces")
    if pieces is None:
        pieces = snippet.__dict__["_pieces"] = _Pieces(snippet)
    assert isinstance(pieces, _Pieces)
    return pieces


def _restore(snippet: Snippet, renames: dict[str, str], text: str | None) -> Program:
    program = Program(snippet, MappingProxyType(renames))
    if text is not None:
        program.is_probe, program._text = True, text
    return program
