"""Go: block scopes, short declarations that reuse names, implicit blocks of clauses, named results.

Departures, all to the safe side: a variable that may be meant as a field by a key of a composite literal
stays; package-level names, functions, types, labels and imports are never renamed. A short declaration
that reuses a name of the same block joins its binding.
"""

from __future__ import annotations

from typing import ClassVar

from durometer.code.languages.base import Language
from durometer.code.languages.lexical import Lexical, Roles
from durometer.code.scope import FREE, Role, Use
from durometer.code.syntax import SyntaxTree

_FUNCTIONS = ("function_declaration", "method_declaration", "func_literal")
_PARAMETERS = frozenset({"parameter_declaration", "variadic_parameter_declaration"})
_SHORT = frozenset({"short_var_declaration", "range_clause", "receive_statement"})
_TYPE_CASE = frozenset({"type_case"})
_RECEIVER = frozenset(
    {"type_elem", "type_arguments", "generic_type", "pointer_type", "parameter_declaration"}
)
_UNKEYED = frozenset({"map_type", "slice_type", "array_type", "implicit_length_array_type"})


class _Go(Lexical):
    names = frozenset(
        {"identifier", "field_identifier", "type_identifier", "package_identifier", "label_name"}
    )
    opens = frozenset(
        {
            *_FUNCTIONS, "function_type", "method_elem", "block", "if_statement", "for_statement",
            "expression_switch_statement", "type_switch_statement", "select_statement", "expression_case",
            "type_case", "default_case", "communication_case",
        }
    )  # fmt: skip
    shares = frozenset({("block", kind) for kind in _FUNCTIONS})
    declares: ClassVar[Roles] = {
        ("type_parameter_declaration", "name"): Role.TYPE,
        ("type_spec", "name"): Role.TYPE,
        ("type_alias", "name"): Role.TYPE,
    }
    plain: ClassVar[Roles] = {
        ("import_spec", "name"): Role.IMPORT,
        ("package_clause", None): Role.IMPORT,
        ("method_declaration", "name"): Role.FUNCTION_NAME,
        ("method_elem", "name"): Role.FUNCTION_NAME,
        ("qualified_type", "name"): Role.TYPE,
    }

    def __init__(self, tree: SyntaxTree) -> None:
        super().__init__(tree)
        self.keys: list[int] = []
        self.bare: list[int] = []

    def classify(self, leaf: int) -> None:
        """Tell fields and labels from names, and find what short declarations declare."""
        tree, parent = self.tree, self.tree.parents[leaf]
        leaf_kind, kind, field = tree.kinds[leaf], tree.kinds[parent], tree.fields[leaf]
        place = (kind, field)
        if tree.text(leaf) == "_":
            self.resolution.uses[leaf] = Use(Role.UNDECLARED)
        elif leaf_kind == "label_name":
            self.resolution.uses[leaf] = Use(Role.LABEL)
        elif leaf_kind == "field_identifier" and place not in self.plain:
            called = kind == "selector_expression" and tree.fields[parent] == "function"
            self.resolution.uses[leaf] = Use(Role.CALLED_METHOD if called else Role.FIELD)
        elif leaf_kind == "type_identifier" and self._of_receiver(parent):
            self.declare(leaf, Role.TYPE)
        elif place == ("function_declaration", "name"):
            self.declare(leaf, Role.FUNCTION_NAME, self.root)
        elif kind in ("var_spec", "const_spec") and field == "name":
            self.declare(leaf, Role.LOCAL, visible_from=tree.ends[parent])
        elif kind in _PARAMETERS and (field == "name" or self._is_misread(leaf, parent)):
            self.declare(leaf, Role.PARAMETER, visible_from=self._body(leaf))
        elif kind == "expression_list" and self._declaring(parent):
            self.declare(leaf, Role.LOCAL, visible_from=self._visible_from(parent))
        else:
            if kind == "literal_element" and tree.fields[parent] == "key" and self._may_be_field(parent):
                self.keys.append(leaf)
            super().classify(leaf)

    def visit(self, node: int, kind: str) -> None:
        """Keep what constants without a value repeat unseen; note returns that name no results."""
        tree = self.tree
        if kind == "const_declaration":
            value = -1
            for spec in tree.children(node):
                own = tree.child(spec, "value")
                for leaf in range(value, tree.stops[value] if own < 0 <= value else value):
                    if tree.kinds[leaf] == "identifier" and tree.kinds[spec] == "const_spec":
                        self.resolution.veto(tree.text(leaf), "a constant repeats it")
                value = own if own >= 0 else value
        elif kind == "return_statement" and tree.stops[node] == node + 2:
            self.bare.append(node)

    def _is_misread(self, leaf: int, declaration: int) -> bool:
        """Say whether the grammar took a name for a type, as in lists of ten: all are named, or none."""
        tree = self.tree
        if tree.kinds[leaf] != "type_identifier" or tree.child(declaration, "name") >= 0:
            return False
        siblings = tree.children(tree.parents[declaration])
        return any(tree.kinds[other] in _PARAMETERS and tree.child(other, "name") >= 0 for other in siblings)

    def _of_receiver(self, holder: int) -> bool:
        """Say whether a type stands in the brackets of a method's receiver: it is declared there."""
        tree = self.tree
        if tree.kinds[holder] not in ("type_elem", "type_arguments"):
            return False
        while tree.kinds[holder] in _RECEIVER:
            holder = tree.parents[holder]
        return tree.fields[holder] == "receiver"

    def _body(self, parameter: int) -> int:
        """Return where a parameter is first seen: in ``func f(node node)`` the type is not the parameter."""
        tree, holder = self.tree, self.scopes.nodes[self.scope_at[parameter]]
        body = tree.child(holder, "body")
        return tree.starts[body] if body >= 0 else tree.ends[holder]

    def _declaring(self, names: int) -> bool:
        """Say whether an expression list is the left side of ``:=``."""
        tree, holder = self.tree, self.tree.parents[names]
        kind, field = tree.kinds[holder], tree.fields[names]
        if kind == "type_switch_statement":
            return field == "alias"
        if kind not in _SHORT or field != "left":
            return False
        return any(tree.kinds[child] == ":=" for child in tree.children(holder))

    def _visible_from(self, names: int) -> int:
        tree, holder = self.tree, self.tree.parents[names]
        value = tree.child(holder, "value") if tree.kinds[holder] == "type_switch_statement" else holder
        return tree.ends[value]

    def _may_be_field(self, key: int) -> bool:
        """Say whether the literal around a key may be a struct's."""
        tree = self.tree
        holder = tree.parents[tree.parents[tree.parents[key]]]
        if tree.kinds[holder] != "composite_literal":
            return True
        return tree.kinds[tree.child(holder, "type")] not in _UNKEYED

    def lookup(self, leaf: int) -> int:
        """Resolve outwards; the types of a type switch's cases do not see its variable."""
        number = super().lookup(leaf)
        scope = self.resolution.bindings[number].scope if number != FREE else -1
        if scope >= 0 and self.scopes.kinds[scope] == "type_switch_statement":
            tree, case = self.tree, self.tree.ancestor(leaf, _TYPE_CASE)
            if case >= 0 and tree.parents[case] == self.scopes.nodes[scope] and leaf < _colon(tree, case):
                return self.scopes.lookup(self.scopes.parents[scope], tree.text(leaf), tree.starts[leaf])
        return number

    def free_role(self, leaf: int) -> Role:
        """Tell packages of qualified types from other names."""
        package = self.tree.kinds[leaf] == "package_identifier"
        return Role.IMPORT if package else super().free_role(leaf)

    def after(self) -> None:
        """Keep what a key may name, note results that a bare return does not see, find the own function."""
        tree = self.tree
        for node in self.bare:
            results = tree.child(tree.ancestor(node, frozenset(_FUNCTIONS)), "result")
            for leaf in range(results, tree.stops[results] if results >= 0 else results):
                use = self.resolution.uses.get(leaf)
                if use is not None and use.role is Role.PARAMETER:
                    seen = self.scopes.lookup(self.scope_at[node], tree.text(leaf), tree.starts[node])
                    if seen not in (FREE, use.binding):
                        self.resolution.clashes.add((leaf, self.resolution.bindings[seen].leaves[0]))
        for leaf in self.keys:
            if self.resolution.uses[leaf].binding != FREE:
                self.resolution.veto(tree.text(leaf), "a key of a literal may be a field")
        found = [node for node in tree.children(0) if tree.kinds[node] in _FUNCTIONS]
        if len(found) == 1 and tree.kinds[found[0]] == "function_declaration":
            use = self.resolution.uses.get(tree.child(found[0], "name"))
            if use is not None and use.binding != FREE:
                binding = self.resolution.bindings[use.binding]
                self.resolution.name_function(binding)


def _colon(tree: SyntaxTree, case: int) -> int:
    return next((child for child in tree.children(case) if tree.kinds[child] == ":"), case)


def _preambles(tree: SyntaxTree) -> list[tuple[str, int]]:
    """Return the comments at the top of a file that imports ``"C"``: they are C code."""
    comments = [tree.text(node) for node, kind in enumerate(tree.kinds) if kind == "comment"]
    is_cgo = any(kind == "import_spec" and tree.text(node) == '"C"' for node, kind in enumerate(tree.kinds))
    return [(text, 0) for text in comments] if is_cgo else []


_RESERVED = """
break case chan const continue default defer else fallthrough for func go goto if import interface map package
range return select struct switch type var true false nil iota _
"""
_CONTEXTUAL = """
any append bool byte cap clear close comparable complex complex128 complex64 copy delete error float32 float64
imag init int int16 int32 int64 int8 len main make max min new panic print println real recover rune string
uint uint16 uint32 uint64 uint8 uintptr
"""

_ENDS = "identifier literal nil true false iota return break continue fallthrough ++ -- ) ] }"

GO = Language(
    name="go",
    module="tree_sitter_go",
    reserved=frozenset(_RESERVED.split()),
    contextual=frozenset(_CONTEXTUAL.split()),
    names=_Go.names,
    atoms=frozenset({"interpreted_string_literal", "raw_string_literal", "rune_literal"}),
    comments=frozenset({"comment"}),
    directives=("//go:", "//export ", "//line ", "/*line ", "// +build "),
    letters=frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Nd"}),
    ends_lines=True,
    joined_after=frozenset(_ENDS.split()),
    spells=_preambles,
    resolve=_Go.resolve,
)
