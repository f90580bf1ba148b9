"""What a language is: a grammar, its words, its kinds of leaves, and its scope rules.

A language is one file that ends in one ``Language`` value. Its ``resolve`` function reads a flat syntax
tree and fills a ``Resolution``; everything else (tokens, edits, proofs, distances) is shared.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

import tree_sitter

from durometer.code.scope import Resolution
from durometer.code.syntax import SyntaxTree, flatten


@dataclass(frozen=True, eq=False)
class Language:
    """One programming language.

    ``reserved`` holds keywords and literals that can never be names; ``contextual`` holds words that
    are legal names somewhere but change a parse or name a macro elsewhere, so that we never choose
    them. ``names`` are the leaf kinds that carry identifiers, ``atoms`` the node kinds that are
    one token with all that is in them (literals), ``comments`` the kinds that are no code.
    ``opaque`` kinds are text that the grammar does not look into, such as macro bodies: names in it are
    never ours. ``extra_letters`` are letters of identifiers besides Unicode's. ``wrappers`` are texts to try
    around a snippet that does not parse alone, such as a class around a bare constructor.
    ``has_macros`` allows to parse around words that break the grammar. ``directives`` are how comments begin
    that a compiler obeys. ``letters`` are the Unicode categories of names beyond ASCII, where they are fewer
    than Unicode's identifiers have. ``ends_lines`` says that a line feed may end a statement, in a block
    comment too; ``joined_before`` and ``joined_after`` are tokens (or kinds of them) beside which it does,
    whatever the grammar knows. ``spells`` lists what else of a tree's layout carries meaning.
    """

    name: str
    module: str
    reserved: frozenset[str]
    contextual: frozenset[str]
    names: frozenset[str]
    atoms: frozenset[str]
    comments: frozenset[str]
    resolve: Callable[[SyntaxTree], Resolution]
    opaque: frozenset[str] = frozenset()
    extra_letters: str = ""
    wrappers: tuple[tuple[str, str], ...] = ()
    unusable_prefixes: tuple[str, ...] = ()
    has_macros: bool = False
    directives: tuple[str, ...] = ()
    letters: frozenset[str] = frozenset()
    ends_lines: bool = False
    joined_before: frozenset[str] = frozenset()
    joined_after: frozenset[str] = frozenset()
    spells: Callable[[SyntaxTree], list[tuple[str, int]]] | None = None

    def parse(
        self, data: bytes, wrapper: tuple[str, str] = ("", ""), text: bytes | None = None
    ) -> SyntaxTree:
        """Parse ``data`` with ``wrapper`` around it; offsets in the result count from ``data``.

        ``text`` is read instead of ``data`` if it is given; it has the same length.
        """
        prefix, suffix = (affix.encode() for affix in wrapper)
        tree = _parser(self.module).parse(prefix + (data if text is None else text) + suffix)
        return flatten(tree, data, len(prefix))

    def has_error(self, data: bytes, wrapper: tuple[str, str] = ("", "")) -> bool:
        """Say whether ``data`` fails to parse inside ``wrapper``, without building a flat tree."""
        prefix, suffix = (affix.encode() for affix in wrapper)
        return bool(_parser(self.module).parse(prefix + data + suffix).root_node.has_error)

    def is_legal(self, name: str) -> bool:
        """Say whether ``name`` is spelled like an identifier of this language."""
        bare = name
        for letter in self.extra_letters:
            bare = bare.replace(letter, "_")
        return bare.isidentifier() and (name.isascii() or _is_plain(name, self.letters))

    def is_reserved(self, name: str) -> bool:
        """Say whether ``name`` is a keyword or a literal everywhere."""
        return name in self.reserved

    def is_risky(self, name: str) -> bool:
        """Say whether ``name`` may be lexed as a keyword: any other word parses as a plain name."""
        return name in self.reserved or name in self.contextual or name in _grammar_words(self.module)


def _is_plain(name: str, letters: frozenset[str]) -> bool:
    """Say whether ``name`` suits compilers that normalise names (Python: NFKC) or allow few ``letters``."""
    from unicodedata import category, normalize

    allowed = not letters or all(letter.isascii() or category(letter) in letters for letter in name)
    return allowed and normalize("NFKC", name) == name


@cache
def _grammar(module: str) -> tree_sitter.Language:
    return tree_sitter.Language(import_module(module).language())


@cache
def _parser(module: str) -> tree_sitter.Parser:
    return tree_sitter.Parser(_grammar(module))


@cache
def _grammar_words(module: str) -> frozenset[str]:
    grammar = _grammar(module)
    kinds = (grammar.node_kind_for_id(number) for number in range(grammar.node_kind_count))
    anonymous = {
        kind
        for number, kind in enumerate(kinds)
        if kind and not grammar.node_kind_is_named(number) and re.fullmatch(r"[^\W\d]\w*", kind)
    }
    return frozenset(anonymous)
