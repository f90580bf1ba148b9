"""What of Python's layout the grammar forgives and the language does not.

That is ragged blocks, an encoding, and where lines end outside brackets. Indentation is compared only where
it is ragged: block by block, all statements that begin a line must stand in one column, written alike,
deeper than the block around.
"""

from __future__ import annotations

import re

from durometer.code.syntax import SyntaxTree, decode

_BLOCKS = frozenset({"module", "block", "decorated_definition"})
_CLAUSES = frozenset(
    {"elif_clause", "else_clause", "except_clause", "except_group_clause", "finally_clause", "case_clause"}
)
_NO_TOKENS = frozenset({"comment", "line_continuation"})
_DEPTHS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
_COMMENT = re.compile(rb"#[^\n]*")
_COOKIE = re.compile(rb"\A(?:[^\n]*\n)?[ \t\f]*#[^\n]*?coding[:=][ \t]*([-\w.]+)")
_PLAIN = frozenset({b"utf_8", b"utf8", b"ascii", b"us_ascii"})


def spells(tree: SyntaxTree) -> list[tuple[str, int]]:
    """List what of the layout carries meaning beside the tree; nothing for tidy text in UTF-8."""
    found: list[tuple[str, int]] = []
    cookie = _COOKIE.match(tree.data)
    if cookie and cookie[1].lower().replace(b"-", b"_") not in _PLAIN:
        found.append((decode(cookie[1]), 0))
    return [*found, *_line_ends(tree), *_ragged(tree)]


def _line_ends(tree: SyntaxTree) -> list[tuple[str, int]]:
    """List the tokens before which a line ends outside brackets, and where one is continued besides."""
    found: list[tuple[str, int]] = []
    depth = reached = ordinal = 0
    for node, kind in enumerate(tree.kinds):
        if tree.stops[node] > node + 1 or kind in _NO_TOKENS or tree.starts[node] == tree.ends[node]:
            continue
        ordinal += 1
        gap = tree.data[reached : tree.starts[node]]
        reached = tree.ends[node]
        if b"\n" in gap and not depth:
            text = _COMMENT.sub(b"", gap)
            if b"\n" in text.replace(b"\\\n", b"").replace(b"\\\r\n", b""):
                found.append(("\\" if b"\\" in text else "\n", ordinal))
        depth += _DEPTHS.get(kind, 0)
    dangling = b"\\" in _COMMENT.sub(b"", tree.data[reached:])
    return [*found, ("\\", 0)] if dangling else found


def _ragged(tree: SyntaxTree) -> list[tuple[str, int]]:
    margins: dict[int, bytes] = {0: b""}
    fixed = {0}
    found: list[tuple[str, int]] = []
    ordinal = 0
    for node, kind in enumerate(tree.kinds):
        if kind in _NO_TOKENS:
            continue
        ordinal += 1
        if not node or tree.parents[node] < 0:
            continue
        parent = tree.parents[node]
        if kind == "block":
            margins[node] = margins[_holder(tree, margins, node)]
            continue
        in_block = tree.kinds[parent] in _BLOCKS
        if not (in_block or kind in _CLAUSES):
            continue
        start = tree.starts[node]
        margin = tree.data[tree.data.rfind(b"\n", 0, start) + 1 : start]
        if margin.strip():
            continue  # it does not begin a line
        holder = _holder(tree, margins, node)
        if tree.kinds[parent] == "block" and holder not in fixed:
            fixed.add(holder)
            if len(margin) > len(margins[holder]) and margin.startswith(margins[holder]):
                margins[holder] = margin
        if margin != margins[holder]:
            found.append((decode(margin), ordinal))
    return found


def _holder(tree: SyntaxTree, margins: dict[int, bytes], node: int) -> int:
    """Return the block that ``node`` stands in."""
    node = tree.parents[node]
    while node not in margins:
        node = tree.parents[node]
    return node
