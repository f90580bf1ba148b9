"""Lexical scoping, shared by the languages with blocks: open scopes, declare, then look names up.

A language gives tables and overrides a few questions; the walk is here. The walk is one pass over the
flat tree in source order, then one over the references.
"""

from __future__ import annotations

from typing import ClassVar

from durometer.code.scope import FREE, RENAMEABLE_ROLES, Resolution, Role, Scopes, Use
from durometer.code.syntax import SyntaxTree

Roles = dict[tuple[str, str | None], Role]  # by kind of parent and field


class Lexical:
    """One resolution of one tree; subclasses know a language.

    ``names`` are the leaf kinds that are identifiers; ``opens`` the node kinds that open a scope;
    ``shares`` the (kind, kind of parent) pairs that do not, although their kind would; ``members`` the scope
    kinds whose declarations are fields. ``declares`` maps (kind of parent, field) to the role that
    an identifier there is declared with, ``plain`` to the role of an identifier that is no variable.
    ``hoists`` says that names are visible in their whole scope, not only from their declaration.
    """

    names: ClassVar[frozenset[str]]
    opens: ClassVar[frozenset[str]]
    shares: ClassVar[frozenset[tuple[str, str]]] = frozenset()
    members: ClassVar[frozenset[str]] = frozenset()
    declares: ClassVar[Roles]
    plain: ClassVar[Roles]
    hoists: ClassVar[bool] = False
    no_shadowing: ClassVar[bool] = False

    def __init__(self, tree: SyntaxTree) -> None:
        self.tree = tree
        self.resolution = Resolution()
        self.scopes = Scopes(self.resolution, self.members)
        self.root = self.scopes.open(-1, "file", 0)
        self.scope_at = [self.root] * len(tree.kinds)
        self.inner: dict[int, int] = {}
        self.references: list[int] = []

    @classmethod
    def resolve(cls, tree: SyntaxTree) -> Resolution:
        """Return the role and the binding of every identifier of ``tree``."""
        return cls(tree).run()

    def run(self) -> Resolution:
        """Resolve every identifier of the tree."""
        tree, scope_at, inner = self.tree, self.scope_at, self.inner
        kinds, parents = tree.kinds, tree.parents
        for node in range(1, len(kinds)):
            kind, parent = kinds[node], parents[node]
            scope_at[node] = inner.get(parent, scope_at[parent])
            if kind in self.names:
                self.classify(node)
            elif kind in self.opens and self.opens_here(node, kind):
                inner[node] = self.scopes.open(self.scope_of(node), kind, node)
            else:
                self.visit(node, kind)
        for leaf in self.references:
            self.refer(leaf)
        self.after()
        self.scopes.finish()
        if self.no_shadowing:
            self._find_clashes()
        return self.resolution

    def scope_of(self, node: int) -> int:
        """Return the scope in which ``node`` stands."""
        return self.scope_at[node]

    def opens_here(self, node: int, kind: str) -> bool:
        """Say whether a node whose kind may open a scope does."""
        return (kind, self.tree.kinds[self.tree.parents[node]]) not in self.shares

    def visit(self, node: int, kind: str) -> None:
        """Look at a node that is neither a name nor a scope."""

    def after(self) -> None:
        """Do what needs all references resolved."""

    def classify(self, leaf: int) -> None:
        """Decide whether an identifier declares, is no variable, or refers."""
        tree = self.tree
        place = (tree.kinds[tree.parents[leaf]], tree.fields[leaf])
        role = self.declares.get(place)
        if role is not None:
            self.declare(leaf, role)
            return
        role = self.plain.get(place)
        if role is not None:
            self.resolution.uses[leaf] = Use(role)
        else:
            self.references.append(leaf)

    def declare(
        self, leaf: int, role: Role, scope: int | None = None, visible_from: int | None = None
    ) -> None:
        """Declare an identifier in ``scope``, by default the one in which it stands."""
        scope = self.scope_at[leaf] if scope is None else scope
        if self.scopes.kinds[scope] in self.members or (scope == self.root and role is Role.LOCAL):
            role = self.member_role(scope, role)
        if visible_from is None:
            outside = scope == self.root or self.scopes.kinds[scope] in self.members
            early = self.hoists or (outside and role not in RENAMEABLE_ROLES)
            visible_from = 0 if early else self.tree.starts[leaf]
        self.scopes.declare(scope, self.tree.text(leaf), leaf, role, visible_from)

    def member_role(self, scope: int, role: Role) -> Role:
        """Return what a declaration at the top of a file or class is: no local."""
        return Role.FIELD if role in RENAMEABLE_ROLES else role

    def refer(self, leaf: int) -> None:
        """Bind a reference, or give it the role that its place suggests."""
        number = self.lookup(leaf)
        if number == FREE:
            self.resolution.uses[leaf] = Use(self.free_role(leaf))
        else:
            binding = self.resolution.bindings[number]
            binding.leaves.append(leaf)
            self.resolution.uses[leaf] = Use(binding.role, number)

    def lookup(self, leaf: int) -> int:
        """Return the binding that a reference means."""
        return self.scopes.lookup(self.scope_at[leaf], self.tree.text(leaf), self.tree.starts[leaf])

    def free_role(self, leaf: int) -> Role:
        """Tell calls and types from other names that are not declared here."""
        tree = self.tree
        if tree.kinds[leaf] == "type_identifier":
            return Role.TYPE
        called = tree.kinds[tree.parents[leaf]] == "call_expression" and tree.fields[leaf] == "function"
        return Role.CALLED_METHOD if called else Role.UNDECLARED

    def _find_clashes(self) -> None:
        """Record locals declared where an outer local of that name is visible: an error in Java."""
        scopes, bindings = self.scopes, self.resolution.bindings
        for binding in bindings:
            if binding.role not in RENAMEABLE_ROLES or not binding.leaves:
                continue
            position = self.tree.starts[binding.leaves[0]]
            scope = scopes.parents[binding.scope]
            while scope >= 0 and scopes.kinds[scope] not in self.members:
                number = scopes.own(scope, binding.name)
                if number != FREE and bindings[number].visible_from <= position:
                    outer = bindings[number]
                    if outer.role in RENAMEABLE_ROLES:
                        self.resolution.clashes.add((outer.leaves[0], binding.leaves[0]))
                    break
                scope = scopes.parents[scope]
