"""Macros that hide a program from its grammar: found, blanked out, and parsed around.

``static av_cold int f(void)`` is C only after preprocessing. A word or an operator beside a syntax error is
replaced by blanks of the same length if that leaves fewer errors; what it stood for stays unknown, and
names in it are never ours. A loop macro without a semicolon is read as if it had one.
"""

from __future__ import annotations

import re

from durometer.code.languages.base import Language
from durometer.code.syntax import SyntaxTree

_WORD = re.compile(rb"[A-Za-z_]\w*")
_LARGEST_BYTES = 100_000
_MOST_PATCHES = 8
_LONGEST_ERROR_BYTES = 24


def repaired(
    language: Language, data: bytes, tree: SyntaxTree, allowed: frozenset[str] | None
) -> tuple[SyntaxTree, frozenset[str]]:
    """Return a tree of ``data`` with fewer errors, and the words that it leaves out.

    ``allowed`` limits the words that may be left out (None: any that is not reserved).
    """
    words: set[str] = set()
    text = data
    if len(data) > _LARGEST_BYTES:
        return tree, frozenset()
    for _ in range(_MOST_PATCHES):
        found = _better(language, data, text, tree, allowed)
        if found is None:
            break
        tree, text, word = found
        words.add(word)
        if not tree.has_error:
            break
    return tree, frozenset(words)


def error_nodes(tree: SyntaxTree) -> list[int]:
    """List the error nodes of a tree and the tokens that the parser made up."""
    if not tree.has_error:
        return []
    return [
        node
        for node, kind in enumerate(tree.kinds)
        if kind == "ERROR" or (tree.starts[node] == tree.ends[node] and tree.is_leaf(node))
    ]


def _better(
    language: Language, data: bytes, text: bytes, tree: SyntaxTree, allowed: frozenset[str] | None
) -> tuple[SyntaxTree, bytes, str] | None:
    """Patch the text near an error, if that leaves fewer errors."""
    errors = error_nodes(tree)
    tried: set[tuple[int, int]] = set()
    for node in errors[:3]:
        for start, end in _places(text, tree, node):
            word = text[start:end].decode("utf-8", "replace")
            if (start, end) in tried or word in language.reserved:
                continue
            if allowed is not None and word not in allowed:
                continue
            tried.add((start, end))
            patch = b";" if word.isspace() else b" " * (end - start)
            patched = text[:start] + patch + text[end:]
            other = language.parse(data, text=patched)
            if len(error_nodes(other)) < len(errors):
                return other, patched, word
    return None


def _places(text: bytes, tree: SyntaxTree, node: int) -> list[tuple[int, int]]:
    """List what could be left out: the error if it is short, and the words around it.

    A blank stands for the semicolon that ``FOREACH(x, list) {`` lacks.
    """
    start, end = tree.starts[node], tree.ends[node]
    if tree.kinds[node] == ";":
        return [(start, start + 1)] if text[start : start + 1].isspace() else []
    before = [match.span() for match in _WORD.finditer(text, max(0, start - 80), start)]
    after = [match.span() for match in _WORD.finditer(text, start, start + 80)][:2]
    own = [(start, end)] if 0 < end - start <= _LONGEST_ERROR_BYTES else []
    return [*reversed(before[-2:]), *own, *after]
