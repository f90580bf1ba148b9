"""What of a program's layout carries meaning: compared where an edit changed more than words.

Grammars forgive what compilers do not. Beside the shape of the tree these count: text of literals that names
stand in, comments that are directives, characters that end a line for some compilers and for the grammar do
not, line feeds that a comment hides where they end statements, and whatever a language adds.
"""

from __future__ import annotations

import re

from durometer.code.snippet import Snippet
from durometer.code.syntax import decode

# A lone carriage return ends a comment in Python, Java and JavaScript; a form feed is no blank in Go.
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x85\u2028\u2029\ufeff]|\r(?!\n)")
_BLANK = re.compile(r"[^\S \t\r\n]")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def layout(snippet: Snippet) -> list[str]:
    """Return the text before, between and after the tokens."""
    data = snippet.tree.data
    ends = [0, *(token.end for token in snippet.tokens)]
    starts = [*(token.start for token in snippet.tokens), len(data)]
    return [decode(data[start:stop]) for start, stop in zip(ends, starts, strict=True)]


def has_odd_blanks(gap: str) -> bool:
    """Say whether a gap between words has more blanks in it than spaces, tabs and ends of lines."""
    return _BLANK.search(gap) is not None or _ODD.search(gap) is not None


def meaning(snippet: Snippet) -> list[tuple[str, int]]:
    """Return what of the layout carries meaning; equal for two programs that differ in names only."""
    definition, tokens = snippet.definition, snippet.tokens
    found = _shape(snippet)
    for index, gap in enumerate(layout(snippet)):
        if _ODD.search(gap):
            found.append((gap, index))
        if definition.ends_lines and "\n" in gap and 0 < index < len(tokens):
            hidden = "\n" not in _COMMENT.sub("", gap)
            before, after = tokens[index - 1], tokens[index].text
            ends = before.text in definition.joined_after or before.kind in definition.joined_after
            if hidden or (ends and after != "}") or after in definition.joined_before:
                found.append(("\n", index))
    return found + (definition.spells(snippet.tree) if definition.spells else [])


def _shape(snippet: Snippet) -> list[tuple[str, int]]:
    """Return the tree without its comments: kinds and depths in pre-order.

    White space that is a literal (``f"{a} {b}"``) and comments that are directives count by their text.
    """
    tree, definition = snippet.tree, snippet.definition
    comments, directives, atoms = definition.comments, definition.directives, definition.atoms
    depths: list[int] = []
    shape: list[tuple[str, int]] = []
    for node, kind in enumerate(tree.kinds):
        depth = depths[tree.parents[node]] + 1 if node else 0
        depths.append(depth)
        if kind not in comments:
            blank = tree.data[tree.starts[node] : tree.ends[node]].isspace() and not kind.isspace()
            shape.append((tree.text(node) if blank else kind, depth))
            if kind in atoms and tree.stops[node] > node + 1:
                shape += [(text, depth) for text in _between_leaves(snippet, node)]
        elif directives and tree.text(node).startswith(directives):
            shape.append((tree.text(node), depth))
    return shape


def _between_leaves(snippet: Snippet, atom: int) -> list[str]:
    r"""Return what the grammar makes no leaves of in a literal: ``f"{a}  b\n"`` has its blanks there."""
    tree = snippet.tree
    texts: list[str] = []
    reached = tree.starts[atom]
    for node in range(atom + 1, tree.stops[atom]):
        if tree.is_leaf(node):
            texts.append(decode(tree.data[reached : tree.starts[node]]))
            reached = max(reached, tree.ends[node])
    return [*texts, decode(tree.data[reached : tree.ends[atom]])]
