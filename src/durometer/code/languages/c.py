"""C up to C23 as far as the grammar goes: block scopes, prototypes, K&R parameters, tags, labels, macros.

Departures: without headers, ``a * b;`` may declare ``b`` or multiply; it multiplies if ``a`` is a variable
in scope, and a type name that is a variable in scope is that variable. A name that is also used where no
declaration of it is in scope stays: a macro may declare it. Names in macro bodies, pragmas,
conditions of ``#if`` and attributes are never renamed. Arguments of unknown macros are (as in the
literature), although such a macro could turn them into a string; a macro of the snippet that does so
keeps its arguments.
"""

from __future__ import annotations

from typing import ClassVar

from durometer.code.languages.base import Language
from durometer.code.languages.lexical import Lexical
from durometer.code.scope import FREE, RENAMEABLE_ROLES, Resolution, Role, Use
from durometer.code.syntax import SyntaxTree

_DECLARATORS = frozenset(
    {
        "pointer_declarator", "array_declarator", "function_declarator", "parenthesized_declarator",
        "init_declarator", "attributed_declarator", "reference_declarator", "variadic_declarator",
    }
)  # fmt: skip
_UNFIELDED = frozenset(
    {"parenthesized_declarator", "reference_declarator", "variadic_declarator", "attributed_declarator"}
)
_TAGS = frozenset({"struct_specifier", "union_specifier", "enum_specifier", "class_specifier"})
_MACRO_PLACES = frozenset(
    {
        "preproc_def", "preproc_function_def", "preproc_params", "preproc_ifdef", "preproc_defined",
        "preproc_if", "preproc_elif", "preproc_elifdef", "preproc_call", "preproc_include",
    }
)  # fmt: skip
_PARAMETERS = frozenset(
    {"parameter_declaration", "optional_parameter_declaration", "variadic_parameter_declaration"}
)
_UNRESOLVED = frozenset({"attribute_specifier", "attribute_declaration", "ms_declspec_modifier", "attribute"})


class CFamily(Lexical):
    """C, and what C++ shares with it."""

    names = frozenset({"identifier", "type_identifier", "field_identifier", "statement_identifier"})
    opens = frozenset(
        {
            "function_definition",
            "compound_statement",
            "for_statement",
            "parameter_list",
            "field_declaration_list",
        }
    )
    shares = frozenset({("compound_statement", "function_definition")})
    members = frozenset({"field_declaration_list"})
    declares: ClassVar[dict[tuple[str, str | None], Role]] = {("enumerator", "name"): Role.FIELD}
    plain: ClassVar[dict[tuple[str, str | None], Role]] = {
        ("macro_type_specifier", "name"): Role.MACRO,
        ("gnu_asm_output_operand", "symbol"): Role.LABEL,
        ("gnu_asm_input_operand", "symbol"): Role.LABEL,
        ("gnu_asm_goto_list", "label"): Role.LABEL,
    }

    def __init__(self, tree: SyntaxTree) -> None:
        super().__init__(tree)
        self.stringifying: set[str] = set()
        self.directives: set[int] = set()

    def opens_here(self, node: int, kind: str) -> bool:
        """Parameters of the function that is being defined belong to its body's scope."""
        if kind == "parameter_list":
            return self._definition_of(node) < 0
        return super().opens_here(node, kind)

    def visit(self, node: int, kind: str) -> None:
        """Remember conditions of directives, and macros that turn arguments into strings or glue them."""
        if kind == "preproc_function_def":
            value = self.tree.child(node, "value")
            if value >= 0 and "#" in self.tree.text(value):
                self.stringifying.add(self.tree.text(self.tree.child(node, "name")))
        elif kind in ("preproc_if", "preproc_elif"):
            condition = self.tree.child(node, "condition")
            if condition >= 0:
                self.directives.update(range(condition, self.tree.stops[condition]))

    def classify(self, leaf: int) -> None:
        """Tell tags, members, labels and macros from the one namespace of ordinary names."""
        tree, parent = self.tree, self.tree.parents[leaf]
        leaf_kind, kind = tree.kinds[leaf], tree.kinds[parent]
        uses = self.resolution.uses
        if leaf_kind == "field_identifier":
            called = kind == "field_expression" and tree.fields[parent] == "function"
            uses[leaf] = Use(Role.CALLED_METHOD if called else Role.FIELD)
        elif leaf_kind == "statement_identifier":
            uses[leaf] = Use(Role.LABEL)
        elif leaf_kind == "type_identifier" and kind in _TAGS:
            uses[leaf] = Use(Role.TYPE)
        elif leaf in self.directives or (kind in _MACRO_PLACES and self._is_directive(leaf)):
            uses[leaf] = Use(Role.MACRO)
            self.resolution.veto(tree.text(leaf), "a preprocessor directive names it")
        elif self._in_attribute(leaf):
            uses[leaf] = Use(Role.MACRO)
            self.resolution.veto(tree.text(leaf), "an attribute names it")
        elif kind == "parameter_list":
            self.declare(leaf, Role.PARAMETER)
        elif not self._declarator(leaf):
            super().classify(leaf)

    def _is_directive(self, leaf: int) -> bool:
        """Say whether a name stands in a directive itself, not in the code that it guards."""
        return self.tree.fields[leaf] in ("name", "condition", None)

    def _in_attribute(self, leaf: int) -> bool:
        tree, node = self.tree, self.tree.parents[leaf]
        while tree.kinds[node] in ("argument_list", "call_expression", "attribute"):
            node = tree.parents[node]
        return tree.kinds[node] in _UNRESOLVED

    def _declarator(self, leaf: int) -> bool:
        """Declare ``leaf`` if it is the name of a declarator, and say whether it was one."""
        tree, node = self.tree, leaf
        inner = ""
        while tree.kinds[tree.parents[node]] in _DECLARATORS:
            parent = tree.parents[node]
            kind = tree.kinds[parent]
            if tree.fields[node] != "declarator" and kind not in _UNFIELDED:
                return False
            if kind not in ("parenthesized_declarator", "attributed_declarator"):
                inner = inner or kind
            node = parent
        if tree.fields[node] != "declarator":
            return False
        holder = tree.parents[node]
        return self._declare_in(holder, leaf, inner == "function_declarator")

    def _declare_in(self, holder: int, leaf: int, is_function: bool) -> bool:
        tree, kind = self.tree, self.tree.kinds[holder]
        if kind == "function_definition":
            self.declare(leaf, Role.FUNCTION_NAME, self.scopes.parents[self.inner[holder]])
        elif kind in _PARAMETERS:
            self.declare(leaf, Role.PARAMETER)
        elif kind == "type_definition":
            self.declare(leaf, Role.TYPE)
        elif kind == "declaration":
            if self._is_expression(holder):
                return False
            external = any(
                tree.kinds[c] == "storage_class_specifier" and tree.text(c) == "extern"
                for c in tree.children(holder)
            )
            self.declare(leaf, Role.FUNCTION_NAME if is_function else Role.FIELD if external else Role.LOCAL)
        else:
            return False
        return True

    def _is_expression(self, declaration: int) -> bool:
        """Say whether ``a * b;`` was taken for a declaration although ``a`` is a variable."""
        tree = self.tree
        kind = tree.child(declaration, "type")
        if kind >= 0 and tree.kinds[kind] == "template_type":  # ``a < b > c;``
            kind = tree.child(kind, "name")
        if kind < 0 or tree.kinds[kind] != "type_identifier":
            return False
        number = self.lookup(kind)
        return number != FREE and self.resolution.bindings[number].role in RENAMEABLE_ROLES

    def _definition_of(self, parameters: int) -> int:
        """Return the function definition whose own parameters these are, or −1."""
        tree = self.tree
        declarator = tree.parents[parameters]
        if tree.kinds[declarator] != "function_declarator":
            return -1
        if tree.kinds[tree.parents[declarator]] == "function_declarator":
            return -1  # ``NAME(f)(int a) { }``: a macro makes the name, the outer parentheses hold parameters
        name = tree.child(declarator, "declarator")
        if name >= 0 and tree.kinds[name] == "function_declarator":
            name = tree.child(name, "declarator")
        while name >= 0 and tree.kinds[name] in ("parenthesized_declarator", "attributed_declarator"):
            name += 2 if tree.kinds[name] == "parenthesized_declarator" else 1
        if name < 0 or tree.kinds[name] in _DECLARATORS:
            return -1
        node = declarator
        while tree.kinds[node] in _DECLARATORS:
            node = tree.parents[node]
        return node if tree.kinds[node] == "function_definition" else -1

    def after(self) -> None:
        """Keep arguments of stringifying macros; find the snippet's own function."""
        tree = self.tree
        for node, kind in enumerate(tree.kinds):
            if kind == "call_expression" and self.stringifying:
                callee = tree.child(node, "function")
                if callee >= 0 and tree.text(callee) in self.stringifying:
                    for leaf in range(callee + 1, tree.stops[node]):
                        if tree.kinds[leaf] in self.names:
                            self.resolution.veto(tree.text(leaf), "a macro makes a string of it")
        bound = {binding.name for binding in self.resolution.bindings if binding.role in RENAMEABLE_ROLES}
        for leaf in self.references:
            if self.resolution.uses[leaf].binding == FREE and tree.text(leaf) in bound:
                self.resolution.veto(tree.text(leaf), "it is also used where it is not declared")
        found = [node for node in tree.children(0) if tree.kinds[node] == "function_definition"]
        if len(found) == 1:
            self._own_name(found[0])

    def _own_name(self, function: int) -> None:
        outside = self.scopes.parents[self.inner[function]]
        for binding in self.resolution.bindings:
            made = binding.leaves and tree_grandparent(self.tree, binding.leaves[0]) == "function_declarator"
            mine = binding.leaves and not made and function < binding.leaves[0] < self.tree.stops[function]
            if mine and binding.scope == outside and binding.role is Role.FUNCTION_NAME:
                self.resolution.function_name = binding.name
                self.resolution.function_leaves = tuple(binding.leaves)
                return


def tree_grandparent(tree: SyntaxTree, node: int) -> str:
    """Return the kind of the node above a node's parent."""
    return tree.kinds[tree.parents[tree.parents[node]]]


def _resolve(tree: SyntaxTree) -> Resolution:
    return CFamily(tree).run()


C_RESERVED = """
auto break case char const continue default do double else enum extern float for goto if inline int long
register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
_Alignas _Alignof _Atomic _Bool _Complex _Decimal128 _Decimal32 _Decimal64 _Generic _Imaginary _Noreturn
_Static_assert _Thread_local alignas alignof bool constexpr false nullptr static_assert thread_local true
typeof typeof_unqual asm NULL
"""
# Common macros and compiler words that headers may define: names that we never choose.
C_CONTEXTUAL = """
EOF errno stdin stdout stderr assert offsetof va_start va_end va_arg va_copy complex imaginary I noreturn
linux unix i386 near far huge min max major minor INFINITY NAN HUGE_VAL isnan isinf signbit setjmp SIG_DFL
__func__ __FUNCTION__ __FILE__ __LINE__ __asm__ __attribute__ __typeof__ main
"""

C = Language(
    name="c",
    module="tree_sitter_c",
    reserved=frozenset(C_RESERVED.split()),
    contextual=frozenset(C_CONTEXTUAL.split()),
    names=CFamily.names,
    atoms=frozenset({"string_literal", "char_literal", "system_lib_string"}),
    comments=frozenset({"comment"}),
    resolve=_resolve,
    opaque=frozenset({"preproc_arg"}),
    extra_letters="$",
    unusable_prefixes=("__",),
    has_macros=True,
)
