"""Functions of Python source trees as bare, normalised text: read with ``ast``, never imported.

Every function goes through ``ast.parse`` and ``ast.unparse`` without its docstring and decorators, so
that layout and comments are the same on both sides of any pair made from it and cannot decide a task.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from durometer.corpora.syntax import FunctionNode, message, parse_quietly
from durometer.errors import InputError
from durometer.rng import stream

# Absent from some installations (tests, IDLE, demos, Python 2 converter) or not the library itself;
# ``encodings`` is mostly one template generated a hundred times.
SKIPPED_FOLDERS = frozenset(
    {"test", "tests", "idlelib", "turtledemo", "lib2to3", "site-packages", "dist-packages", "__pycache__"}
    | {"encodings", "ensurepip", "pydoc_data"}
)
TOKEN = re.compile(r"\w+|[^\w\s]")
# Code that looks at its own names at run time: renaming a local would change what it does.
BUILTINS = frozenset(dir(builtins))
INTROSPECTIVE = frozenset({"locals", "vars", "eval", "exec", "dir"})


@dataclass(frozen=True, slots=True)
class Function:
    """One function: normalised ``source``, its ``tokens`` (words and signs) and renameable ``names``."""

    source: str
    name: str
    path: str  # relative to the tree
    group: str  # top-level package or module
    tokens: tuple[str, ...]
    names: tuple[str, ...]
    foreign: tuple[str, ...] = ()  # fields of ``self`` and called helpers
    messages: tuple[str, ...] = ()  # texts for people, as ``syntax.message`` defines them
    docstring: str = ""

    @property
    def shape(self) -> tuple[str, ...]:
        """Return the tokens with every renameable name and the own name replaced by one word."""
        hidden = {*self.names, self.name}
        return tuple("§" if token in hidden else token for token in self.tokens)


def interpreter() -> str:
    """Return name and version of the running interpreter, as in ``cpython 3.11.9``."""
    return f"{sys.implementation.name} {'.'.join(map(str, sys.version_info[:3]))}"


def source_tree(source: str) -> Path:
    """Return the folder of the running interpreter's ``stdlib``, or of the ``installed`` packages.

    Raises:
        InputError: another name.

    """
    places = {"stdlib": "stdlib", "installed": "purelib"}  # as ``sysconfig`` calls them
    if source not in places:
        known = ", ".join(places)
        raise InputError(f"unknown source {source!r}", where="built-in corpus", hint=f"Known: {known}.")
    return Path(sysconfig.get_path(places[source]))


def python_files(root: Path) -> list[Path]:
    """Return the Python files below ``root`` in sorted order, without tests and bundled tools."""
    files = [
        path
        for path in root.rglob("*.py")
        if not any(
            part in SKIPPED_FOLDERS or part.startswith(("config-", "_sysconfigdata"))
            for part in path.relative_to(root).parts
        )
    ]
    return sorted(files, key=lambda path: path.relative_to(root).as_posix())


def harvest(
    root: Path,
    *,
    min_tokens: int = 30,
    max_tokens: int = 400,
    max_functions: int | None = None,
    seed: int = 0,
    documented: bool = False,
) -> list[Function]:
    """Return the usable functions below ``root``, each shape once, in an order fixed by path.

    Usable: ``min_tokens`` to ``max_tokens`` words and signs and at least two renameable names; and a
    docstring where only ``documented`` ones are wanted (others are not even normalised). With
    ``max_functions``, groups are read in an order drawn from ``seed`` until there are enough, at most
    a tenth of them from one group. Files that are not valid Python are passed over.
    """
    by_group: dict[str, list[Path]] = {}
    for path in python_files(root):
        by_group.setdefault(path.relative_to(root).parts[0].removesuffix(".py"), []).append(path)
    groups = sorted(by_group)
    if max_functions is not None:
        groups = [groups[i] for i in stream(seed, "harvest").permutation(len(groups))]
    found: list[Function] = []
    shapes: set[tuple[str, ...]] = set()
    for group in groups:
        share = max_functions // 10 if max_functions is not None else None
        taken = 0
        for function in _functions_of(by_group[group], root, group, (min_tokens, max_tokens), documented):
            if taken == share:
                break
            if (shape := function.shape) not in shapes:
                shapes.add(shape)
                found.append(function)
                taken += 1
        if max_functions is not None and len(found) >= max_functions:
            break
    found = found[:max_functions]
    return sorted(found, key=lambda function: (function.path, function.name, function.source))


def _functions_of(
    paths: Sequence[Path], root: Path, group: str, bounds: tuple[int, int], documented: bool
) -> Iterator[Function]:
    for path in paths:
        tree = parse_quietly(path.read_bytes())
        if tree is None:
            continue
        relative = path.relative_to(root).as_posix()
        for node in _definitions(tree):
            if documented and ast.get_docstring(node) is None:
                continue
            function = read_function(node, relative, group, bounds)
            if function is not None and len(function.names) >= 2:
                yield function


def _definitions(tree: ast.Module | ast.ClassDef) -> Iterator[FunctionNode]:
    """Yield functions and methods, outermost only: a nested function may need its surroundings."""
    for node in tree.body:
        if isinstance(node, FunctionNode):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from _definitions(node)


def read_function(
    node: FunctionNode, path: str, group: str, bounds: tuple[int, int] = (0, sys.maxsize)
) -> Function | None:
    """Normalise ``node`` in place (docstring and decorators dropped) and describe it.

    None if the number of its tokens is outside ``bounds`` (both ends allowed).
    """
    docstring = ast.get_docstring(node) or ""
    if docstring:
        node.body = node.body[1:] or [ast.Pass()]
    node.decorator_list = []
    source = ast.unparse(node)
    tokens = tuple(TOKEN.findall(source))
    if not bounds[0] <= len(tokens) <= bounds[1]:
        return None
    nodes = list(ast.walk(node))
    names = renameable_names(node, nodes)
    return Function(
        source,
        node.name,
        path,
        group,
        tokens,
        names,
        _foreign_names(nodes, names),
        tuple(text for text in map(message, nodes) if text),
        docstring,
    )


def renameable_names(node: FunctionNode, nodes: Sequence[ast.AST]) -> tuple[str, ...]:
    """Return names that may be renamed everywhere in ``node`` at once, in order of first binding.

    Parameters and locals of the outermost scope; not ``self`` and ``cls``, not imported names, nothing
    declared ``global`` or ``nonlocal``, none that a nested function's caller may spell as a keyword, none
    bound in a nested class. ``nodes`` are all nodes below ``node``.
    """
    bound: dict[str, None] = {}
    barred: set[str] = {"self", "cls", "_", node.name}
    outer = {id(child) for child in ast.walk(node.args)}
    keywords = {child.arg for child in nodes if isinstance(child, ast.keyword)}
    for child in nodes:
        match child:
            case ast.arg(arg=name):
                bound.setdefault(name)
                if name in keywords and id(child) not in outer:
                    barred.add(name)
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                bound.setdefault(name)
            case ast.Name(id=name) if name in INTROSPECTIVE:
                return ()
            case ast.ExceptHandler(name=str(name)):
                bound.setdefault(name)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                barred.update(names)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                barred.update((alias.asname or alias.name).partition(".")[0] for alias in aliases)
            case ast.ClassDef(name=name):
                barred.add(name)
                barred.update(n.id for n in ast.walk(child) if isinstance(n, ast.Name))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.MatchAs(name=str(name)):
                barred.add(name)
            case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                barred.add(name)
    return tuple(name for name in bound if name not in barred and not name.startswith("__"))


def _foreign_names(nodes: Sequence[ast.AST], local: Sequence[str]) -> tuple[str, ...]:
    """Return what a copy in another project would call otherwise: fields of ``self``, called helpers."""
    found: dict[str, None] = {}
    known = {*local, "self", "cls", "super"} | BUILTINS
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                found.setdefault(name)
            case ast.Call(func=ast.Name(id=name)) if name not in known:
                found.setdefault(name)
    return tuple(name for name in found if not name.startswith("__") and name not in known)
