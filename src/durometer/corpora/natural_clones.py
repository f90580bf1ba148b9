"""Clone pairs that people made: alternative implementations, and copies that their authors declared.

``builtin-clones-algorithms``: functions of one module of the package ``algorithms`` whose names differ in a
word for the variant (``climb_stairs``, ``climb_stairs_optimized``): one problem solved twice (types 3, 4).
``builtin-clones-transformers``: functions below a note ``# Copied from …`` of the installed ``transformers``
and what they were copied from, where the two texts differ (types 2 and 3).

A negative is the first snippet of a positive with a near function by TF-IDF cosine from another module.
Both are sets for testing alone (the split ``test``): files are parsed, never imported, functions lose their
own names, docstrings and comments, and the bag-of-words floor stands in the notes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from itertools import combinations
from pathlib import Path

import numpy as np
from pydantic import PositiveInt

from durometer.corpora.base import Corpus
from durometer.corpora.builtin_clones import CLONE_COSINE
from durometer.corpora.functions import Function, python_files, read_function
from durometer.corpora.overlap import fit_tfidf, pair_auc, pair_cosines, pair_texts
from durometer.corpora.syntax import FunctionNode, parse_quietly
from durometer.errors import InputError, MissingExtraError
from durometer.rng import stream
from durometer.types import Sample, content_hash

OWN_NAME = "solve"
BOUNDS = (25, 400)  # words and signs
VARIANT = re.compile(
    r"v?\d+|v|naive|iter|iterative|rec|recur|recursive|optimized|fast|memo|dp|topdown|bottom|up|alt|bit|eval"
    r"|list|dict|set|hashtable|stack|deque|reverse|two|pointer|regular|expression"
)
COPIED = re.compile(r"\s*# Copied from (transformers\.[\w.]+)")
NEAR = 5  # a negative is drawn from so many nearest functions
LENGTH_RATIO = 1.6

Pair = tuple[Function, Function]
Definition = FunctionNode | ast.ClassDef


def clones_algorithms(*, seed: int = 1) -> Corpus:
    """Return alternative implementations from the package ``algorithms`` and as many near misses.

    Source: the installed package algorithms (MIT); for testing alone.

    Raises:
        MissingExtraError: the package is not installed.

    """
    root, version = _package("algorithms")
    return _corpus("builtin-clones-algorithms", f"algorithms {version}", variants(root), seed)


def clones_transformers(*, seed: int = 1, max_pairs: PositiveInt = 400) -> Corpus:
    """Return copies that the authors of ``transformers`` declared, ``max_pairs`` at most, and near misses.

    Source: the notes "Copied from" in the installed package transformers (Apache-2.0); for testing alone.

    Raises:
        MissingExtraError: the package is not installed.

    """
    root, version = _package("transformers")
    pairs = copies(root)
    order = stream(seed, "copies").permutation(len(pairs))[:max_pairs]
    chosen = [pairs[i] for i in sorted(map(int, order))]
    return _corpus("builtin-clones-transformers", f"transformers {version}", chosen, seed)


def variants(root: Path) -> list[Pair]:
    """Return pairs of functions of one module whose names differ in words for the variant alone."""
    pairs = []
    for path in python_files(root):
        tree = parse_quietly(path.read_bytes())
        nodes = [n for n in tree.body if isinstance(n, FunctionNode)] if tree else []
        by_stem: dict[str, list[Function]] = {}
        for node in nodes:
            stem = _stem(node.name)
            function = _read(node, path.relative_to(root))
            if function is not None:
                by_stem.setdefault(stem, []).append(function)
        for members in by_stem.values():
            pairs += [pair for pair in combinations(members, 2) if pair[0].source != pair[1].source]
    return pairs


def copies(root: Path) -> list[Pair]:
    """Return what stands below a note ``# Copied from`` with its original: functions, methods of classes.

    Only pairs of different texts, each once.
    """
    found: dict[tuple[str, str], Pair] = {}
    for path in python_files(root):
        text = path.read_text(encoding="utf-8", errors="replace")
        tree = parse_quietly(text) if "# Copied from" in text else None
        if tree is None:
            continue
        for node, dotted in _noted(tree, text.splitlines()):
            original = _original(root, dotted)
            for one, other in _same_functions(original, node) if original else ():
                first, second = _read(one, original_path(root, dotted)), _read(other, path.relative_to(root))
                if first and second and first.source != second.source:
                    found.setdefault((first.source, second.source), (first, second))
    return list(found.values())


def _package(name: str) -> tuple[Path, str]:
    try:
        package = distribution(name)
    except PackageNotFoundError:
        raise MissingExtraError(
            f"the package {name} is not installed", hint=f"Install it: pip install {name}"
        ) from None
    return Path(str(package.locate_file(name))), package.version


def _stem(name: str) -> str:
    words = re.findall(r"[^\W\d_]+|v?\d+", name)
    while len(words) > 1 and VARIANT.fullmatch(words[-1]):
        words.pop()
    return "_".join(words)


def _noted(tree: ast.Module, rows: Sequence[str]) -> Iterator[tuple[Definition, str]]:
    """Yield the definitions below a note, with the dotted name of what they were copied from."""
    for top in tree.body:
        for node in (top, *(top.body if isinstance(top, ast.ClassDef) else ())):
            if isinstance(node, Definition):
                start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                noted = COPIED.match(rows[start - 2]) if start > 1 else None
                if noted:
                    yield node, noted[1].rstrip(".")


def _original(root: Path, dotted: str) -> Definition | None:
    """Return what a dotted name means: ``transformers.a.b.function``, ``….Class`` or ``….Class.method``."""
    path = original_path(root, dotted)
    tree = _tree(root / path) if path.name else None
    body: Sequence[ast.stmt] = tree.body if tree else []
    node: Definition | None = None
    for name in dotted.split(".")[1 + len(path.parts) :]:
        node = next((n for n in body if isinstance(n, Definition) and n.name == name), None)
        body = node.body if isinstance(node, ast.ClassDef) else []
    return deepcopy(node)


def original_path(root: Path, dotted: str) -> Path:
    """Return the file below ``root`` that the longest head of a dotted name means, or ``Path()``."""
    parts = dotted.split(".")[1:]
    for length in range(len(parts) - 1, 0, -1):
        path = Path(*parts[:length]).with_suffix(".py")
        if (root / path).is_file():
            return path
    return Path()


@cache
def _tree(path: Path) -> ast.Module | None:
    return parse_quietly(path.read_bytes())


def _same_functions(one: Definition, other: Definition) -> Iterator[tuple[FunctionNode, FunctionNode]]:
    """Yield two functions, or the methods of two classes that have the same name."""
    if isinstance(one, FunctionNode) and isinstance(other, FunctionNode):
        yield one, other
    elif isinstance(one, ast.ClassDef) and isinstance(other, ast.ClassDef):
        theirs = {node.name: node for node in other.body if isinstance(node, FunctionNode)}
        for node in one.body:
            if isinstance(node, FunctionNode) and node.name in theirs:
                yield node, theirs[node.name]


def _read(node: FunctionNode, path: Path) -> Function | None:
    """Return the function without its own name, which would tell what it does."""
    own, text = node.name, path.as_posix()
    node.name = OWN_NAME
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and child.id == own:
            child.id = OWN_NAME
    function = read_function(node, text, text, BOUNDS)
    return replace(function, name=own) if function is not None and function.names else None


def _corpus(name: str, source: str, pairs: Sequence[Pair], seed: int) -> Corpus:
    pool = sorted({f.source: f for pair in pairs for f in pair}.values(), key=lambda f: (f.path, f.name))
    nearest = _nearest(pool, seed)
    samples: list[Sample] = []
    for first, second in pairs:
        other = nearest(first)
        if other is None:
            continue
        for label, partner in ((1, second), (0, other)):
            meta = {"path": first.path, "function": first.name, "other_function": partner.name}
            identity = f"{len(samples)}"
            samples.append(
                Sample(identity, first.source, "python", label, partner.source, first.group, meta=meta)
            )
    if len(samples) < 2:
        raise InputError("no pairs found", where=source, hint="Another version of the package may have them.")
    auc = pair_auc(samples, pair_cosines(fit_tfidf(pair_texts(samples)), samples))
    notes = {
        "source": f"{source} (content {content_hash(*(f.source for f in pool))})",
        "pairs": f"{len(samples) // 2} made by people, and as many near misses; a test set only",
        "floor_auc": f"{auc:.3f} (TF-IDF cosine)",
    }
    return Corpus(name, "clone", {"test": tuple(samples)}, notes)


def _nearest(pool: Sequence[Function], seed: int) -> Callable[[Function], Function | None]:
    """Return a function that draws a near function from another module, of about the same length."""
    sources = [f.source for f in pool]
    vectors = fit_tfidf(sources).transform(sources)
    place = {source: i for i, source in enumerate(sources)}
    lengths = np.array([len(f.tokens) for f in pool], dtype=np.float64)

    def draw(function: Function) -> Function | None:
        i = place[function.source]
        near = np.asarray((vectors @ vectors[i].T).todense()).ravel()
        ratio = lengths / lengths[i]
        allowed = [
            int(j)
            for j in np.argsort(-near, kind="stable")
            if pool[j].path != function.path
            and pool[j].name != function.name
            and near[j] < CLONE_COSINE
            and 1 / LENGTH_RATIO <= ratio[j] <= LENGTH_RATIO
        ][:NEAR]
        rng = stream(seed, "near miss", function.source)
        return pool[allowed[int(rng.integers(len(allowed)))]] if allowed else None

    return draw
