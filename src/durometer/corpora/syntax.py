"""Facts about Python syntax trees on which safe rewrites stand."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import TypeGuard

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
PURE = (ast.Name, ast.Constant, ast.Attribute, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.Tuple)


def parse_quietly(source: str | bytes) -> ast.Module | None:
    """Return the tree, or None where ``source`` is not valid Python; warnings are dropped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def counted(node: ast.For) -> tuple[str, ast.expr, ast.expr] | None:
    """Return name, start and stop of ``for i in range([start,] stop)`` if a ``while`` does the same."""
    match node:
        case ast.For(
            target=ast.Name(id=name),
            iter=ast.Call(func=ast.Name(id="range"), args=[*arguments], keywords=[]),
            orelse=[],
        ) if 1 <= len(arguments) <= 2:
            stop = arguments[-1]
            start: ast.expr = arguments[0] if len(arguments) == 2 else ast.Constant(0)
            fixed = isinstance(stop, (ast.Name, ast.Constant))
            changed = {n.id for s in node.body for n in ast.walk(s) if is_store(n)}
            continues = any(isinstance(n, ast.Continue) for s in node.body for n in ast.walk(s))
            if fixed and not ({*names_in([stop]), name} & changed) and not continues:
                return name, start, stop
    return None


def independent(first: ast.stmt, second: ast.stmt) -> bool:
    """Whether two assignments of pure values to names may change places."""
    for statement in (first, second):
        if not (isinstance(statement, ast.Assign) and pure(statement.value)):
            return False
        if not all(isinstance(target, ast.Name) for target in statement.targets):
            return False
    stores = [{n.id for n in ast.walk(s) if is_store(n)} for s in (first, second)]
    return not (stores[0] & names_in([second]) or stores[1] & names_in([first]))


def is_store(node: ast.AST) -> TypeGuard[ast.Name]:
    """Whether ``node`` is a name that is written."""
    return isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)


def names_in(nodes: Iterable[ast.AST]) -> set[str]:
    """Return every name that appears below ``nodes``."""
    return {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}


def pure(node: ast.expr) -> bool:
    """Whether evaluating ``node`` neither calls nor subscripts, so that its moment does not matter."""
    return all(
        isinstance(n, (*PURE, ast.operator, ast.unaryop, ast.cmpop, ast.boolop, ast.expr_context))
        for n in ast.walk(node)
    )


def comprehensible(node: ast.expr) -> bool:
    """Whether ``node`` may stand in a comprehension: nothing that yields, awaits or assigns."""
    barred = (ast.Yield, ast.YieldFrom, ast.Await, ast.NamedExpr)
    return not any(isinstance(n, barred) for n in ast.walk(node))


def immutable(node: ast.expr) -> bool:
    """Whether ``node`` is a number, for which ``+=`` and ``+`` agree."""
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float))


def message(node: ast.AST) -> str | None:
    """Return the text of ``node`` if it is one for people: a blank inside, and nothing to fill in."""
    text = node.value if isinstance(node, ast.Constant) else None
    return text if isinstance(text, str) and " " in text.strip() and not set("%{\\\n") & set(text) else None


def is_true(node: ast.expr) -> bool:
    """Whether ``node`` is ``True`` or ``1``."""
    return isinstance(node, ast.Constant) and node.value in (True, 1)


def is_negative(node: ast.expr) -> bool:
    """Whether ``node`` reads as a negation."""
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def negated(node: ast.expr) -> ast.expr:
    """Return the negation of ``node`` in the form that people write."""
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return operand
        case ast.Compare(left=left, ops=[op], comparators=right) if type(op) in OPPOSITE:
            return ast.Compare(left, [OPPOSITE[type(op)]()], right)
    return ast.UnaryOp(ast.Not(), node)


def confined(function: ast.AST) -> frozenset[str]:
    """Return loop variables that appear in one loop or comprehension only: nobody sees them after it."""
    total = Counter(n.id for n in ast.walk(function) if isinstance(n, ast.Name))
    result: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, (ast.For, ast.ListComp)):
            inside = Counter(n.id for n in ast.walk(node) if isinstance(n, ast.Name))
            targets = [node.target] if isinstance(node, ast.For) else [g.target for g in node.generators]
            result.update(name for name in names_in(targets) if inside[name] == total[name])
    return frozenset(result)
