"""Scopes, bindings and roles: who a name belongs to.

A language's ``resolve`` opens scopes, declares names in them and then looks references up. A *binding*
is one declared thing; every identifier leaf ends up with a role and, if it is declared here, with
the number of its binding. Two programs mean the same if their leaves have the same roles and the same
partition into bindings (alpha-equivalence), so bindings are what proofs compare.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from durometer.code.reason import Reason


class Role(StrEnum):
    """What an identifier is to the snippet."""

    LOCAL = "local"
    PARAMETER = "parameter"
    FUNCTION_NAME = "function_name"  # declared here: the snippet's own, nested, or a sibling's
    CALLED_METHOD = "called_method"
    FIELD = "field"  # members, keyword-argument names, module globals
    TYPE = "type"
    LABEL = "label"
    MACRO = "macro"
    IMPORT = "import"
    UNDECLARED = "undeclared"


RENAMEABLE_ROLES = frozenset({Role.LOCAL, Role.PARAMETER})

REASON_OF_ROLE = {
    Role.FUNCTION_NAME: Reason.RENAMES_CALL,
    Role.CALLED_METHOD: Reason.RENAMES_CALL,
    Role.FIELD: Reason.RENAMES_FIELD,
    Role.TYPE: Reason.RENAMES_TYPE,
}

# A binding that was declared in two ways is the stricter of them: a name both imported and assigned
# must not be renamed.
_STRICTNESS = (Role.LOCAL, Role.PARAMETER, Role.FIELD, Role.FUNCTION_NAME, Role.TYPE, Role.IMPORT)

FREE = -1


@dataclass(slots=True)
class Binding:
    """One declared thing: a variable, parameter, function or type of the snippet.

    ``owner`` is the node of the outermost function that its scope lies in.
    """

    name: str
    role: Role
    scope: int
    owner: int
    visible_from: int
    leaves: list[int]


@dataclass(slots=True)
class Use:
    """What one identifier leaf is: its role, and its binding's number or ``FREE``."""

    role: Role
    binding: int = FREE


@dataclass(slots=True)
class Resolution:
    """Everything that a language knows about the names of one tree."""

    uses: dict[int, Use] = field(default_factory=dict)
    bindings: list[Binding] = field(default_factory=list)
    vetoes: dict[str, str] = field(default_factory=dict)
    veto_all: str = ""
    shown: set[str] = field(default_factory=set)  # names whose spelling the program shows or passes on
    clashes: set[tuple[int, int]] = field(default_factory=set)
    function_name: str | None = None
    function_leaves: tuple[int, ...] = ()

    def veto(self, name: str, why: str) -> None:
        """Forbid renaming ``name``; the first reason is kept."""
        self.vetoes.setdefault(name, why)

    def name_function(self, binding: Binding) -> None:
        """Record whose name the one function that the snippet consists of has."""
        self.function_name, self.function_leaves = binding.name, tuple(binding.leaves)


class Scopes:
    """A tree of scopes with their bindings, filled first and then asked."""

    def __init__(self, resolution: Resolution, members: frozenset[str]) -> None:
        self.resolution = resolution
        self.members = members  # kinds of scopes whose declarations are members of a class
        self.parents: list[int] = []
        self.kinds: list[str] = []
        self.nodes: list[int] = []
        self._names: list[dict[str, int]] = []

    def open(self, parent: int, kind: str, node: int) -> int:
        """Open a scope inside ``parent`` (−1 for the outermost) and return its number."""
        self.parents.append(parent)
        self.kinds.append(kind)
        self.nodes.append(node)
        self._names.append({})
        return len(self.parents) - 1

    def declare(self, scope: int, name: str, leaf: int, role: Role, visible_from: int = 0) -> int:
        """Declare ``name`` in ``scope``; a second declaration there joins the first binding."""
        number = self._names[scope].get(name)
        bindings = self.resolution.bindings
        if number is None:
            number = len(bindings)
            bindings.append(Binding(name, role, scope, self._owner(scope), visible_from, []))
            self._names[scope][name] = number
        binding = bindings[number]
        if _STRICTNESS.index(role) > _STRICTNESS.index(binding.role):
            binding.role = role
        binding.visible_from = min(binding.visible_from, visible_from)
        if leaf >= 0:
            binding.leaves.append(leaf)
            self.resolution.uses[leaf] = Use(role, number)
        return number

    def _owner(self, scope: int) -> int:
        parents = self.parents
        while parents[scope] > 0 and self.kinds[parents[scope]] not in self.members:
            scope = parents[scope]
        return self.nodes[scope]

    def own(self, scope: int, name: str) -> int:
        """Return the binding that ``scope`` itself declares for ``name``, or ``FREE``."""
        return self._names[scope].get(name, FREE)

    def lookup(self, scope: int, name: str, position: int) -> int:
        """Return the binding that ``name`` means at byte ``position`` in ``scope``, or ``FREE``."""
        while scope >= 0:
            number = self._names[scope].get(name)
            if number is not None and self.resolution.bindings[number].visible_from <= position:
                return number
            scope = self.parents[scope]
        return FREE

    def finish(self) -> Resolution:
        """Give every bound leaf the final role of its binding, and return the resolution."""
        bindings = self.resolution.bindings
        for use in self.resolution.uses.values():
            if use.binding != FREE:
                use.role = bindings[use.binding].role
        return self.resolution
