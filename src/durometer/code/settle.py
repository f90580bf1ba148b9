"""Between a proof that refuses and a program that is broken: renames outside our own rules that still hold.

Our attacks rename only what is certainly local, and :func:`durometer.code.prove` holds others to that. An
auditor must not: a field that the snippet's own class declares and that is renamed everywhere in it leaves
the snippet the same program. ``settle`` applies such renames to the original first, binding by binding; the
rest of the edit is then proven against the result. A constructor that stands alone has the snippet's own
name, as a method has. Two kinds cannot be decided from the snippet, are settled in favour of the attack, and
are named: a local that a class body captures (it *could* inherit a field of that name), and a member of a
type from elsewhere that has the name of an own field and was renamed along with it
(``static Scanner in = new Scanner(System.in)``). A compiler can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from durometer.code.scope import FREE, Binding, Role
from durometer.code.snippet import Snippet
from durometer.code.syntax import decode, encode

_MOVABLE = frozenset((Role.LOCAL, Role.PARAMETER, Role.FIELD))
_DEPTH = 20  # links of a chain like a.b.c that are followed


@dataclass(frozen=True)
class Settled:
    """The original with the renames outside our rules applied.

    ``fields``, ``doubtful`` and ``constructor`` map own fields, locals in doubt and the name of a bare
    constructor to their new names; ``foreign`` says whether members of other types were renamed along.
    """

    original: str
    fields: Mapping[str, str]
    doubtful: Mapping[str, str]
    constructor: Mapping[str, str]
    foreign: bool

    @property
    def renames(self) -> dict[str, str]:
        """All that was renamed."""
        return {**self.fields, **self.doubtful, **self.constructor}


def settle(before: Snippet, after: Snippet) -> Settled | None:
    """Return ``before`` with own fields and doubtful locals named as ``after`` declares them.

    None where there are none, or where the tokens of the two do not align.
    """
    if len(before.tokens) != len(after.tokens):
        return None
    now = {old.node: new.text for old, new in zip(before.tokens, after.tokens, strict=True)}
    told = before.resolution.shown
    accessed = set() if before.language == "java" else _accessed(before)
    spans: dict[int, str] = {}  # start byte of an occurrence → its new name
    fields: dict[str, str] = {}
    doubtful: dict[str, str] = {}
    for binding in before.resolution.bindings:
        leaves = [leaf for leaf in binding.leaves if leaf in now]
        if not leaves or binding.role not in _MOVABLE or now[leaves[0]] == binding.name:
            continue
        own = binding.role is Role.FIELD
        if binding.name in told or (own and binding.name in accessed):
            continue
        if own or not before.identifiers[binding.name].renameable:
            new = now[leaves[0]]
            (fields if own else doubtful)[binding.name] = new
            spans |= dict.fromkeys((before.tree.starts[leaf] for leaf in leaves), new)
    constructor: dict[str, str] = {}
    leaves = bare_constructor(before)
    if leaves and (new := now.get(leaves[0], "")) not in ("", before.tree.text(leaves[0])):
        constructor[before.tree.text(leaves[0])] = new
        spans |= dict.fromkeys((before.tree.starts[leaf] for leaf in leaves), new)
    if not spans or not all(map(before.definition.is_legal, spans.values())):
        return None
    foreign = False
    if fields and before.language == "java":
        for leaf, known_own in _accesses(before, fields):
            new = fields[before.tree.text(leaf)]
            if known_own or now.get(leaf) == new:
                spans[before.tree.starts[leaf]] = new
                foreign = foreign or known_own is False
    return Settled(_replace(before, spans), fields, doubtful, constructor, foreign)


def _accessed(before: Snippet) -> set[str]:
    """Return the names read as members, or looked up by a string: outside Java nobody tells whose."""
    uses = before.resolution.uses.items()
    members = (Role.FIELD, Role.CALLED_METHOD)
    strings = {token.text.strip("'\"`") for token in before.tokens if token.kind == "literal"}
    return strings | {
        before.tree.text(leaf) for leaf, use in uses if use.binding == FREE and use.role in members
    }


def bare_constructor(before: Snippet) -> list[int]:
    """Return the leaves that name the class of a constructor that stands alone, its own name first."""
    tree, uses = before.tree, before.resolution.uses
    names = [
        tree.child(node, "name")
        for node, kind in enumerate(tree.kinds)
        if kind == "constructor_declaration" and _is_wrapped(before, node)
    ]
    if len(names) != 1:
        return []
    name = tree.text(names[0])
    same = [node for node, use in uses.items() if use.role is Role.TYPE and tree.text(node) == name]
    return [names[0], *(node for node in same if node != names[0])]


def _is_wrapped(before: Snippet, member: int) -> bool:
    """Whether the class around a member is not the snippet's but was put there to parse it."""
    tree = before.tree
    return not tree.text(tree.child(tree.parents[tree.parents[member]], "name"))


def _accesses(before: Snippet, fields: Mapping[str, str]) -> Iterator[tuple[int, bool | None]]:
    """Yield the accesses ``receiver.field`` with a name of ``fields``, and whether they mean an own field."""
    tree = before.tree
    types = _Types(before)
    for token in before.tokens:
        if token.kind != "identifier" or token.text not in fields:
            continue
        parent = tree.parents[token.node]
        if tree.kinds[parent] == "field_access" and tree.fields[token.node] == "field":
            yield token.node, types.is_own(tree.child(parent, "object"))


class _Types:
    """What a snippet tells of the static types of Java expressions: its own class, another, or unknown."""

    def __init__(self, snippet: Snippet) -> None:
        self.snippet, self.tree = snippet, snippet.tree
        tree = snippet.tree
        self.own = {
            tree.text(tree.child(node, "name"))
            for node, kind in enumerate(tree.kinds)
            if kind
            in ("class_declaration", "enum_declaration", "record_declaration", "interface_declaration")
        }
        self.fields: dict[str, Binding] = {}
        for binding in snippet.resolution.bindings:
            if binding.role is Role.FIELD:
                self.fields.setdefault(binding.name, binding)

    def is_own(self, node: int) -> bool | None:
        """Whether the expression is of a class that the snippet declares; None if that is not known."""
        for _ in range(_DEPTH):
            kind = self.tree.kinds[node] if node >= 0 else ""
            if kind in ("this", "super"):
                return True if kind == "this" else None
            if kind == "identifier":
                return self._of_name(node)
            if kind == "field_access":
                name = self.tree.text(self.tree.child(node, "field"))
                return self._of_binding(self.fields[name]) if name in self.fields else None
            if kind == "array_access":
                node = self.tree.child(node, "array")
            elif kind == "parenthesized_expression":
                node += 2  # past the bracket
            elif kind in ("cast_expression", "object_creation_expression"):
                return self._named(self.tree.child(node, "type"))
            else:
                return None
        return None

    def _of_name(self, node: int) -> bool | None:
        use = self.snippet.resolution.uses.get(node)
        if use is None or use.binding == FREE:
            name = self.tree.text(node)
            return True if name in self.own else False if name[:1].isupper() else None
        return self._of_binding(self.snippet.resolution.bindings[use.binding])

    def _of_binding(self, binding: Binding) -> bool | None:
        node = binding.leaves[0] if binding.leaves else -1
        for _ in range(3):
            node = self.tree.parents[node] if node >= 0 else -1
            declared = self.tree.child(node, "type") if node >= 0 else -1
            if declared >= 0:
                return self._named(declared)
        return None

    def _named(self, node: int) -> bool | None:
        """Whether the type at ``node`` (its element type, for arrays) is declared in the snippet."""
        if node < 0:
            return None
        tree = self.tree
        if tree.kinds[node] == "array_type":
            node = tree.child(node, "element")
        name = tree.text(node)
        return None if name == "var" else name in self.own


def _replace(snippet: Snippet, spans: Mapping[int, str]) -> str:
    data, position = snippet.tree.data, 0
    parts: list[bytes] = []
    ends = {token.start: token.end for token in snippet.tokens}
    for start in sorted(spans):
        parts += [data[position:start], encode(spans[start])]
        position = ends[start]
    parts.append(data[position:])
    return decode(b"".join(parts))
