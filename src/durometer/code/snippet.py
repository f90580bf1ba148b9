"""A snippet: source text, parsed once, with the role of every name in it.

``parse`` never raises on bad code: what does not parse is not renameable. A name is kept if it belongs to a
function with a syntax error in it, or occurs anywhere beside a syntax error, in a macro body or in any
text that the grammar skipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize

from durometer.code.languages import LANGUAGES
from durometer.code.languages.base import Language
from durometer.code.reason import Reason
from durometer.code.repair import error_nodes, repaired
from durometer.code.scope import FREE, REASON_OF_ROLE, RENAMEABLE_ROLES, Resolution, Role, Use
from durometer.code.syntax import SyntaxTree, decode, encode
from durometer.types import content_hash

if TYPE_CHECKING:
    from durometer.code.program import Program

_WORD = re.compile(r"[^\W\d][\w$]*|\$[\w$]*")
_LOOSE = re.compile(r"[\w$]+|[^\w\s$]")
RUN = re.compile(r"([\w$]+)")
_WHY = {
    Role.FUNCTION_NAME: "the name of a function",
    Role.CALLED_METHOD: "a called function that is not declared here",
    Role.FIELD: "a field, attribute or global",
    Role.TYPE: "a type",
    Role.LABEL: "a label",
    Role.MACRO: "a macro",
    Role.IMPORT: "an import",
    Role.UNDECLARED: "not declared here",
}


class Token(NamedTuple):
    """One code token; offsets count bytes of the source in UTF-8.

    ``kind`` is ``identifier``, ``keyword``, ``literal``, ``operator`` or ``unknown`` (text that the
    grammar skipped). ``node`` is the token's place in the flat syntax tree, −1 for unknown text.
    """

    text: str
    start: int
    end: int
    kind: str
    node: int = -1


@dataclass(frozen=True, slots=True)
class Identifier:
    """One identifier name of a snippet.

    ``occurrences`` are the byte offsets that a rename changes: those bound to a local declaration.
    ``reason`` says why the name is not renameable (empty if it is).
    """

    name: str
    role: Role
    occurrences: tuple[int, ...]
    renameable: bool
    reason: str = ""


class Snippet:
    """Source text with everything that edits and proofs need. Immutable; equal by content."""

    def __init__(self, source: str, language: Language, macros: frozenset[str] | None = None) -> None:
        self.source = source
        self.definition = language
        self.language = language.name
        self._data = encode(source)
        self.tree = _best_parse(language, self._data)
        self.macros: frozenset[str] = frozenset()
        if self.tree.has_error and language.has_macros:
            self.tree, self.macros = repaired(language, self._data, self.tree, macros)
        self.has_error = self.tree.has_error
        self.resolution: Resolution = language.resolve(self.tree)
        self._veto_broken_regions()
        self._veto_other_spellings()

    def __repr__(self) -> str:
        return f"Snippet({self.language}, {self.snippet_id}, {len(self.source)} characters)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Snippet):
            return False
        return (self.language, self.source) == (other.language, other.source)

    def __hash__(self) -> int:
        return hash((self.language, self.source))

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return parse, (self.source, self.language)

    @cached_property
    def snippet_id(self) -> str:
        """Content hash; the same as ``Sample.snippet_id``."""
        return content_hash(self.language, self.source)

    @cached_property
    def original(self) -> Program:
        """The program without any rename."""
        from durometer.code.program import Program

        return Program(self)

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """Code tokens in order, without comments and white space."""
        return tuple(_tokens(self.tree, self.definition, self._data))

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of code: identifiers, keywords, words of macro bodies; not comments or literals."""
        found: set[str] = set()
        for token in self.tokens:
            if token.kind in ("identifier", "keyword"):
                found.add(token.text)
            elif token.kind == "unknown":
                found.update(_WORD.findall(token.text))
        return frozenset(found)

    @cached_property
    def identifiers(self) -> Mapping[str, Identifier]:
        """Every identifier name, in the order of first appearance."""
        groups: dict[str, list[Token]] = {}
        for token in self.tokens:
            if token.kind == "identifier":
                groups.setdefault(token.text, []).append(token)
        return MappingProxyType({name: self._identifier(name, group) for name, group in groups.items()})

    @cached_property
    def renameable(self) -> tuple[str, ...]:
        """Names that may be renamed, the snippet's own function name excluded."""
        return tuple(name for name, identifier in self.identifiers.items() if identifier.renameable)

    @cached_property
    def function_name(self) -> str | None:
        """The snippet's own function's name, if it consists of one function whose name is unambiguous."""
        name = self.resolution.function_name
        if (
            name is None
            or name in self.renameable
            or name in self.resolution.vetoes
            or name not in self.identifiers
        ):
            return None
        return None if self.definition.is_reserved(name) else name

    @cached_property
    def changeable(self) -> tuple[str, ...]:
        """Names that a rename may change: the renameable ones, and then the snippet's own function's."""
        own = self.function_name
        return self.renameable if own is None else (*self.renameable, own)

    def occurrences(self, name: str) -> tuple[int, ...]:
        """Return the byte offsets that a rename of ``name`` changes, the function name's included."""
        if name == self.function_name:
            return tuple(sorted(self.tree.starts[leaf] for leaf in self.resolution.function_leaves))
        return self.identifiers[name].occurrences

    def use(self, token: Token) -> Use:
        """Return the role and binding of an identifier token."""
        return self.resolution.uses.get(token.node, _FREE_USE)

    def why_not(self, name: str) -> Reason | None:
        """Return why ``name`` may not be renamed, or None if it may."""
        identifier = self.identifiers.get(name)
        if identifier is None:
            return Reason.UNDECLARED
        if identifier.renameable or name == self.function_name:
            return None
        return REASON_OF_ROLE.get(identifier.role, Reason.UNDECLARED)

    def _identifier(self, name: str, group: list[Token]) -> Identifier:
        resolution = self.resolution
        uses = [self.use(token) for token in group]
        bound = [token for token, use in zip(group, uses, strict=True) if _is_ours(use)]
        role = next((use.role for use in uses if _is_ours(use)), uses[0].role)
        why = "" if bound else _WHY.get(role, "not a local")
        if bound:
            why = resolution.veto_all or resolution.vetoes.get(name, "")
            if not why and self.definition.is_reserved(name):
                why = "a reserved word"
            if not why and not self.definition.is_legal(name):
                why = "spelled in a way that compilers normalise"
        occurrences = tuple(token.start for token in bound)
        return Identifier(name, role, occurrences, not why, why)

    def _veto_broken_regions(self) -> None:
        """Keep names that occur where the text did not parse: their binding there is unknown."""
        skipped = self.has_error or self.definition.has_macros  # else only text of Python's f-strings
        for token in self.tokens:
            if skipped and token.kind == "unknown":
                for word in _WORD.findall(token.text):
                    self.resolution.veto(word, "it occurs in text that is not parsed")
        if self.macros:
            self._veto_arguments_of_unknowns()
        if not self.has_error:
            return
        tree = self.tree
        broken: set[int] = set()
        for node in error_nodes(tree):
            for word in _WORD.findall(tree.text(node) if node else ""):
                self.resolution.veto(word, "it occurs beside a syntax error")
            above = node
            while above >= 0 and above not in broken:
                broken.add(above)
                above = tree.parents[above]
        for binding in self.resolution.bindings:
            top = binding.owner
            while top > 0 and tree.parents[top] > 0:
                top = tree.parents[top]
            if top in broken:
                self.resolution.veto(binding.name, "its function has a syntax error")

    def _veto_arguments_of_unknowns(self) -> None:
        """Keep what a macro that was parsed around is given: ``offsetof(T, a.b)`` names a member."""
        depth = 0
        for before, token in pairwise(self.tokens):
            if token.text == "(" and (depth or before.text in self.macros):
                depth += 1
            elif token.text == ")" and depth:
                depth -= 1
            elif depth and token.kind == "identifier":
                self.resolution.veto(token.text, "a macro that is not parsed is given it")

    def _veto_other_spellings(self) -> None:
        """Keep names that also occur normalised differently (Python: NFKC) or with an escape in them."""
        if self.source.isascii() and "\\" not in self.source:
            return
        for token in self.tokens:
            if token.kind == "identifier" and (not token.text.isascii() or "\\" in token.text):
                if "\\" in token.text:
                    self.resolution.veto_all = "a name is spelled with an escape"
                elif (normal := normalize("NFKC", token.text)) != token.text:
                    self.resolution.veto(normal, "it is also spelled in a way that compilers normalise")


_FREE_USE = Use(Role.UNDECLARED)


def _is_ours(use: Use) -> bool:
    return use.binding != FREE and use.role in RENAMEABLE_ROLES


def parse(source: str, language: str) -> Snippet:
    """Parse ``source``; never raises on bad code.

    Raises:
        UnknownNameError: no such language.

    """
    return Snippet(source, LANGUAGES.get(language))


def _best_parse(language: Language, data: bytes) -> SyntaxTree:
    """Parse alone, or inside the first wrapper that removes every syntax error."""
    if language.wrappers and language.has_error(data):
        for wrapper in language.wrappers:
            if not language.has_error(data, wrapper):
                return language.parse(data, wrapper)
    return language.parse(data)


def _tokens(tree: SyntaxTree, language: Language, data: bytes) -> list[Token]:
    """List the leaves that are code, and whatever non-blank text lies between them."""
    tokens: list[Token] = []
    kinds, starts, ends, stops = tree.kinds, tree.starts, tree.ends, tree.stops
    names, atoms, comments = language.names, language.atoms, language.comments
    node, total, reached = 0, len(kinds), 0
    while node < total:
        kind, stop = kinds[node], stops[node]
        single = stop == node + 1 or (kind in atoms and names.isdisjoint(kinds[node:stop]))
        if not single and kind not in comments:
            node += 1
            continue
        start, end = starts[node], ends[node]
        if start > reached:
            _gap(tokens, data, reached, start)
        if kind in language.opaque:
            _gap(tokens, data, start, end)
        elif start < end and kind not in comments:
            text = decode(data[start:end])
            if kind in names:
                tokens.append(Token(text, start, end, "identifier", node))
            elif kind in atoms or stop != node + 1:
                tokens.append(Token(text, start, end, "literal", node))
            elif text[0].isalpha() or text[0] == "_":
                tokens.append(Token(text, start, end, "keyword", node))
            elif not text.isspace():
                tokens.append(Token(text, start, end, "literal" if text[0].isdigit() else "operator", node))
        reached = max(reached, end)
        node = stop
    _gap(tokens, data, reached, len(data))
    return tokens


def _gap(tokens: list[Token], data: bytes, start: int, end: int) -> None:
    text = data[start:end]
    if not text or text.isspace():
        return
    for match in _LOOSE.finditer(decode(text)):
        before = start + len(encode(match.string[: match.start()]))
        tokens.append(Token(match.group(), before, before + len(encode(match.group())), "unknown"))
