"""A syntax tree as flat arrays in pre-order: fast to scan, and safe at any depth.

Nothing in this package recurses over a tree, so that ten thousand nested brackets are only a long
list. Node ``i``'s subtree is ``i .. stops[i] - 1``; its children are found by hopping over subtrees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter


@dataclass(slots=True)
class SyntaxTree:
    """Parallel arrays over nodes in pre-order, with byte offsets into ``data``."""

    data: bytes
    kinds: list[str]
    fields: list[str | None]
    parents: list[int]
    starts: list[int]
    ends: list[int]
    stops: list[int]
    has_error: bool

    def text(self, node: int) -> str:
        """Return the source text of ``node``."""
        return decode(self.data[self.starts[node] : self.ends[node]])

    def children(self, node: int) -> Iterator[int]:
        """Yield the children of ``node``, anonymous ones and comments included."""
        child, stop = node + 1, self.stops[node]
        while child < stop:
            yield child
            child = self.stops[child]

    def child(self, node: int, field: str) -> int:
        """Return the first child of ``node`` in ``field``, or −1."""
        for child in self.children(node):
            if self.fields[child] == field:
                return child
        return -1

    def ancestor(self, node: int, kinds: frozenset[str]) -> int:
        """Return the nearest proper ancestor of ``node`` whose kind is in ``kinds``, or −1."""
        node = self.parents[node]
        while node >= 0 and self.kinds[node] not in kinds:
            node = self.parents[node]
        return node

    def is_leaf(self, node: int) -> bool:
        """Say whether ``node`` has no children."""
        return self.stops[node] == node + 1


def encode(text: str) -> bytes:
    """Encode source text, undecodable bytes and lone surrogates included, reversibly."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    """Decode a piece of source text that ``encode`` made."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return data.decode("utf-8", "surrogateescape")


def flatten(tree: tree_sitter.Tree, data: bytes, offset: int = 0) -> SyntaxTree:
    """Copy ``tree`` into flat arrays; ``offset`` bytes before ``data`` were a wrapper's."""
    kinds: list[str] = []
    fields: list[str | None] = []
    parents: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    stops: list[int] = []
    limit = len(data)
    cursor = tree.walk()
    path = [-1]
    going = True
    while going:
        node = cursor.node
        assert node is not None
        index = len(kinds)
        kinds.append(node.type)
        fields.append(cursor.field_name)
        parents.append(path[-1])
        start, end = node.byte_range
        starts.append(min(max(start - offset, 0), limit))
        ends.append(min(max(end - offset, 0), limit))
        stops.append(index + 1)
        if cursor.goto_first_child():
            path.append(index)
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                going = False
                break
            stops[path.pop()] = len(kinds)
    while len(path) > 1:
        stops[path.pop()] = len(kinds)
    return SyntaxTree(data, kinds, fields, parents, starts, ends, stops, tree.root_node.has_error)
