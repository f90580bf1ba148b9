"""Java up to records, switch rules, pattern variables and text blocks (JLS 17, chapter 6).

Departures, all to the safe side: a local that is captured by a class body stays if that class may
inherit a field of the same name from a type that is not in the snippet; a local that a ``case`` label
may mean stays, because the label may be an enum constant; a pattern variable stays if it is used
outside the statement that binds it. Records' components, fields and enum constants are never renamed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from durometer.code.languages.base import Language
from durometer.code.languages.lexical import Lexical, Roles
from durometer.code.scope import FREE, RENAMEABLE_ROLES, Role, Use
from durometer.code.syntax import SyntaxTree

_CLASS_BODIES = frozenset(
    {"class_body", "interface_body", "enum_body", "annotation_type_body", "record_declaration"}
)
_CLASSES = frozenset(
    {
        "class_declaration", "interface_declaration", "enum_declaration", "record_declaration",
        "annotation_type_declaration", "object_creation_expression", "enum_constant",
    }
)  # fmt: skip
_STATEMENTS = frozenset(
    {
        "if_statement", "while_statement", "do_statement", "for_statement", "expression_statement",
        "return_statement", "local_variable_declaration", "switch_rule", "switch_block_statement_group",
        "yield_statement", "throw_statement", "assert_statement", "switch_expression", "lambda_expression",
        "enhanced_for_statement", "synchronized_statement", "try_with_resources_statement",
    }
)  # fmt: skip
# Types whose instances inherit no visible field that a captured local could be mistaken for.
_FIELDLESS = frozenset(
    {
        "Object", "Runnable", "Callable", "Comparator", "Comparable", "Iterator", "Iterable", "Serializable",
        "Cloneable", "AutoCloseable", "Closeable", "Supplier", "Consumer", "Function", "Predicate",
        "BiFunction", "ActionListener", "WindowAdapter", "WindowListener", "MouseListener", "MouseAdapter",
        "KeyListener", "KeyAdapter", "ItemListener", "ChangeListener", "FilenameFilter", "FileFilter",
        "PrivilegedAction", "PrivilegedExceptionAction", "InvocationHandler", "HostnameVerifier",
        "X509TrustManager", "TimerTask", "ThreadLocal", "Exception", "RuntimeException", "FocusListener",
        "FocusAdapter", "OnClickListener", "SelectionListener", "SelectionAdapter", "ListSelectionListener",
    }
)  # fmt: skip


# What ends comments and strings for a compiler and not for the grammar (JLS 3.3, 3.4).
_HIDES_CODE = re.compile(rb"(?<!\\)(?:\\\\)*\\u+00(?:0[aAdD]|2[27aAfF]|5[cC])|//[^\r\n]*\r(?!\n)")


def _hidden_code(tree: SyntaxTree) -> list[tuple[str, int]]:
    return [(found[0].decode("utf-8", "replace"), 0) for found in _HIDES_CODE.finditer(tree.data)]


class _Java(Lexical):
    names = frozenset({"identifier", "type_identifier"})
    opens = _CLASS_BODIES | {
        "method_declaration", "constructor_declaration", "compact_constructor_declaration",
        "lambda_expression", "block", "for_statement", "enhanced_for_statement", "catch_clause",
        "try_with_resources_statement", "switch_block", "switch_rule",
    }  # fmt: skip
    members = _CLASS_BODIES
    no_shadowing = True
    declares: ClassVar[Roles] = {
        ("variable_declarator", "name"): Role.LOCAL,
        ("formal_parameter", "name"): Role.PARAMETER,
        ("catch_formal_parameter", "name"): Role.LOCAL,
        ("resource", "name"): Role.LOCAL,
        ("inferred_parameters", None): Role.PARAMETER,
        ("lambda_expression", "parameters"): Role.PARAMETER,
        ("instanceof_expression", "name"): Role.LOCAL,
        ("type_pattern", None): Role.LOCAL,
        ("record_pattern_component", None): Role.LOCAL,
        ("enum_constant", "name"): Role.FIELD,
        ("annotation_type_element_declaration", "name"): Role.FIELD,
    }
    plain: ClassVar[Roles] = {
        ("field_access", "field"): Role.FIELD,
        ("element_value_pair", "key"): Role.FIELD,
        ("method_invocation", "name"): Role.CALLED_METHOD,
        ("method_declaration", "name"): Role.FUNCTION_NAME,
        ("constructor_declaration", "name"): Role.TYPE,
        ("compact_constructor_declaration", "name"): Role.TYPE,
        ("class_declaration", "name"): Role.TYPE,
        ("interface_declaration", "name"): Role.TYPE,
        ("enum_declaration", "name"): Role.TYPE,
        ("record_declaration", "name"): Role.TYPE,
        ("annotation_type_declaration", "name"): Role.TYPE,
        ("annotation", "name"): Role.TYPE,
        ("marker_annotation", "name"): Role.TYPE,
        ("record_pattern", None): Role.TYPE,
        ("break_statement", None): Role.LABEL,
        ("continue_statement", None): Role.LABEL,
        ("scoped_identifier", "scope"): Role.TYPE,
        ("scoped_identifier", "name"): Role.TYPE,
        ("import_declaration", None): Role.IMPORT,
        ("package_declaration", None): Role.IMPORT,
    }

    def __init__(self, tree: SyntaxTree) -> None:
        super().__init__(tree)
        self.patterns: list[int] = []
        self.classes: dict[str, int] = {}

    def classify(self, leaf: int) -> None:
        """Handle the places where field names of the grammar do not tell a declaration."""
        tree, parent = self.tree, self.tree.parents[leaf]
        kind, field = tree.kinds[parent], tree.fields[leaf]
        if tree.kinds[leaf] == "type_identifier":
            self.resolution.uses[leaf] = Use(Role.TYPE)
        elif kind == "labeled_statement" and leaf == parent + 1:
            self.resolution.uses[leaf] = Use(Role.LABEL)
        elif kind == "enhanced_for_statement" and field == "name":  # not seen by what it runs over
            self.declare(leaf, Role.LOCAL, visible_from=tree.ends[tree.child(parent, "value")])
        elif field == "object" and self._is_qualifier(leaf, parent):
            self.resolution.uses[leaf] = Use(Role.TYPE)
        elif kind == "method_reference" and leaf != parent + 1:
            self.resolution.uses[leaf] = Use(Role.CALLED_METHOD)
        else:
            if kind in ("type_pattern", "record_pattern_component") or (
                kind == "instanceof_expression" and field == "name"
            ):
                self.patterns.append(leaf)
            if kind in _CLASSES and field == "name" and kind != "enum_constant":
                name = tree.text(leaf)
                self.classes[name] = -1 if name in self.classes else parent
            super().classify(leaf)

    def opens_here(self, node: int, kind: str) -> bool:
        """Open a scope; handlers of a ``try`` stand outside its resources."""
        if kind == "catch_clause":
            self._leave_resources(node)
        return True

    def visit(self, node: int, kind: str) -> None:
        """Take ``finally`` out of the scope of the resources."""
        if kind == "finally_clause":
            self._leave_resources(node)

    def _leave_resources(self, node: int) -> None:
        outer = self.tree.parents[node]
        if self.tree.kinds[outer] == "try_with_resources_statement":
            self.scope_at[node] = self.scopes.parents[self.inner[outer]]

    def _is_qualifier(self, leaf: int, parent: int) -> bool:
        """Say whether ``T`` is a type although a variable has its name: in ``T.this`` and ``T.super.m()``."""
        words = self.tree.kinds[leaf + 1 : self.tree.stops[parent]][:4]  # a dot, and perhaps comments
        return "super" in words or ("this" in words and self.tree.kinds[parent] == "field_access")

    def _is_private(self, number: int) -> bool:
        tree, leaves = self.tree, self.resolution.bindings[number].leaves
        field = tree.parents[tree.parents[leaves[0]]] if leaves else -1
        return field >= 0 and any(tree.kinds[c] == "private" for c in range(field, leaves[0]))

    def _keep_components(self) -> None:
        """Keep parameters of a record's canonical constructor: they must be called like its components."""
        tree = self.tree
        for node, kind in enumerate(tree.kinds):
            record = tree.parents[tree.parents[node]] if kind == "constructor_declaration" else -1
            if record >= 0 and tree.kinds[record] == "record_declaration":
                names, own = self._parameters(record), self._parameters(node)
                for name in own if names == own else ():
                    self.resolution.veto(name, "a record's component has that name")

    def _parameters(self, node: int) -> list[str]:
        tree, holder = self.tree, self.tree.child(node, "parameters")
        return [tree.text(tree.child(c, "name")) for c in tree.children(holder) if tree.child(c, "name") >= 0]

    def member_role(self, scope: int, role: Role) -> Role:
        """A statement sequence without a method around it has locals too."""
        if scope == self.root and role is Role.LOCAL:
            return Role.LOCAL
        return super().member_role(scope, role)

    def lookup(self, leaf: int) -> int:
        """Resolve outwards; a class body on the way may hide a local by a field that it inherits."""
        tree, scopes = self.tree, self.scopes
        name, position = tree.text(leaf), tree.starts[leaf]
        scope, hidden = self.scope_at[leaf], False
        while scope >= 0:
            number = scopes.own(scope, name)
            if number != FREE and self.resolution.bindings[number].visible_from <= position:
                if hidden and self.resolution.bindings[number].role in RENAMEABLE_ROLES:
                    self.resolution.veto(name, "a class that captures it may inherit a field of that name")
                return number
            if scopes.kinds[scope] in _CLASS_BODIES:
                inherits = self._inherits(scopes.nodes[scope], name)
                if inherits is True:
                    return FREE
                hidden = hidden or inherits is None
            scope = scopes.parents[scope]
        return FREE

    def _inherits(self, body: int, name: str) -> bool | None:
        """Say whether the class of ``body`` inherits a field ``name``; None if that is unknown."""
        tree = self.tree
        owner = body if tree.kinds[body] == "record_declaration" else tree.parents[body]
        seen: set[int] = set()
        todo = [owner]
        known = True
        while todo:
            owner = todo.pop()
            if owner in seen:
                continue
            seen.add(owner)
            for supertype in self._supertypes(owner):
                declared = self.classes.get(supertype)
                if declared is None or declared < 0:  # from elsewhere, or two have that name
                    known = known and declared is None and supertype in _FIELDLESS
                    continue
                todo.append(declared)
                scope = self.inner.get(tree.child(declared, "body"))
                number = FREE if scope is None else self.scopes.own(scope, name)
                if number != FREE:
                    if not self._is_private(number):
                        return True
                    known = False
        return False if known else None

    def _supertypes(self, owner: int) -> Iterator[str]:
        """Yield the simple names of the types that a class extends or implements."""
        tree = self.tree
        for child in tree.children(owner):
            kind = tree.kinds[child]
            holds = kind in ("superclass", "super_interfaces", "extends_interfaces")
            if not holds and not (
                tree.kinds[owner] == "object_creation_expression" and tree.fields[child] == "type"
            ):
                continue
            node, stop = child, tree.stops[child]
            while node < stop:
                if tree.kinds[node] == "type_arguments":
                    node = tree.stops[node]
                    continue
                scoped = tree.kinds[tree.parents[node]] == "scoped_type_identifier"
                if tree.kinds[node] == "type_identifier" and not (
                    scoped and tree.stops[node] < tree.stops[tree.parents[node]]
                ):
                    yield tree.text(node)
                node += 1

    def free_role(self, leaf: int) -> Role:
        """Guess a type from its capital; the guess only names the fault of an edit."""
        tree = self.tree
        parent = tree.kinds[tree.parents[leaf]]
        name = tree.text(leaf)
        holder = parent in ("method_reference", "scoped_identifier") or tree.fields[leaf] == "object"
        return Role.TYPE if holder and name[:1].isupper() and not name.isupper() else Role.UNDECLARED

    def after(self) -> None:
        """Keep what a case label or a far use of a pattern variable makes doubtful; find the own name."""
        tree = self.tree
        for leaf in self.references:
            use = self.resolution.uses[leaf]
            if tree.kinds[tree.parents[leaf]] == "switch_label" and use.binding != FREE:
                self.resolution.veto(tree.text(leaf), "a case label may mean an enum constant")
        for leaf in self.patterns:
            statement = tree.ancestor(leaf, _STATEMENTS)
            use = self.resolution.uses[leaf]
            stop = tree.stops[statement] if statement >= 0 else len(tree.kinds)
            leaves = self.resolution.bindings[use.binding].leaves
            bound = {other for other in self.patterns if other in leaves}
            if len(bound) == 1 and any(not statement <= other < stop for other in leaves):
                self.resolution.veto(tree.text(leaf), "a pattern variable used outside its statement")
            mine = (other for other in leaves if max((p for p in bound if p < other), default=-1) == leaf)
            if any(other not in bound and self._unmatched(leaf, other) for other in mine):
                self.resolution.veto(tree.text(leaf), "a pattern variable used where it need not match")
        if "record_declaration" in tree.kinds:
            self._keep_components()
        odd = b"\\u" in tree.data or b"\r" in tree.data
        if odd and _HIDES_CODE.search(tree.data):
            self.resolution.veto_all = "an escape or a line's end hides code in comments or strings"
        self._function_name()

    def _unmatched(self, pattern: int, use: int) -> bool:
        """Say whether ``x instanceof T pattern`` need not hold at ``use`` (JLS 6.3.1, 6.3.2)."""
        tree, kinds, parents = self.tree, self.tree.kinds, self.tree.parents
        node = pattern
        while kinds[node] != "instanceof_expression":
            if kinds[node] in _STATEMENTS or kinds[node] in ("switch_label", "program"):
                return False
            node = parents[node]
        negated = False
        while use >= tree.stops[node]:
            parent = parents[node]
            if kinds[parent] == "unary_expression":
                negated ^= kinds[parent + 1] == "!"
            elif kinds[parent] == "binary_expression":
                operator = kinds[tree.child(parent, "operator")]
                right = tree.child(parent, "right")
                if node != right and right <= use < tree.stops[right]:
                    return negated != (operator == "||") or operator not in ("&&", "||")
            elif kinds[parent] == "ternary_expression" and use >= tree.stops[parent]:
                return True
            elif tree.fields[node] == "condition":
                other = tree.child(parent, "alternative")
                return negated != (0 <= other <= use < tree.stops[other])
            elif kinds[parent] not in ("parenthesized_expression", "instanceof_expression"):
                return kinds[parent] not in _STATEMENTS
            node = parent
        return False

    def _function_name(self) -> None:
        """Find the one method that a bare snippet consists of, and the calls that mean it."""
        tree = self.tree
        top = [node for node in tree.children(0) if tree.starts[node] < tree.ends[node]]
        if (
            len(top) == 1
            and tree.kinds[top[0]] == "class_declaration"
            and not tree.text(tree.child(top[0], "name"))
        ):
            top = list(tree.children(tree.child(top[0], "body")))
        methods = [node for node in top if tree.kinds[node] == "method_declaration"]
        if len(methods) != 1 or any(tree.kinds[node] in _CLASSES for node in top):
            return
        leaf = tree.child(methods[0], "name")
        name = tree.text(leaf)
        declared = [node for node, kind in enumerate(tree.kinds) if kind == "method_declaration"]
        if sum(tree.text(tree.child(node, "name")) == name for node in declared) != 1:
            return
        leaves = [leaf, *self._own_calls(name, methods[0])]
        self.resolution.function_name = name
        self.resolution.function_leaves = tuple(leaves)
        for node in leaves:
            self.resolution.uses[node] = Use(Role.FUNCTION_NAME)

    def _own_calls(self, name: str, method: int) -> Iterator[int]:
        """Yield calls of ``name`` without a receiver or on ``this``, with as many arguments as declared."""
        tree = self.tree
        parameters = [
            tree.kinds[child]
            for child in tree.children(tree.child(method, "parameters"))
            if tree.kinds[child] in ("formal_parameter", "spread_parameter")
        ]
        for node in range(method, tree.stops[method]):
            if tree.kinds[node] != "identifier" or tree.text(node) != name:
                continue
            parent = tree.parents[node]
            receiver = tree.child(parent, "object")
            if tree.kinds[parent] == "method_invocation" and tree.fields[node] == "name":
                arguments = tree.child(parent, "arguments")
                count = sum(
                    1 for child in tree.children(arguments) if tree.kinds[child] not in ("(", ")", ",")
                )
                fits = count == len(parameters) or "spread_parameter" in parameters
                if fits and (receiver < 0 or tree.kinds[receiver] == "this"):
                    yield node
            elif tree.kinds[parent] == "method_reference" and tree.kinds[parent + 1] == "this":
                yield node


_RESERVED = """
abstract assert boolean break byte case catch char class const continue default do double else enum extends
final finally float for goto if implements import instanceof int interface long native new package private
protected public return short static strictfp super switch synchronized this throw throws transient try
void volatile while true false null _
"""
_CONTEXTUAL = "var yield record sealed permits non when module open opens with to"

JAVA = Language(
    name="java",
    module="tree_sitter_java",
    reserved=frozenset(_RESERVED.split()),
    contextual=frozenset(_CONTEXTUAL.split()),
    names=_Java.names,
    atoms=frozenset({"string_literal", "character_literal"}),
    comments=frozenset({"line_comment", "block_comment"}),
    resolve=_Java.resolve,
    extra_letters="$",
    wrappers=(("class X {", "\n}"),),
    spells=_hidden_code,
)
