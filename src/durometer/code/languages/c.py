"""C up to C23 as far as the grammar goes: block scopes, prototypes, K&R parameters, tags, labels, macros.

Departures: without headers, ``a * b;`` may declare ``b`` or multiply; it multiplies if ``a`` is a variable
in scope, and a type name that is a variable in scope is that variable. A name that is also used where no
declaration of it is in scope stays: a macro may declare it. Names in macro bodies, pragmas,
conditions of ``#if`` and attributes are never renamed. Arguments of unknown macros are (as in the
literature), although such a macro could turn them into a string or a member; a macro of the snippet that
does so keeps its arguments, and ``offsetof``, ``container_of`` and the lists of BSD, Linux and QEMU their
members. Nothing is renamed beside a name that is split over two lines or spelled with an escape.
"""

from __future__ import annotations

import re
from typing import ClassVar

from durometer.code.languages.base import Language
from durometer.code.languages.lexical import Lexical, Roles
from durometer.code.scope import FREE, RENAMEABLE_ROLES, Role, Use
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
TAGS = frozenset({"struct_specifier", "union_specifier", "enum_specifier", "class_specifier"})
_MACRO_PLACES = frozenset(
    {
        "preproc_def", "preproc_function_def", "preproc_params", "preproc_ifdef", "preproc_defined",
        "preproc_if", "preproc_elif", "preproc_elifdef", "preproc_call", "preproc_include",
    }
)  # fmt: skip
_PARAMETERS = frozenset(
    {"parameter_declaration", "optional_parameter_declaration", "variadic_parameter_declaration"}
)
# Macros whose last argument is the name of a member (the third of a safe loop, the second of DO_UPCAST).
_MEMBER_MACROS = re.compile(
    r"Q?(?:LIST|TAILQ|SLIST|STAILQ|SIMPLEQ|CIRCLEQ)_[A-Z_]+|h?list_\w*entry\w*|container_of\w*|(?:__builtin_)?offsetof"
    r"|DO_UPCAST|FIELD_OFFSET|CONTAINING_RECORD"
)
_PRAGMA = re.compile(rb'\b_Pragma\s*\(\s*("(?:\\.|[^"\\])*")')
_ADDRESS_OF_LABEL = re.compile(rb"(?:[=(,{?:]|\breturn)\s*&&\s*(\w+)")
# Compilers take these for the end of a line that goes on, grammars do not.
_CONTINUED = re.compile(rb"(?:\\[ \t\f\v]+|\?\?/[ \t\f\v]*)\r?\n")
_PASTES = re.compile(r"##(?!\s*__VA_ARGS__)")
_SPLIT = re.compile(rb"\w\\\r?\n\w|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}")
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
    has_classes: ClassVar[bool] = False
    declares: ClassVar[Roles] = {}
    plain: ClassVar[Roles] = {
        ("macro_type_specifier", "name"): Role.MACRO,
        ("gnu_asm_output_operand", "symbol"): Role.LABEL,
        ("gnu_asm_input_operand", "symbol"): Role.LABEL,
        ("gnu_asm_goto_list", "label"): Role.LABEL,
    }

    def __init__(self, tree: SyntaxTree) -> None:
        super().__init__(tree)
        self.macros: dict[str, tuple[str, str]] = {}
        self.directives: set[int] = set()
        self.labels: set[str] = set()

    def opens_here(self, node: int, kind: str) -> bool:
        """Parameters of the function that is being defined belong to its body's scope."""
        if kind == "parameter_list":
            return self._definition_of(node) < 0
        return super().opens_here(node, kind)

    def visit(self, node: int, kind: str) -> None:
        """Remember conditions of directives, and what macros do with their arguments."""
        if kind in ("preproc_function_def", "preproc_def"):
            name, parameters, value = (
                self.tree.text(child) if child >= 0 else ""
                for child in (self.tree.child(node, field) for field in ("name", "parameters", "value"))
            )
            self.macros[name] = (parameters, value)
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
            if kind == "labeled_statement":
                self.labels.add(tree.text(leaf))
        elif kind == "enumerator" and tree.fields[leaf] == "name":
            self._declare_enumerator(leaf)
        elif leaf_kind == "type_identifier" and kind in TAGS:
            uses[leaf] = Use(Role.TYPE)
        elif leaf in self.directives or (kind in _MACRO_PLACES and self._is_directive(leaf)):
            uses[leaf] = Use(Role.MACRO)
            self.resolution.veto(tree.text(leaf), "a preprocessor directive names it")
        elif self._in_attribute(leaf):
            uses[leaf] = Use(Role.MACRO)
            self.resolution.veto(tree.text(leaf), "an attribute names it")
        elif kind == "parameter_list":  # of a K&R definition: seen in the body, and after its declaration
            body = tree.child(self._definition_of(parent), "body") if self._definition_of(parent) >= 0 else -1
            self.declare(leaf, Role.PARAMETER, visible_from=tree.starts[body] if body >= 0 else None)
        elif not self._declarator(leaf):
            super().classify(leaf)

    def _declare_enumerator(self, leaf: int) -> None:
        """Declare a constant after its value, in C outside the ``struct`` that its enumeration stands in."""
        scope = self.scope_at[leaf]
        while not self.has_classes and self.scopes.kinds[scope] == "field_declaration_list":
            scope = self.scopes.parents[scope]
        local = scope != self.root and self.scopes.kinds[scope] not in self.members
        end = self.tree.ends[self.tree.parents[leaf]] if local else None
        self.declare(leaf, Role.FIELD, scope, visible_from=end)

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

    def declare(
        self, leaf: int, role: Role, scope: int | None = None, visible_from: int | None = None
    ) -> None:
        """Declare a name that is seen after its declarator: in ``int n[n]`` the size is another ``n``."""
        tree, node = self.tree, leaf
        while tree.kinds[tree.parents[node]] in _DECLARATORS - {"init_declarator"}:
            node = tree.parents[node]
        inside = visible_from is None and scope is None and self.scope_at[leaf] != self.root
        if node != leaf and inside and role in RENAMEABLE_ROLES:
            visible_from = tree.ends[node]
        super().declare(leaf, role, scope, visible_from)

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
        self._keep_arguments()
        self._keep_hidden()
        if _SPLIT.search(tree.data) and self._is_split():
            self.resolution.veto_all = "a name is split over lines or spelled with an escape"
        bound = {binding.name for binding in self.resolution.bindings if binding.role in RENAMEABLE_ROLES}
        for leaf in self.references:
            if self.resolution.uses[leaf].binding == FREE and tree.text(leaf) in bound:
                self.resolution.veto(tree.text(leaf), "it is also used where it is not declared")
        found = [node for node in tree.children(0) if tree.kinds[node] == "function_definition"]
        if len(found) == 1:
            self._own_name(found[0])

    def _keep_hidden(self) -> None:
        """Keep names of pragmas in strings, of labels whose address is taken, and what macros paste."""
        tree, uses = self.tree, self.resolution.uses
        for pragma in _PRAGMA.findall(tree.data):
            for word in re.findall(r"\w+", pragma.decode("utf-8", "replace")):
                self.resolution.veto(word, "a pragma names it")
        for found in _ADDRESS_OF_LABEL.finditer(tree.data) if self.labels else ():
            name = found[1].decode("utf-8", "replace")
            if name in self.labels:
                self.resolution.veto(name, "the address of a label")
        for leaf, use in uses.items() if b"goto" in tree.data else ():
            jumps = use.role is Role.LABEL and tree.kinds[tree.parents[leaf]] == "goto_statement"
            if jumps and tree.text(leaf) not in self.labels:  # ``goto *p`` after a repair
                self.resolution.veto(tree.text(leaf), "a computed goto may name it")
        if any(map(_PASTES.search, (value for _, value in self.macros.values()))):
            self.resolution.veto_all = "a macro pastes names together"
        elif _CONTINUED.search(tree.data):
            self.resolution.veto_all = "a line goes on that does not look so"

    def _is_split(self) -> bool:
        """Say whether a name, and not a macro's body or a literal, is split over lines or escaped."""
        tree = self.tree
        starts = {tree.starts[leaf] for leaf in self.resolution.uses}
        for match in _SPLIT.finditer(tree.data):
            word = match.start()
            while word > 0 and (tree.data[word - 1 : word].isalnum() or tree.data[word - 1 : word] == b"_"):
                word -= 1
            if word in starts or match.end() - 1 in starts or match.group().startswith(b"\\"):
                return True
        return False

    def _keep_arguments(self) -> None:
        """Keep names that a macro may use as a string, a label or a member."""
        tree, naming = self.tree, self._naming_macros()
        for node, kind in enumerate(tree.kinds):
            if kind != "call_expression":
                continue
            callee, arguments = tree.child(node, "function"), tree.child(node, "arguments")
            if callee < 0 or arguments < 0 or tree.kinds[callee] != "identifier":
                continue
            name = tree.text(callee)
            kept = range(arguments, tree.stops[arguments] if name in naming else arguments)
            if name not in naming and _MEMBER_MACROS.fullmatch(name):
                given = [
                    c for c in tree.children(arguments) if tree.kinds[c] not in ("(", ",", ")", "comment")
                ]
                place = {"DO_UPCAST": 1}.get(name, 2 if name.endswith("_SAFE") else len(given) - 1)
                if 0 < place < len(given):  # ``LIST_FIRST(&list->head)`` has no member
                    kept = range(given[place], tree.stops[given[place]])
            for leaf in kept:
                if tree.kinds[leaf] in self.names:
                    self.resolution.veto(tree.text(leaf), "a macro makes a string of it, or a member")

    def _naming_macros(self) -> set[str]:
        """Return the snippet's macros that use an argument as a string, a member, a label or a tag."""
        naming: set[str] = set()
        for name, (parameters, value) in self.macros.items():
            words = "|".join(re.findall(r"\w+", parameters)) or "(?!)"
            if "#" in value or re.search(
                rf"(?:\.|->|\bgoto\b|\bstruct\b|\bunion\b|\benum\b)\s*(?:{words})\b", value
            ):
                naming.add(name)
        size = -1
        while size < len(naming):  # through macros that pass their arguments on
            size = len(naming)
            for name, (_, value) in self.macros.items():
                used = re.findall(r"\w+", value)
                if not naming.isdisjoint(used) or any(map(_MEMBER_MACROS.fullmatch, used)):
                    naming.add(name)
        return naming

    def _own_name(self, function: int) -> None:
        tree, outside = self.tree, self.scopes.parents[self.inner[function]]
        for binding in self.resolution.bindings:
            leaf = binding.leaves[0] if binding.leaves else -1
            if binding.scope == outside and binding.role is Role.FUNCTION_NAME and leaf >= 0:
                made = tree.kinds[tree.parents[tree.parents[leaf]]] == "function_declarator"  # by a macro
                if not made and function < leaf < tree.stops[function]:
                    self.resolution.name_function(binding)
                    return


def meant_layout(tree: SyntaxTree) -> list[tuple[str, int]]:
    """List what else of the layout a compiler sees.

    Lines that go on unseen (in a comment that ends so, the next is no code), a comment that the grammar takes
    for two operators, the lines that ``__LINE__`` counts, and arguments that a macro of the snippet quotes.
    """
    data, kinds = tree.data, tree.kinds
    found = [("line goes on", len(match[0])) for match in _CONTINUED.finditer(data)]
    found += [("line", data.count(b"\n", 0, match.start())) for match in re.finditer(rb"\b__LINE__\b", data)]
    defined = {n for n, kind in enumerate(kinds) if kind == "preproc_function_def"}
    quoting = any(re.search(r"#\s*\w", tree.text(tree.child(n, "value"))) for n in defined)
    names = {tree.text(tree.child(n, "name")) for n in defined if quoting}
    for node, kind in enumerate(kinds):
        if kind == "/" and tree.starts[node] < tree.ends[node] and data.startswith(b"*", tree.ends[node]):
            found.append(("/*", node))
        elif names and kind == "call_expression" and tree.text(tree.child(node, "function")) in names:
            arguments = range(node, tree.stops[node] - 1)
            found += [("gap", tree.starts[n + 1] - tree.ends[n]) for n in arguments if tree.is_leaf(n)]
    return found


C_RESERVED = """
auto break case char const continue default do double else enum extern float for goto if inline int long
register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
_Float16 _Float32 _Float64 _Float128 _Float32x _Float64x _Float128x _BitInt
_Alignas _Alignof _Atomic _Bool _Complex _Decimal128 _Decimal32 _Decimal64 _Generic _Imaginary _Noreturn
_Static_assert _Thread_local alignas alignof bool constexpr false nullptr static_assert thread_local true
typeof typeof_unqual asm NULL EOF errno INFINITY NAN HUGE_VAL linux unix
__attribute__ __attribute __asm__ __asm __typeof__ __typeof __inline__ __inline __const __const__ __volatile
__volatile__ __restrict __restrict__ __extension__ __func__ __FUNCTION__ __PRETTY_FUNCTION__ __FILE__ __LINE__
__DATE__ __TIME__ __signed__ __alignof __alignof__ __label__ __real__ __imag__ __thread __int128 __auto_type
__builtin_offsetof __builtin_va_arg __builtin_types_compatible_p __builtin_choose_expr __null __declspec
"""
# Common macros and compiler words that headers may define: names that we never choose.
C_CONTEXTUAL = """
stdin stdout stderr assert offsetof va_start va_end va_arg va_copy complex imaginary I noreturn
i386 near far huge min max major minor isnan isinf signbit setjmp SIG_DFL main
"""

C = Language(
    name="c",
    module="tree_sitter_c",
    reserved=frozenset(C_RESERVED.split()),
    contextual=frozenset(C_CONTEXTUAL.split()),
    names=CFamily.names,
    atoms=frozenset({"string_literal", "char_literal", "system_lib_string"}),
    comments=frozenset({"comment"}),
    resolve=CFamily.resolve,
    opaque=frozenset({"preproc_arg"}),
    extra_letters="$",
    unusable_prefixes=("__",),
    has_macros=True,
    spells=meant_layout,
)
