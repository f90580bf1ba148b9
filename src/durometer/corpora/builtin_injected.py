"""Injected flaws: real Python functions of this machine, each with a guard and without it.

A guard is an ``if`` that raises, or returns a bare value, on a bad argument, bound or type, and whose checked
name is dereferenced, subscripted, called, computed with, iterated or passed on further down. The safe
member of a pair is the function as its authors wrote it, the vulnerable member the same without one of its
guards, drawn at random. **Nobody found these flaws in the wild**: perhaps no caller passes what the guard
refused. The set is therefore called *injected* wherever it is named: corpus, ids, notes, rows of a study.

Only text is processed; nothing is imported or run. Python alone: a machine with Python has no sources in
other languages that can be counted on.

What a bag of words could use: a guard's words (most functions have other conditions and errors as well),
and the length, of which a guard is a small part. Nothing is taken out of the safe member to make up for it:
a real function with a hole is no safe one, and too few have a statement that nothing would miss. Instead
both shortcuts are measured on held-out modules and stand in the notes (0.65 to 0.70 for a bag of bigrams,
an AUC of 0.58 for the length, on CPython 3.11), and more than 0.80 for a bag of bigrams is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import PositiveInt

from durometer.corpora.base import Corpus
from durometer.corpora.builtin_clones import split_by_group
from durometer.corpora.builtin_cwe import CEILING, bigram_accuracy
from durometer.corpora.functions import Function, harvest, interpreter, source_tree
from durometer.corpora.overlap import pair_auc
from durometer.corpora.splits import SPLITS
from durometer.corpora.syntax import FunctionNode, is_store, names_in
from durometer.errors import InputError
from durometer.rng import stream
from durometer.types import Sample, content_hash

FEWEST = 5
Source = Literal["stdlib", "installed"]


@dataclass(frozen=True, slots=True)
class Injected:
    """A function, the same ``without`` one guard, and that ``guard`` as text."""

    function: Function
    without: str
    guard: str

    @property
    def group(self) -> str:
        """Return the unit that splits never divide."""
        return self.function.group


def builtin_injected(
    *,
    seed: int,
    source: Source = "stdlib",
    pairs: PositiveInt | None = None,
    max_functions: PositiveInt | None = None,
    max_tokens: PositiveInt = 400,
    max_bigram_accuracy: float = CEILING,
) -> Corpus:
    """Return pairs of a real function and the same without one of its guards (an injected flaw).

    Split by top-level module; the same for the same arguments.

    Source: the running interpreter's standard library, or the packages beside this one; flaws injected here.

    Args:
        seed: decides which guard goes, and which module to which split.
        source: whose functions, ``stdlib`` or ``installed``.
        pairs: keep only so many pairs, spread over the modules.
        max_functions: read only so many functions, guarded or not (for quick runs).
        max_tokens: longest function in words and signs.
        max_bigram_accuracy: refuse the set if a bag of bigrams reaches more.

    Raises:
        InputError: an unknown source, too few guarded functions, or a telling set.

    """
    root = source_tree(source)
    functions = harvest(root, max_tokens=max_tokens, max_functions=max_functions, seed=seed)
    found = list(_injected(functions, seed))
    if pairs is not None and pairs < len(found):
        chosen = stream(seed, "pairs").permutation(len(found))[:pairs]
        found = [found[i] for i in sorted(map(int, chosen))]
    divided = split_by_group(found, seed)
    for split in SPLITS:
        if len(divided[split]) < FEWEST:
            what = f"only {len(divided[split])} guarded functions for the {split} split"
            raise InputError(what, where=str(root), hint="Raise pairs or max_functions.")
    splits = {split: _samples(split, divided[split], seed) for split in SPLITS}
    floor = bigram_accuracy(splits["train"], splits["test"])
    if floor > max_bigram_accuracy:
        what = f"a bag of bigrams reaches accuracy {floor:.3f}, more than {max_bigram_accuracy}"
        raise InputError(what, where="builtin injected", hint="Take more pairs or another seed.")
    lengths = np.array([-len(sample.code) for sample in splits["test"]], dtype=np.float64)
    notes = {
        "source": f"{source}, {interpreter()}",
        "injected": "guards were removed from real functions; nobody found these flaws in the wild",
        "functions": f"{len(found)} guarded (content {content_hash(*(f.without for f in found))})",
        "floor_accuracy": f"{floor:.3f} (bag of bigrams, modules held out)",
        "floor_length_auc": f"{pair_auc(splits['test'], lengths):.3f} (shorter is injected)",
    }
    return Corpus("builtin-injected", "vulnerability", splits, notes)


def _injected(functions: Sequence[Function], seed: int) -> Iterator[Injected]:
    """Yield every function that has a guard, with one of them taken out."""
    for function in functions:
        (node,) = ast.parse(function.source).body
        if isinstance(node, FunctionNode) and (found := guards(node)):
            draw = stream(seed, "guard", function.path, function.source).integers(len(found))
            block, place = found[int(draw)]
            guard = ast.unparse(block.pop(place))
            yield Injected(function, ast.unparse(node), guard)


def guards(function: FunctionNode) -> list[tuple[list[ast.stmt], int]]:
    """Return block and place of every guard of ``function``, outermost first."""
    local = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    local |= {node.id for node in ast.walk(function) if is_store(node)}
    found = []
    for block in _blocks(function):
        for place, statement in enumerate(block):
            checked = _checked(statement) & local - {"self", "cls"}
            if any(_needed(name, block[place + 1 :]) for name in checked):
                found.append((block, place))
    return found


def _blocks(function: FunctionNode) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(function):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                yield block


def _checked(statement: ast.stmt) -> set[str]:
    """Return the names that ``statement`` checks; none where it is no guard.

    An early return on equality alone (``if n == 0: return 1``) is a case, not a guard.
    """
    match statement:
        case ast.If(test=test, body=[ast.Raise()], orelse=[]):
            pass
        case ast.If(test=test, body=[ast.Return(value=value)], orelse=[]) if _bare(value):
            signs = [sign for node in ast.walk(test) if isinstance(node, ast.Compare) for sign in node.ops]
            if signs and all(isinstance(sign, (ast.Eq, ast.NotEq)) for sign in signs):
                return set()
        case _:
            return set()
    binds = any(isinstance(node, ast.NamedExpr) for node in ast.walk(test))
    return set() if binds else names_in([test])


def _bare(value: ast.expr | None) -> bool:
    return value is None or isinstance(value, (ast.Constant, ast.Name, ast.UnaryOp))


def _needed(name: str, rest: Sequence[ast.stmt]) -> bool:
    """Whether ``rest`` does something with the value of ``name`` that can go wrong, before it is rebound."""
    for statement in rest:
        nodes = list(ast.walk(statement))
        if any(isinstance(part, ast.Name) and part.id == name for node in nodes for part in _risky(node)):
            return True
        if any(is_store(node) and node.id == name for node in nodes):
            return False
    return False


def _risky(node: ast.AST) -> list[ast.expr]:
    """Return the operands of ``node`` that a guard would protect."""
    match node:
        case ast.Attribute(value=value):
            return [value]
        case ast.Subscript(value=value, slice=index):
            return [value, index]
        case ast.Call(func=called, args=arguments, keywords=keywords):
            return [called, *arguments, *(keyword.value for keyword in keywords)]
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.For(iter=iterated) | ast.comprehension(iter=iterated):
            return [iterated]
    return []


def _samples(split: str, members: Sequence[Injected], seed: int) -> tuple[Sample, ...]:
    samples = []
    for i, member in enumerate(members):
        function = member.function
        meta = {"path": function.path, "function": function.name, "pair": f"injected-{split}-{i}"}
        first = int(stream(seed, split, "order", str(i)).integers(2))
        for letter, label in zip("ab", (first, 1 - first), strict=True):
            code, more = (member.without, {"injected": member.guard}) if label else (function.source, {})
            identity = f"injected-{split}-{i}-{letter}"
            samples.append(Sample(identity, code, "python", label, group=function.group, meta=meta | more))
    return tuple(samples)
