"""Python: function, lambda, comprehension and class scopes as in the language reference, section 4.2.

Departures, all to the safe side: names of nested functions, classes, imports and module globals are
never renamed; a parameter stays if a call inside the snippet may pass it by keyword (callers outside
the snippet may too, which the literature accepts); nothing is renamed beside ``eval``, ``exec``,
``locals``, ``vars``, ``dir`` without arguments or frame inspection; ``f"{x=}"`` prints its own source,
so that ``x`` stays; where statements tell Python 2, a variable that a list comprehension leaks to a name of
others stays too. The tests hold this resolver against the ``symtable`` of the running interpreter.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator

from durometer.code.languages.base import Language
from durometer.code.languages.python_calls import Calls
from durometer.code.languages.python_layout import spells
from durometer.code.scope import FREE, RENAMEABLE_ROLES, Resolution, Role, Scopes, Use
from durometer.code.syntax import SyntaxTree

_COMPREHENSIONS = frozenset(
    {"list_comprehension", "set_comprehension", "dictionary_comprehension", "generator_expression"}
)
_OPENS = _COMPREHENSIONS | {"function_definition", "lambda", "class_definition"}
_PARAMETER_HOLDERS = frozenset(
    {"default_parameter", "typed_default_parameter", "typed_parameter", "parameters", "lambda_parameters"}
)
_PATTERNS = frozenset(
    {
        "pattern_list", "tuple_pattern", "list_pattern", "list_splat_pattern", "tuple", "list",
        "parenthesized_expression", "expression_list", "as_pattern_target", "list_splat",
    }
)  # fmt: skip
_TARGETS = frozenset(
    {
        ("assignment", "left"), ("augmented_assignment", "left"), ("for_statement", "left"),
        ("for_in_clause", "left"), ("named_expression", "name"), ("as_pattern", "alias"),
        ("except_clause", "alias"),
    }
)  # fmt: skip
_NOTED = frozenset(
    {
        "interpolation", "format_expression", "string", "match_statement", "exec_statement",
        "wildcard_import", "print_statement", "<>", ",",
    }
)  # fmt: skip
_IMPORTS = frozenset({"import_statement", "import_from_statement", "future_import_statement"})
_CAPTURING = frozenset({"case_pattern", "keyword_pattern"})
_REFLECTION = frozenset({"eval", "exec", "locals", "vars", "dir", "globals"})
_LOOKING = frozenset({"eval", "exec", "locals", "vars", "dir"})
_BUILTINS = frozenset({"builtins", "__builtins__", "__builtin__"})
_FRAMES = frozenset(
    {
        "_getframe", "currentframe", "f_locals", "tb_frame", "gi_frame", "cr_frame", "co_varnames",
        "co_cellvars", "co_freevars", "getargvalues", "getcallargs",
    }
)  # fmt: skip
# Methods of pandas, numexpr and duckdb that look the caller's variables up: ``frame.query("a > @limit")``.
_QUERIES = frozenset({"query", "eval", "evaluate", "sql"})


class _Python:
    """One resolution of one tree."""

    def __init__(self, tree: SyntaxTree) -> None:
        self.tree = tree
        self.resolution = Resolution()
        self.scopes = Scopes(self.resolution, frozenset({"class_definition"}))
        self.module = self.scopes.open(-1, "module", 0)
        self.scope_at = [self.module] * len(tree.kinds)
        self.inner: dict[int, int] = {}
        self.globals: dict[int, set[str]] = {}
        self.nonlocals: dict[int, set[str]] = {}
        self.references: list[int] = []
        self.declared: list[tuple[int, int, Role]] = []
        self.is_python2 = False

    def run(self) -> Resolution:
        """Scan once for scopes and declarations, then resolve the references."""
        tree = self.tree
        for node, kind in enumerate(tree.kinds):
            if node:
                self.scope_at[node] = self._scope_of(node)
            if kind in _OPENS:
                self.inner[node] = self.scopes.open(self.scope_at[node], kind, node)
            elif kind == "identifier":
                self._classify(node)
            elif kind in _NOTED:
                self._visit(node, kind)
        for scope, leaf, role in self.declared:
            name = tree.text(leaf)
            if name in self.globals.get(scope, ()):
                self.resolution.uses[leaf] = Use(Role.FIELD)
            elif name in self.nonlocals.get(scope, ()):
                self.references.append(leaf)
                if role not in RENAMEABLE_ROLES:
                    self.resolution.veto(name, "it is also imported or defined")
            else:
                self.scopes.declare(scope, name, leaf, role)
        for leaf in self.references:
            self._refer(leaf)
        self.scopes.finish()
        for name in Calls(tree, self.resolution, self.scopes).kept():
            self.resolution.veto(name, "a call passes it by keyword")
        self._veto_private()
        if self.is_python2:
            self._veto_leaks()
        self._function_name()
        return self.resolution

    def _visit(self, node: int, kind: str) -> None:
        """Keep what text spells, and notice what only Python 2 has."""
        tree = self.tree
        if kind in ("interpolation", "format_expression") and self._is_quoted(node):
            for leaf in range(node, tree.stops[node]):
                if tree.kinds[leaf] == "identifier":
                    self.resolution.veto(tree.text(leaf), "an f-string or t-string keeps its spelling")
                    self.resolution.shown.add(tree.text(leaf))
        elif kind == "string" and tree.text(node).startswith("`"):
            self._veto_words(node, "it stands between backquotes")
        elif kind == "match_statement":
            self.resolution.veto("_", "a pattern that binds nothing")
        elif kind == "exec_statement":
            self.resolution.veto_all = "the snippet executes text"
        elif kind == "wildcard_import" and self.scope_at[node] != self.module:
            self.resolution.veto_all = "a function imports names that it does not tell"
        elif kind in ("print_statement", "<>") or (
            kind == "," and tree.kinds[tree.parents[node]] == "except_clause"
        ):
            self.is_python2 = True

    def _scope_of(self, node: int) -> int:
        """Return the scope that ``node`` is evaluated in."""
        tree, parent = self.tree, self.tree.parents[node]
        field, kind = tree.fields[node], tree.kinds[parent]
        inner = self.inner.get(parent)
        if inner is not None:
            outside = field in ("name", "return_type", "superclasses")
            return self.scope_at[parent] if outside else inner
        scope = self.scope_at[parent]
        if kind in _PARAMETER_HOLDERS and field in ("value", "type"):
            return self.scopes.parents[scope]
        if kind == "for_in_clause" and field == "right":
            holder = tree.parents[parent]
            first = next((c for c in tree.children(holder) if tree.kinds[c] == "for_in_clause"), -1)
            if first == parent and holder in self.inner:
                return self.scopes.parents[scope]
        return scope

    def _classify(self, leaf: int) -> None:
        """Decide whether an identifier declares, refers, or is no variable at all."""
        tree, parent = self.tree, self.tree.parents[leaf]
        field, kind = tree.fields[leaf], tree.kinds[parent]
        uses, scope = self.resolution.uses, self.scope_at[leaf]
        if kind == "attribute" and field == "attribute":
            called = tree.kinds[tree.parents[parent]] == "call" and tree.fields[parent] == "function"
            uses[leaf] = Use(Role.CALLED_METHOD if called else Role.FIELD)
            self._attribute(tree.text(leaf), parent, called)
        elif kind in ("keyword_argument", "keyword_pattern") and leaf == parent + 1:
            uses[leaf] = Use(Role.FIELD)
        elif kind == "function_definition":
            self._declare(self.scope_at[parent], leaf, Role.FUNCTION_NAME)
        elif kind == "class_definition":
            self._declare(self.scope_at[parent], leaf, Role.TYPE)
        elif self._is_parameter(leaf):
            self._declare(scope, leaf, Role.PARAMETER)
        elif kind in ("global_statement", "nonlocal_statement"):
            owner = self.globals if kind == "global_statement" else self.nonlocals
            owner.setdefault(scope, set()).add(tree.text(leaf))
            self.references.append(leaf)
        elif kind in ("dotted_name", "aliased_import") and self._in_import(leaf):
            self._import(leaf)
        elif self._is_target(leaf) or self._is_capture(leaf):
            self._declare(self._target_scope(leaf, scope), leaf, Role.LOCAL)
        elif kind == "dotted_name" and leaf != parent + 1:  # ``case Color.RED``
            uses[leaf] = Use(Role.FIELD)
        elif self._in_type_parameters(leaf):
            self.resolution.veto(tree.text(leaf), "it is a type parameter")
            uses[leaf] = Use(Role.TYPE)
        else:
            self.references.append(leaf)

    def _attribute(self, name: str, node: int, called: bool) -> None:
        """Give up, or keep names, where an attribute looks at local variables."""
        tree = self.tree
        if name in _FRAMES:
            self.resolution.veto_all = "the snippet inspects frames"
        elif name in _LOOKING and tree.text(tree.child(node, "object")) in _BUILTINS:
            self.resolution.veto_all = f"the snippet calls {name}"
        elif called and name in _QUERIES:
            arguments = tree.child(tree.parents[node], "arguments")
            for inner in range(max(arguments, 0), tree.stops[arguments] if arguments >= 0 else 0):
                if tree.kinds[inner] == "string":
                    self._veto_words(inner, f"a string given to {name} may name it")

    def _veto_words(self, node: int, why: str) -> None:
        for word in re.findall(r"[^\W\d]\w*", self.tree.text(node)):
            self.resolution.veto(word, why)

    def _is_quoted(self, interpolation: int) -> bool:
        """Say whether a name's spelling matters: ``f"{x=}"``, and all of a t-string (PEP 750)."""
        tree = self.tree
        start = tree.text(tree.parents[interpolation] + 1).rstrip("'\"").lower()
        return "t" in start or any(tree.kinds[c] == "=" for c in tree.children(interpolation))

    def _declare(self, scope: int, leaf: int, role: Role) -> None:
        if role in RENAMEABLE_ROLES and self.scopes.kinds[scope] in ("module", "class_definition"):
            role = Role.FIELD
        self.declared.append((scope, leaf, role))

    def _is_parameter(self, leaf: int) -> bool:
        tree, node = self.tree, leaf
        while tree.kinds[tree.parents[node]] in (
            "list_splat_pattern",
            "dictionary_splat_pattern",
            "tuple_pattern",
        ):
            node = tree.parents[node]
        holder = tree.kinds[tree.parents[node]]
        return holder in _PARAMETER_HOLDERS and tree.fields[node] not in ("value", "type")

    def _is_target(self, leaf: int) -> bool:
        tree, node = self.tree, leaf
        while tree.kinds[tree.parents[node]] in _PATTERNS:
            node = tree.parents[node]
        parent = tree.parents[node]
        if tree.kinds[parent] == "delete_statement":
            return True
        if tree.kinds[parent] == "assignment" and node != leaf and tree.child(parent, "right") < 0:
            return False  # ``(x): int`` declares nothing
        return (tree.kinds[parent], tree.fields[node]) in _TARGETS

    def _is_capture(self, leaf: int) -> bool:
        """Say whether a ``match`` pattern binds this name (PEP 634)."""
        tree, parent = self.tree, self.tree.parents[leaf]
        kind = tree.kinds[parent]
        if kind == "splat_pattern" or (kind == "as_pattern" and tree.kinds[parent + 1] == "case_pattern"):
            return True
        if kind != "dotted_name" or tree.stops[parent] != parent + 2:
            return False
        return tree.kinds[tree.parents[parent]] in _CAPTURING and tree.fields[parent] != "key"

    def _target_scope(self, leaf: int, scope: int) -> int:
        """Return the scope that an assignment binds in: a walrus skips comprehensions (PEP 572)."""
        if self.tree.kinds[self.tree.parents[leaf]] == "named_expression":
            while self.scopes.kinds[scope] in _COMPREHENSIONS:
                scope = self.scopes.parents[scope]
        return scope

    def _in_import(self, leaf: int) -> bool:
        tree, node = self.tree, self.tree.parents[leaf]
        while tree.kinds[node] in ("dotted_name", "aliased_import"):
            node = tree.parents[node]
        return tree.kinds[node] in _IMPORTS

    def _import(self, leaf: int) -> None:
        """Bind an alias as a local, a plain import as an import; module paths are not names."""
        tree, parent = self.tree, self.tree.parents[leaf]
        scope = self.scope_at[leaf]
        if tree.kinds[parent] == "aliased_import":
            self._declare(scope, leaf, Role.LOCAL)
            return
        aliased = tree.kinds[tree.parents[parent]] == "aliased_import"
        if aliased or tree.fields[parent] == "module_name" or leaf != parent + 1:
            self.resolution.uses[leaf] = Use(Role.IMPORT)
        else:
            self._declare(scope, leaf, Role.IMPORT)

    def _in_type_parameters(self, leaf: int) -> bool:
        parent = self.tree.parents[leaf]
        holder = self.tree.kinds[self.tree.parents[parent]]
        return self.tree.kinds[parent] == "type" and holder in ("type_parameter", "type_alias_statement")

    def _refer(self, leaf: int) -> None:
        tree = self.tree
        name = tree.text(leaf)
        number = self._lookup(self.scope_at[leaf], name)
        if number != FREE:
            self.resolution.bindings[number].leaves.append(leaf)
            self.resolution.uses[leaf] = Use(self.resolution.bindings[number].role, number)
            return
        parent = tree.parents[leaf]
        called = tree.kinds[parent] == "call" and tree.fields[leaf] == "function"
        if (called and name in _REFLECTION and self._reflects(name, parent)) or (
            not called and name in _LOOKING
        ):
            self.resolution.veto_all = f"the snippet calls {name}"
        role = Role.CALLED_METHOD if called else Role.UNDECLARED
        if tree.kinds[parent] in ("type", "generic_type"):
            role = Role.TYPE
        elif tree.kinds[parent] == "global_statement":
            role = Role.FIELD
        self.resolution.uses[leaf] = Use(role)

    def _reflects(self, name: str, call: int) -> bool:
        """Say whether a call can see our local names: ``vars(thing)`` and ``dir(thing)`` cannot."""
        if name == "globals":
            return False
        arguments = self.tree.child(call, "arguments")
        empty = arguments < 0 or self.tree.stops[arguments] <= arguments + 3
        return name not in ("vars", "dir") or empty

    def _lookup(self, scope: int, name: str) -> int:
        """Resolve by Python's rule: class scopes are seen only from their own body."""
        start = scope
        while scope >= 0:
            if scope == start or self.scopes.kinds[scope] != "class_definition":
                if name in self.globals.get(scope, ()):
                    return self.scopes.own(self.module, name)
                number = self.scopes.own(scope, name)
                if number != FREE:
                    return number
            scope = self.scopes.parents[scope]
        return FREE

    def _veto_private(self) -> None:
        """Keep names that a class mangles (``__x`` becomes ``_Class__x``), and what they become."""
        tree = self.tree
        if b"__" not in tree.data:
            return
        classes = [
            tree.text(tree.child(node, "name"))
            for node, kind in enumerate(tree.kinds)
            if kind == "class_definition"
        ]
        leaves = [*self.references, *(leaf for _, leaf, _ in self.declared)]
        for name in {tree.text(leaf) for leaf in leaves}:
            if name == "__class__" or (name.startswith("__") and not name.endswith("__")):
                self.resolution.veto(name, "a class mangles it")
                for owner in classes:
                    self.resolution.veto(f"_{owner.lstrip('_')}{name}", "a class makes it of another name")

    def _veto_leaks(self) -> None:
        """Keep variables of list comprehensions that Python 2 leaks to names around, and its keywords."""
        uses, bindings = self.resolution.uses, self.resolution.bindings
        strangers = {
            self.tree.text(leaf) for leaf in self.references if uses[leaf].role not in RENAMEABLE_ROLES
        }
        for binding in bindings:
            if self.scopes.kinds[binding.scope] == "list_comprehension" and binding.name in strangers:
                self.resolution.veto(binding.name, "a list comprehension of Python 2 leaks it")
        for name in ("print", "exec"):
            self.resolution.veto(name, "a keyword of Python 2")

    def _function_name(self) -> None:
        """Find the one function that a bare snippet consists of."""
        tree = self.tree
        found = [node for node in self._top_level() if tree.kinds[node] == "function_definition"]
        if len(found) != 1 or any(tree.kinds[node] == "class_definition" for node in self._top_level()):
            return
        leaf = tree.child(found[0], "name")
        use = self.resolution.uses.get(leaf)
        if leaf < 0 or use is None or use.binding == FREE:
            return
        binding = self.resolution.bindings[use.binding]
        if binding.role is Role.FUNCTION_NAME:
            self.resolution.name_function(binding)

    def _top_level(self) -> Iterator[int]:
        for node in self.tree.children(0):
            if self.tree.kinds[node] == "decorated_definition":
                yield from self.tree.children(node)
            else:
                yield node


PYTHON = Language(
    name="python",
    module="tree_sitter_python",
    reserved=frozenset(keyword.kwlist) | {"__debug__", "__class__"},
    contextual=frozenset({"_", "case", "match", "type", "print", "exec", "super", "__class__"}),
    names=frozenset({"identifier"}),
    atoms=frozenset({"string", "type_conversion"}),
    comments=frozenset({"comment", "line_continuation"}),
    resolve=lambda tree: _Python(tree).run(),
    spells=spells,
    unusable_prefixes=("__",),
)
