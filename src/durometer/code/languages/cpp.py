"""C++ on top of C: lambdas, captures, range loops, structured bindings, references, templates, members.

Departures, all to the safe side: ``T x(a);`` may declare a function, so that ``x`` stays unless ``a`` is a
variable in scope; template parameters, members, namespaces and aliases are never renamed.
"""

from __future__ import annotations

from typing import ClassVar

from durometer.code.languages.base import Language
from durometer.code.languages.c import C_CONTEXTUAL, C_RESERVED, TAGS, CFamily, meant_layout
from durometer.code.languages.lexical import Roles
from durometer.code.scope import FREE, RENAMEABLE_ROLES, Role, Use
from durometer.code.syntax import SyntaxTree

_FUNCTIONS = ("function_definition", "lambda_expression")


class _Cpp(CFamily):
    names = CFamily.names | {"namespace_identifier"}
    opens = CFamily.opens | {
        "lambda_expression", "for_range_loop", "catch_clause", "if_statement", "while_statement",
        "switch_statement", "template_declaration", "namespace_definition", "enumerator_list",
    }  # fmt: skip
    has_classes = True
    members = CFamily.members | {"namespace_definition", "template_declaration", "enumerator_list"}
    shares = frozenset(
        {
            ("compound_statement", kind)
            for kind in (*_FUNCTIONS, "for_statement", "for_range_loop", "catch_clause", "switch_statement")
        }
    )
    declares: ClassVar[Roles] = {
        **CFamily.declares,
        ("type_parameter_declaration", None): Role.TYPE,
        ("variadic_type_parameter_declaration", None): Role.TYPE,
        ("optional_type_parameter_declaration", "name"): Role.TYPE,
        ("alias_declaration", "name"): Role.TYPE,
        ("concept_definition", "name"): Role.TYPE,
    }
    plain: ClassVar[Roles] = {
        **CFamily.plain,
        ("qualified_identifier", "name"): Role.UNDECLARED,
        ("destructor_name", None): Role.FUNCTION_NAME,
        ("using_declaration", None): Role.IMPORT,
    }

    def opens_here(self, node: int, kind: str) -> bool:
        """Parameters of a lambda or handler belong to its body; only scoped enumerations are scopes."""
        parent = self.tree.kinds[self.tree.parents[node]]
        if kind == "enumerator_list":
            words = {self.tree.kinds[child] for child in self.tree.children(self.tree.parents[node])}
            return "class" in words or "struct" in words
        if kind == "parameter_list" and parent in ("abstract_function_declarator", "catch_clause"):
            holder = self.tree.parents[self.tree.parents[node]]
            return parent != "catch_clause" and self.tree.kinds[holder] != "lambda_expression"
        return super().opens_here(node, kind)

    def classify(self, leaf: int) -> None:
        """Add namespaces, members that bodies see by their plain name, and qualified calls."""
        tree, parent = self.tree, self.tree.parents[leaf]
        kind = tree.kinds[leaf]
        if kind == "namespace_identifier":
            self.resolution.uses[leaf] = Use(Role.TYPE)
        elif kind == "field_identifier" and self._declares_member(leaf):
            scope = self.scope_at[leaf]
            while self.scopes.kinds[scope] == "function_definition":  # the member that it defines
                scope = self.scopes.parents[scope]
            self.scopes.declare(scope, tree.text(leaf), leaf, Role.FIELD)
            if tree.kinds[parent] == "field_declaration" and self._is_spilled(leaf):
                self.resolution.veto(tree.text(leaf), "a member of a union without a name is seen around it")
        elif kind == "type_identifier" and tree.kinds[parent] in TAGS and tree.child(parent, "body") >= 0:
            self.declare(leaf, Role.TYPE)  # one namespace with variables, unlike in C
        elif kind == "field_identifier" and self._is_pointer_to_member(leaf):
            self.references.append(leaf)
        elif tree.kinds[parent] == "structured_binding_declarator":
            holder = tree.parents[tree_declarator(tree, leaf)]
            self._declare_in(holder, leaf, is_function=False)
        elif tree.kinds[parent] == "lambda_capture_initializer" and tree.fields[leaf] == "left":
            body = tree.child(tree.parents[tree.parents[parent]], "body")
            self.declare(leaf, Role.LOCAL, visible_from=tree.starts[body] if body >= 0 else None)
        elif tree.kinds[parent] == "qualified_identifier" and tree.fields[leaf] == "name":
            if tree.kinds[tree.parents[parent]] == "using_declaration":
                self.declare(leaf, Role.IMPORT)
                return
            call = tree.parents[parent]
            while tree.kinds[call] == "qualified_identifier":
                call = tree.parents[call]
            called = tree.kinds[call] == "call_expression"
            role = Role.CALLED_METHOD if called else Role.UNDECLARED
            self.resolution.uses[leaf] = Use(Role.TYPE if kind == "type_identifier" else role)
        else:
            super().classify(leaf)

    def visit(self, node: int, kind: str) -> None:
        """Keep all names where an enumeration's constants are brought in."""
        if kind == "using_declaration" and any(
            self.tree.kinds[c] == "enum" for c in self.tree.children(node)
        ):
            self.resolution.veto_all = "constants of an enumeration are brought into scope"
        super().visit(node, kind)

    def lookup(self, leaf: int) -> int:
        """Resolve outwards; a base class on the way may have a member that hides a local."""
        number, scopes = super().lookup(leaf), self.scopes
        if number != FREE and self.resolution.bindings[number].role in RENAMEABLE_ROLES:
            scope, stop = self.scope_at[leaf], self.resolution.bindings[number].scope
            while scope not in (stop, FREE):
                holder = self.tree.parents[scopes.nodes[scope]]
                kinds = map(self.tree.kinds.__getitem__, self.tree.children(holder) if holder >= 0 else ())
                if scopes.kinds[scope] == "field_declaration_list" and "base_class_clause" in kinds:
                    self.resolution.veto(self.tree.text(leaf), "a base class may have a member of that name")
                scope = scopes.parents[scope]
        return number

    def _is_spilled(self, leaf: int) -> bool:
        """Say whether a member belongs to a union or struct without a name or variable of its own."""
        tree = self.tree
        body = tree.parents[tree.parents[tree_declarator(tree, leaf)]]
        holder = tree.parents[body]
        return tree.child(holder, "name") < 0 and tree.child(tree.parents[holder], "declarator") < 0

    def after(self) -> None:
        """Record locals that shadow a template parameter, an error, or have the name of a type."""
        super().after()
        tree, scopes, bindings = self.tree, self.scopes, self.resolution.bindings
        types: dict[str, int] = {}
        for leaf in sorted(self.resolution.uses):
            if tree.kinds[leaf] in ("type_identifier", "namespace_identifier"):
                types.setdefault(tree.text(leaf), leaf)
        for binding in bindings:
            if binding.role in RENAMEABLE_ROLES and binding.leaves and binding.name in types:
                self.resolution.clashes.add((types[binding.name], binding.leaves[0]))
            scope = binding.scope if binding.role in RENAMEABLE_ROLES and binding.leaves else -1
            while scope >= 0:
                number = scopes.own(scope, binding.name)
                if number != FREE and scopes.kinds[scope] == "template_declaration":
                    self.resolution.clashes.add((bindings[number].leaves[0], binding.leaves[0]))
                scope = scopes.parents[scope]

    def _is_pointer_to_member(self, leaf: int) -> bool:
        """Say whether ``leaf`` is ``p`` of ``a.*p``, a variable and no member."""
        tree, parent = self.tree, self.tree.parents[leaf]
        argument = tree.child(parent, "argument") if tree.kinds[parent] == "field_expression" else -1
        return argument >= 0 and b"*" in tree.data[tree.ends[argument] : tree.starts[leaf]]

    def _declares_member(self, leaf: int) -> bool:
        tree, node = self.tree, tree_declarator(self.tree, leaf)
        holder = tree.kinds[tree.parents[node]]
        return holder in ("field_declaration", "function_definition") and tree.fields[node] == "declarator"

    def _declare_in(self, holder: int, leaf: int, is_function: bool) -> bool:
        tree, kind = self.tree, self.tree.kinds[holder]
        if kind == "for_range_loop":
            right = tree.child(holder, "right")  # does not see the variable: ``for (auto x : x)``
            self.declare(leaf, Role.LOCAL, visible_from=tree.ends[right] if right >= 0 else None)
            return True
        if kind == "declaration" and is_function and self._constructs(leaf):
            self.declare(leaf, Role.LOCAL)
            return True
        if kind == "parameter_declaration" and tree.kinds[tree.parents[holder]] == "template_parameter_list":
            self.declare(leaf, Role.TYPE)
            return True
        return super()._declare_in(holder, leaf, is_function)

    def _constructs(self, leaf: int) -> bool:
        """Say whether ``T x(a);`` passes a variable, so that it can declare no function."""
        tree = self.tree
        parameters = tree.child(tree.parents[leaf], "parameters")
        for node in range(parameters, tree.stops[parameters]):
            if tree.kinds[node] == "type_identifier":
                number = self.scopes.lookup(self.scope_at[leaf], tree.text(node), tree.starts[node])
                if number != FREE and self.resolution.bindings[number].role in RENAMEABLE_ROLES:
                    return True
        return False


def tree_declarator(tree: SyntaxTree, leaf: int) -> int:
    """Return the outermost declarator around a name."""
    node = leaf
    while tree.kinds[tree.parents[node]].endswith("_declarator"):
        node = tree.parents[node]
    return node


_RESERVED = """
and and_eq bitand bitor catch char16_t char32_t char8_t class co_await co_return co_yield compl concept
const_cast consteval constinit decltype delete dynamic_cast explicit export friend mutable namespace new not
not_eq operator or or_eq private protected public reinterpret_cast requires static_cast template this throw
try typeid typename using virtual wchar_t xor xor_eq noexcept
"""

CPP = Language(
    name="cpp",
    module="tree_sitter_cpp",
    reserved=frozenset((C_RESERVED + _RESERVED).split()) - {"restrict"},
    contextual=frozenset((C_CONTEXTUAL + "restrict final override import module std").split()),
    names=_Cpp.names,
    atoms=frozenset({"string_literal", "char_literal", "raw_string_literal", "system_lib_string"}),
    comments=frozenset({"comment"}),
    resolve=_Cpp.resolve,
    opaque=frozenset({"preproc_arg"}),
    extra_letters="$",
    unusable_prefixes=("__",),
    has_macros=True,
    spells=meant_layout,
)
