"""JavaScript up to private fields: hoisted ``var``, block-scoped ``let`` and ``const``, patterns, classes.

Departures, all to the safe side: a name that is written in shorthand (``{name}``) stays, because a
rename would change a property; nothing is renamed beside ``eval`` or ``with``; variables at the top of a
file, functions, classes, imports and names of JSX elements are never renamed.
"""

from __future__ import annotations

from typing import ClassVar

from durometer.code.languages.base import Language
from durometer.code.languages.lexical import Lexical, Roles
from durometer.code.scope import FREE, RENAMEABLE_ROLES, Binding, Role, Use
from durometer.code.syntax import SyntaxTree

_FUNCTIONS = frozenset(
    {
        "function_declaration", "function_expression", "generator_function", "generator_function_declaration",
        "arrow_function", "method_definition", "class_static_block",
    }
)  # fmt: skip
_ANONYMOUS = frozenset({"arrow_function", "function_expression", "generator_function", "class"})
_DECLARED_FUNCTIONS = frozenset({"function_declaration", "generator_function_declaration"})
_PATTERNS = frozenset(
    {
        ("array_pattern", None), ("pair_pattern", "value"), ("rest_pattern", None), ("object_pattern", None),
        ("assignment_pattern", "left"), ("object_assignment_pattern", "left"),
    }
)  # fmt: skip
_FREE_USE = Use(Role.UNDECLARED)
_PROPERTIES = frozenset({"property_identifier", "private_property_identifier"})
_SHORTHANDS = frozenset({"shorthand_property_identifier", "shorthand_property_identifier_pattern"})


class _JavaScript(Lexical):
    names = _PROPERTIES | _SHORTHANDS | {"identifier", "statement_identifier"}
    opens = _FUNCTIONS | {
        "statement_block", "for_statement", "for_in_statement", "catch_clause", "switch_body", "class",
        "class_body",
    }  # fmt: skip
    shares = frozenset({("statement_block", kind) for kind in [*_FUNCTIONS, "catch_clause"]})
    hoists = True
    declares: ClassVar[Roles] = {
        ("function_expression", "name"): Role.FUNCTION_NAME,
        ("generator_function", "name"): Role.FUNCTION_NAME,
        ("class", "name"): Role.TYPE,
        ("class_declaration", "name"): Role.TYPE,
        ("import_clause", None): Role.IMPORT,
        ("namespace_import", None): Role.IMPORT,
        ("import_specifier", "alias"): Role.IMPORT,
    }
    plain: ClassVar[Roles] = {
        ("export_specifier", "alias"): Role.FIELD,
    }

    def __init__(self, tree: SyntaxTree) -> None:
        super().__init__(tree)
        self.bodies: dict[int, int] = {}
        self.hoisted: list[tuple[int, int, int]] = []  # a name, the scopes that it passes: from, and before

    def visit(self, node: int, kind: str) -> None:
        """Give up where names are looked up at run time."""
        if kind == "with_statement":
            self.resolution.veto_all = "a with statement looks names up at run time"

    def classify(self, leaf: int) -> None:
        """Tell properties and labels from variables, and find the patterns that declare."""
        tree, parent = self.tree, self.tree.parents[leaf]
        leaf_kind, kind, field = tree.kinds[leaf], tree.kinds[parent], tree.fields[leaf]
        if leaf_kind in _PROPERTIES:
            called = kind == "member_expression" and tree.kinds[tree.parents[parent]] == "call_expression"
            role = Role.CALLED_METHOD if called and tree.fields[parent] == "function" else Role.FIELD
            role = Role.FUNCTION_NAME if kind == "method_definition" and field == "name" else role
            self.resolution.uses[leaf] = Use(role)
            return
        if leaf_kind == "statement_identifier":
            self.resolution.uses[leaf] = Use(Role.LABEL)
            return
        element = kind.startswith("jsx_") and kind != "jsx_expression"
        if leaf_kind in _SHORTHANDS or kind == "export_specifier" or element:
            self.resolution.veto(tree.text(leaf), "it is also the name of a property, export or element")
            self.resolution.shown.add(tree.text(leaf))
        if kind in _DECLARED_FUNCTIONS and field == "name":
            self._function(leaf)
        elif kind == "import_specifier" and field == "name":
            aliased = tree.child(parent, "alias") >= 0
            self.resolution.uses[leaf] = Use(Role.IMPORT)
            if not aliased:
                self.declare(leaf, Role.IMPORT)
        elif not self._pattern(leaf):
            super().classify(leaf)

    def _pattern(self, leaf: int) -> bool:
        """Declare ``leaf`` if a declaration's pattern binds it, and say whether one does."""
        tree, node = self.tree, leaf
        while (tree.kinds[tree.parents[node]], tree.fields[node]) in _PATTERNS:
            node = tree.parents[node]
        holder, field = tree.parents[node], tree.fields[node]
        kind = tree.kinds[holder]
        if kind == "formal_parameters" or (kind == "arrow_function" and field == "parameter"):
            self.declare(leaf, Role.PARAMETER)
            if tree.text(leaf) == "require":
                self.resolution.veto("require", "loaders look for its calls in the text of the function")
        elif kind == "catch_clause" and field == "parameter":
            self.declare(leaf, Role.LOCAL)
        elif kind == "variable_declarator" and field == "name":
            self._variable(leaf, tree.kinds[tree.parents[holder]] == "variable_declaration")
        elif kind == "for_in_statement" and field == "left" and tree.child(holder, "kind") >= 0:
            self._variable(leaf, tree.text(tree.child(holder, "kind")) == "var")
        else:
            return False
        return True

    def _function(self, leaf: int) -> None:
        """Declare a function in its block, and in sloppy mode in the function around it too (annex B.3.2)."""
        block = self.scopes.parents[self.scope_at[leaf]]
        self.declare(leaf, Role.FUNCTION_NAME, block)
        around = self._function_scope(block)
        if around != block:
            self.hoisted.append((leaf, self.scopes.parents[block], self.scopes.parents[around]))
            self.scopes.declare(around, self.tree.text(leaf), -1, Role.FUNCTION_NAME)

    def lookup(self, leaf: int) -> int:
        """Resolve outwards, but what stands before a function's body does not see the body's variables."""
        number = super().lookup(leaf)
        while number != FREE:
            binding = self.resolution.bindings[number]
            if self.scopes.kinds[binding.scope] not in _FUNCTIONS:
                break
            function = self.scopes.nodes[binding.scope]
            body = self.bodies.get(function)
            if body is None:
                body = self.bodies[function] = self.tree.child(function, "body")
            if leaf > body or not self._unseen(leaf, function, body, binding):
                break
            outside = self.scopes.parents[binding.scope]
            number = self.scopes.lookup(outside, binding.name, self.tree.starts[leaf])
        return number

    def _unseen(self, leaf: int, function: int, body: int, binding: Binding) -> bool:
        """Say whether a name before ``body`` cannot mean ``binding``: a default value, or a computed key."""
        if self.tree.kinds[function] == "method_definition":
            parameters = self.tree.child(function, "parameters")
            if leaf < parameters:
                return True
        return min(binding.leaves, default=body) >= body

    def _variable(self, leaf: int, hoisted: bool) -> None:
        scope = self.scope_at[leaf]
        if hoisted:
            around = self._function_scope(scope)
            self.hoisted.append((leaf, scope, around))
            scope = around
        self.declare(leaf, Role.LOCAL, scope)

    def _function_scope(self, scope: int) -> int:
        while scope != self.root and self.scopes.kinds[scope] not in _FUNCTIONS:
            scope = self.scopes.parents[scope]
        return scope

    def free_role(self, leaf: int) -> Role:
        """Tell calls and constructed types from other names; give up on ``eval``."""
        tree = self.tree
        kind, field = tree.kinds[tree.parents[leaf]], tree.fields[leaf]
        if tree.text(leaf) == "eval":
            self.resolution.veto_all = "the snippet calls eval"
        if kind == "call_expression" and field == "function":
            return Role.CALLED_METHOD
        return Role.TYPE if kind in ("new_expression", "class_heritage") else Role.UNDECLARED

    def after(self) -> None:
        """Note what hoisted names pass, keep names that functions take, find the snippet's one function."""
        tree = self.tree
        for leaf, scope, stop in self.hoisted:
            self._note_passed(leaf, scope, stop)
        for node, kind in enumerate(tree.kinds):
            if kind == "member_expression" and tree.text(tree.child(node, "property")) == "name":
                taken = self.resolution.uses.get(tree.child(node, "object"), _FREE_USE).binding
                if taken != FREE and any(map(self._names, self.resolution.bindings[taken].leaves)):
                    self.resolution.veto(tree.text(node + 1), "a function takes its name")
            elif kind == "for_in_statement" and tree.child(node, "kind") < 0:
                self.resolution.veto("async", "``for (async of …)`` is no loop")
        found = [node for node in tree.children(0) if tree.kinds[node] in _DECLARED_FUNCTIONS]
        use = self.resolution.uses.get(tree.child(found[0], "name")) if len(found) == 1 else None
        if use is not None and self.resolution.bindings[use.binding].role not in RENAMEABLE_ROLES:
            binding = self.resolution.bindings[use.binding]
            self.resolution.name_function(binding)

    def _note_passed(self, leaf: int, scope: int, stop: int) -> None:
        """Note the declarations that a hoisted name passes on its way out: such a pair must stay as it is.

        A function in a block goes no further than them: they keep their name if it is also used for another.
        """
        tree, uses, name = self.tree, self.resolution.uses, self.tree.text(leaf)
        passed = {uses[leaf].binding}
        while scope != stop:
            number = self.scopes.own(scope, name)
            if number != FREE and self.resolution.bindings[number].leaves[:1] not in ([], [leaf]):
                self.resolution.clashes.add((self.resolution.bindings[number].leaves[0], leaf))
                passed.update([number] if self.scopes.parents[scope] != stop else [])
            scope = self.scopes.parents[scope]
        if uses[leaf].role is Role.FUNCTION_NAME and len(passed) > 1:
            others = (other for other in self.references if uses[other].binding not in passed)
            if any(tree.text(other) == name for other in others):
                self.resolution.veto(name, "it decides how far a function in a block is seen")

    def _names(self, leaf: int) -> bool:
        """Say whether a function or class without a name of its own gets that of the variable ``leaf``."""
        tree, holder = self.tree, self.tree.parents[leaf]
        value = max(tree.child(holder, "value"), tree.child(holder, "right"))
        anonymous = value >= 0 and tree.kinds[value] in _ANONYMOUS and tree.child(value, "name") < 0
        return anonymous and tree.fields[leaf] in ("name", "left")


_RESERVED = """
await break case catch class const continue debugger default delete do else enum export extends false finally
for function if implements import in instanceof interface let new null package private protected public return
static super switch this throw true try typeof var void while with yield arguments eval
"""
_CONTEXTUAL = """
async of get set as from target meta undefined NaN Infinity accessor using constructor
"""

JAVASCRIPT = Language(
    name="javascript",
    module="tree_sitter_javascript",
    reserved=frozenset(_RESERVED.split()),
    contextual=frozenset(_CONTEXTUAL.split()),
    names=_JavaScript.names,
    atoms=frozenset({"string", "template_string", "regex"}),
    comments=frozenset({"comment", "html_comment"}),
    resolve=_JavaScript.resolve,
    extra_letters="$",
    ends_lines=True,
    joined_before=frozenset({"=>", "++", "--"}),
    joined_after=frozenset({"async", "throw", "return", "break", "continue", "yield"}),
    directives=("<!--", "-->"),
    wrappers=(("class X {", "\n}"), ("(", "\n)")),
)
