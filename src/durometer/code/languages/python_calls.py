"""Which parameters of a Python snippet a call in it may pass by name: renaming those would break the call.

A keyword counts if its call may reach the function: by its name, by another name that the snippet gives it,
as an argument (``partial(g, x=1)``), or through a class (``A(x=1)``, ``class B(A, x=1)``). So do the keys of
a dictionary that such a call is given (``g(**{"x": 1})``, ``Thread(target=g, kwargs=options)``; where the
call names no keys, those of every dictionary of the snippet), the words in a function's own decorators
(``@option("--max-count")``, ``@parametrize("x, y", …)``), and, where signatures are read, all strings.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Set
from functools import cached_property

from durometer.code.scope import FREE, RENAMEABLE_ROLES, Resolution, Role, Scopes
from durometer.code.syntax import SyntaxTree

_STRING = re.compile(r"\A\w*(['\"])([^\W\d]\w*)\1\Z")
_DICTIONARIES = frozenset({"kwargs", "kwds", "keywords", "kw"})
# Methods that a call of their class or of its instance reaches, and those that a class statement does.
_IMPLICIT = frozenset({"__init__", "__new__", "__call__", "__init_subclass__", "forward", "call"})
_STATEMENT = frozenset({"__init__", "__new__", "__call__", "__init_subclass__", "__prepare__"})
_SIGNATURES = re.compile(rb"\b(?:signature|getargspec|getfullargspec|get_type_hints|__annotations__)\b")
_CALL = frozenset({"call"})
_PASSING = frozenset({"keyword_argument", "dictionary_splat", "string"})
_TELLING = frozenset({"string", "keyword_argument"})
_WORD = re.compile(r"[^\W\d]\w*")


class Calls:
    """The calls of one tree, once its names are resolved."""

    def __init__(self, tree: SyntaxTree, resolution: Resolution, scopes: Scopes) -> None:
        self.tree, self.resolution, self.scopes = tree, resolution, scopes
        self.passed: list[tuple[str, int]] = []  # a name, and the call or class that passes it
        self.keys: list[tuple[str, int]] = []  # a key of a dictionary, and its node
        self.open: list[int] = []  # calls that are given a dictionary whose keys they do not show

    def kept(self) -> Iterator[str]:
        """Yield the names of parameters that must stay."""
        owners: dict[str, list[int]] = {}
        for binding in self.resolution.bindings:
            if binding.role is Role.PARAMETER:
                owners.setdefault(binding.name, []).append(self.scopes.nodes[binding.scope])
        if owners:
            self._collect()
            self._follow_dictionaries(owners.keys())
            kept = set[str]()
            for name, call in self.passed:
                if name not in kept and any(
                    self._may_call(call, function) for function in owners.get(name, ())
                ):
                    kept.add(name)
            yield from kept
            yield from self._in_decorators()
            if _SIGNATURES.search(self.tree.data):
                words = (_STRING.match(self.tree.text(node)) for node in self._of_kind("string"))
                yield from (word[2] for word in words if word and word[2] in owners)

    def _of_kind(self, kind: str) -> Iterator[int]:
        return (node for node, other in enumerate(self.tree.kinds) if other == kind)

    def _collect(self) -> None:
        """List what calls pass: keywords, and keys of the dictionaries that they are given."""
        tree = self.tree
        for node, kind in enumerate(tree.kinds):
            if kind not in _PASSING:
                continue
            parent = tree.parents[node]
            if kind == "keyword_argument" and tree.kinds[parent] == "argument_list":
                name, call = tree.text(node + 1), tree.parents[parent]
                self.passed.append((name, call))
                callee = tree.child(call, "function")
                if callee >= 0 and tree.text(callee) == "dict":
                    self.keys.append((name, call))
                if name in _DICTIONARIES:
                    self.open.append(call)
            elif kind == "dictionary_splat" and tree.kinds[parent] == "argument_list":
                self.open.append(tree.parents[parent])
            elif kind == "string" and (
                (tree.kinds[parent] == "pair" and tree.fields[node] == "key")
                or (tree.kinds[parent] == "subscript" and tree.fields[parent] == "left")
            ):
                word = _STRING.match(tree.text(node))
                self.keys += [(word[2], node)] if word else []

    def _follow_dictionaries(self, names: Set[str]) -> None:
        """Count keys as passed by the calls around their dictionary, and by those that show no keys."""
        seen: set[tuple[str, int]] = set()
        for name, node in self.keys:
            call = self.tree.ancestor(node, _CALL) if name in names else -1
            while call >= 0 and (name, call) not in seen:
                seen.add((name, call))
                call = self.tree.ancestor(call, _CALL)
        known = {name for name, _ in self.keys} & names
        self.passed += [*seen, *((name, call) for name in known for call in self.open)]

    def _in_decorators(self) -> Iterator[str]:
        """Yield the words of the decorators of functions that are names of their parameters."""
        for node in self._of_kind("decorator") if b"@" in self.tree.data else ():
            function = self.tree.child(self.tree.parents[node], "definition")
            parameters = self.tree.child(function, "parameters") if function >= 0 else -1
            if parameters < 0:
                continue
            spans = (n for n in range(node, self.tree.stops[node]) if self.tree.kinds[n] in _TELLING)
            found = {word for n in spans for word in _WORD.findall(self.tree.text(n).replace("-", "_"))}
            words = found | {word.lstrip("_") for word in found}
            for inner in range(parameters, self.tree.stops[parameters]):
                if self.tree.kinds[inner] == "identifier" and self.tree.text(inner) in words:
                    yield self.tree.text(inner)

    @cached_property
    def _leaves(self) -> dict[str, list[int]]:
        """The places of each name, in order."""
        found: dict[str, list[int]] = {}
        for node in self._of_kind("identifier"):
            found.setdefault(self.tree.text(node), []).append(node)
        return found

    @cached_property
    def _aliases(self) -> dict[str, set[str]]:
        """The attributes and keywords that each name is stored under."""
        tree = self.tree
        found: dict[str, set[str]] = {}
        for node, kind in enumerate(tree.kinds):
            if kind in ("assignment", "keyword_argument"):
                value = tree.child(node, "right" if kind == "assignment" else "value")
                target = tree.child(node, "left" if kind == "assignment" else "name")
                if value >= 0 and tree.kinds[value] in ("identifier", "attribute"):
                    found.setdefault(_last(tree, value), set()).add(_last(tree, target))
        return found

    def _may_call(self, call: int, function: int) -> bool:
        """Say whether ``call`` may reach ``function``: by its name, an alias, or as an argument."""
        tree = self.tree
        name = tree.child(function, "name")
        own = tree.text(name) if name >= 0 else ""
        callee = tree.child(call, "function")
        if callee < 0:  # a class statement's keywords, or a call that did not parse
            return own in _STATEMENT and tree.kinds[call] == "class_definition"
        leaves = self._leaves.get(own, [])
        first = bisect_left(leaves, call)
        if call < function < tree.stops[call] or (first < len(leaves) and leaves[first] < tree.stops[call]):
            return True
        use = self.resolution.uses.get(callee) if tree.kinds[callee] == "identifier" else None
        if use is None:
            if not own or tree.kinds[callee] != "attribute" or (own in _IMPLICIT and self._is_own(callee)):
                return True
            return _last(tree, callee) in self._aliases.get(own, ())
        return use.role in RENAMEABLE_ROLES or (own in _IMPLICIT and use.binding != FREE)

    def _is_own(self, attribute: int) -> bool:
        """Say whether ``a.b`` may be an instance or a class of this snippet: ``a`` is no import."""
        tree, node = self.tree, attribute
        while tree.kinds[node] in ("attribute", "call", "subscript"):
            node += 1
        use = self.resolution.uses.get(node)
        return use is None or (use.binding != FREE and use.role is not Role.IMPORT)


def _last(tree: SyntaxTree, node: int) -> str:
    return tree.text(node).rpartition(".")[2]
