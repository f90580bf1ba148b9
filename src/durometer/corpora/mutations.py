"""Rewrites of a Python function that keep what it does: how a copy comes to look different.

Type-2 and type-3 clones (Roy and Cordy, 2007): statements are reordered, loops, conditions,
comprehensions and assignments are written another way, messages are reworded, locals are renamed. A
rewrite is applied only where its pattern makes it safe under ordinary Python conventions (comparison
and arithmetic operators are not overloaded with side effects, names and attributes read without
side effects). Two rewrites change what is printed or raised, never the flow: messages (string
constants with a blank) are reworded, and fields of ``self`` and called helpers are called as another
project might call them. Everything works on ``ast``; nothing is executed.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from durometer.corpora.syntax import (
    FunctionNode,
    comprehensible,
    confined,
    counted,
    immutable,
    independent,
    is_negative,
    is_true,
    message,
    names_in,
    negated,
    pure,
)

FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
}
LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class Rewriter(ast.NodeTransformer):
    """Applies every rewrite that fits, each place by its own draw with probability ``rate``."""

    def __init__(
        self, rng: np.random.Generator, rate: float, messages: Sequence[str], loop_names: frozenset[str]
    ) -> None:
        self.rng, self.rate, self.messages, self.loop_names = rng, rate, messages, loop_names

    def chance(self) -> bool:
        """Draw whether to rewrite here."""
        return bool(self.rng.random() < self.rate)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Rewrite children first, then statement lists, then the node itself."""
        super().generic_visit(node)
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                setattr(node, field, self.block(block))
        return node

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """Rewrite one statement list."""
        for rewrite in BLOCK_REWRITES:
            if self.chance():
                statements = rewrite(statements, self.loop_names)
        return self.reordered(statements)

    def reordered(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """Swap neighbours that neither read nor write what the other writes."""
        result = list(statements)
        for i, (first, second) in enumerate(pairwise(statements)):
            if result[i] is first and independent(first, second) and self.chance():
                result[i], result[i + 1] = second, first
        return result

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """``a < b`` to ``b > a``, where the order of evaluation cannot matter."""
        self.generic_visit(node)
        if len(node.ops) == 1 and type(node.ops[0]) in FLIPPED and self.chance():
            right = node.comparators[0]
            if pure(node.left) and pure(right):
                return ast.Compare(right, [FLIPPED[type(node.ops[0])]()], [node.left])
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """De Morgan: ``not a or not b`` to ``not (a and b)``."""
        self.generic_visit(node)
        if all(is_negative(value) for value in node.values) and self.chance():
            other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
            return ast.UnaryOp(ast.Not(), ast.BoolOp(other, [negated(value) for value in node.values]))
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """De Morgan the other way: ``not (a and b)`` to ``not a or not b``."""
        self.generic_visit(node)
        if not (isinstance(node.op, ast.Not) and isinstance(node.operand, ast.BoolOp)):
            return node
        # ``not (not a and b)`` stays: its other form would give ``a`` itself where a truth value stood.
        if not any(is_negative(value) for value in node.operand.values) and self.chance():
            other = ast.And() if isinstance(node.operand.op, ast.Or) else ast.Or()
            return ast.BoolOp(other, [negated(value) for value in node.operand.values])
        return node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """Exchange the branches under the negated condition; join or split nested conditions."""
        self.generic_visit(node)
        if node.orelse and not isinstance(node.orelse[0], ast.If) and self.chance():
            return ast.If(negated(node.test), node.orelse, node.body)
        match node:
            case ast.If(test=ast.BoolOp(op=ast.And(), values=[first, *rest]), orelse=[]) if self.chance():
                inner = rest[0] if len(rest) == 1 else ast.BoolOp(ast.And(), rest)
                return ast.If(first, [ast.If(inner, node.body, [])], [])
            case ast.If(body=[ast.If(test=inner_test, body=body, orelse=[])], orelse=[]) if self.chance():
                return ast.If(ast.BoolOp(ast.And(), [node.test, inner_test]), body, [])
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        """``a if c else b`` to ``b if not c else a``."""
        self.generic_visit(node)
        return ast.IfExp(negated(node.test), node.orelse, node.body) if self.chance() else node

    def visit_While(self, node: ast.While) -> ast.AST:
        """``while c:`` to ``while True:`` with a break, and back."""
        self.generic_visit(node)
        if node.orelse:
            return node
        if not isinstance(node.test, ast.Constant) and self.chance():
            guard = ast.If(negated(node.test), [ast.Break()], [])
            return ast.While(ast.Constant(True), [guard, *node.body], [])
        match node:
            case ast.While(body=[ast.If(test=test, body=[ast.Break()], orelse=[]), _, *_]) if (
                is_true(node.test) and self.chance()
            ):
                return ast.While(negated(test), node.body[1:], [])
        return node

    def visit_For(self, node: ast.For) -> ast.AST | list[ast.stmt]:
        """Counted ``for`` to ``while`` where nothing skips the step at its end and nobody moves the bound."""
        self.generic_visit(node)
        bounds = counted(node)
        if bounds is None or bounds[0] not in self.loop_names or not self.chance():
            return node
        name, start, stop = bounds
        step: ast.stmt = ast.AugAssign(ast.Name(name, ast.Store()), ast.Add(), ast.Constant(1))
        test = ast.Compare(ast.Name(name, ast.Load()), [ast.Lt()], [stop])
        begin = ast.Assign([ast.Name(name, ast.Store())], start, lineno=0)
        return [begin, ast.While(test, [*node.body, step], [])]

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """``x += 1`` to ``x = x + 1`` for numbers, where both mean the same."""
        self.generic_visit(node)
        if isinstance(node.target, ast.Name) and immutable(node.value) and self.chance():
            read = ast.Name(node.target.id, ast.Load())
            return ast.Assign([node.target], ast.BinOp(read, node.op, node.value), lineno=0)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        """``x = x + 1`` to ``x += 1``; ``a, b = c, d`` or ``a = b = c`` to two assignments."""
        self.generic_visit(node)
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name) as target],
                value=ast.BinOp(left=ast.Name(id=read), op=op, right=right),
            ) if name == read and immutable(right) and self.chance():
                return ast.AugAssign(target, op, right)
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)) if (
                len(targets) == len(values)
                and all(isinstance(target, ast.Name) for target in targets)
                and all(pure(value) for value in values)
                and not names_in(targets) & names_in(values)
                and self.chance()
            ):
                return [ast.Assign([t], v, lineno=0) for t, v in zip(targets, values, strict=True)]
            case ast.Assign(targets=[first, second], value=value) if pure(value) and self.chance():
                if not names_in([first, second]) & names_in([value]):
                    return [ast.Assign([t], copy.deepcopy(value), lineno=0) for t in (second, first)]
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """``f"{a} b"`` to ``"{} b".format(a)`` where no part has a nested format."""
        self.generic_visit(node)
        text, values = "", []
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += str(part.value).replace("{", "{{").replace("}", "}}")
            elif isinstance(part, ast.FormattedValue) and part.format_spec is None:
                text += "{}" if part.conversion < 0 else "{!" + chr(part.conversion) + "}"
                values.append(part.value)
            else:
                return node
        if not values or not self.chance():
            return node
        return ast.Call(ast.Attribute(ast.Constant(text), "format", ast.Load()), values, [])

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Reword messages: a text with a blank and nothing to fill in becomes another one."""
        if self.messages and message(node) and self.chance():
            return ast.Constant(self.messages[int(self.rng.integers(len(self.messages)))])
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        """Leave what an f-string holds alone: older interpreters cannot nest its quotes."""
        return node


def comprehension_to_loop(statements: list[ast.stmt], loop_names: frozenset[str]) -> list[ast.stmt]:
    """``x = [e for v in it if c]`` to an empty list, a loop and ``append``."""
    result: list[ast.stmt] = []
    for statement in statements:
        match statement:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.ListComp(elt=element, generators=[ast.comprehension(is_async=0) as generator]),
            ) if names_in([generator.target]) <= loop_names and name not in names_in([statement.value]):
                append = ast.Attribute(ast.Name(name, ast.Load()), "append", ast.Load())
                body: list[ast.stmt] = [ast.Expr(ast.Call(append, [element], []))]
                for condition in reversed(generator.ifs):
                    body = [ast.If(condition, body, [])]
                result.append(ast.Assign([ast.Name(name, ast.Store())], ast.List([], ast.Load()), lineno=0))
                result.append(ast.For(generator.target, generator.iter, body, [], lineno=0))
            case _:
                result.append(statement)
    return result


def loop_to_comprehension(statements: list[ast.stmt], loop_names: frozenset[str]) -> list[ast.stmt]:
    """``x = []`` and a loop that only appends, to ``x = [… for …]``."""
    result: list[ast.stmt] = []
    for statement in statements:
        match (result[-1] if result else None, statement):
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.List(elts=[])),
                ast.For(
                    target=ast.Name() as target,
                    iter=iterable,
                    body=[
                        ast.Expr(
                            value=ast.Call(
                                func=ast.Attribute(value=ast.Name(id=appended), attr="append"),
                                args=[element],
                                keywords=[],
                            )
                        )
                    ],
                    orelse=[],
                ),
            ) if (
                name == appended
                and name not in names_in([element, iterable])
                and target.id in loop_names
                and comprehensible(element)
            ):
                comprehension = ast.comprehension(target, iterable, [], 0)
                whole = ast.ListComp(element, [comprehension])
                result[-1] = ast.Assign([ast.Name(name, ast.Store())], whole, lineno=0)
            case _:
                result.append(statement)
    return result


def early_exit(statements: list[ast.stmt], loop_names: frozenset[str]) -> list[ast.stmt]:
    """``if c: return a`` then the rest, to ``if c: return a`` else the rest; and back."""
    for i, statement in enumerate(statements):
        if isinstance(statement, ast.If) and isinstance(statement.body[-1], LEAVES):
            rest = statements[i + 1 :]
            if statement.orelse and not rest and not isinstance(statement.orelse[0], ast.If):
                return [*statements[:i], ast.If(statement.test, statement.body, []), *statement.orelse]
            if not statement.orelse and rest:
                return [*statements[:i], ast.If(statement.test, statement.body, rest)]
    return statements


def returned_choice(statements: list[ast.stmt], loop_names: frozenset[str]) -> list[ast.stmt]:
    """``return a if c else b`` to two returns, and two returns to a conditional expression."""
    match statements:
        case [*head, ast.Return(value=ast.IfExp(test=test, body=yes, orelse=no))]:
            return [*head, ast.If(test, [ast.Return(yes)], []), ast.Return(no)]
        case [
            *head,
            ast.If(test=test, body=[ast.Return(value=ast.expr() as yes)], orelse=[]),
            ast.Return(value=ast.expr() as no),
        ]:
            return [*head, ast.Return(ast.IfExp(test, yes, no))]
    return statements


BLOCK_REWRITES: tuple[Callable[[list[ast.stmt], frozenset[str]], list[ast.stmt]], ...] = (
    comprehension_to_loop,
    loop_to_comprehension,
    returned_choice,
    early_exit,
)


class Renamer(ast.NodeTransformer):
    """Replaces names everywhere at once: variables, parameters, handlers, fields of ``self``, helpers."""

    def __init__(self, renames: Mapping[str, str]) -> None:
        self.renames = renames

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Rename a variable."""
        node.id = self.renames.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Rename a field of ``self``."""
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            node.attr = self.renames.get(node.attr, node.attr)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Rename a parameter."""
        self.generic_visit(node)
        node.arg = self.renames.get(node.arg, node.arg)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        """Rename a handler's variable."""
        self.generic_visit(node)
        node.name = self.renames.get(node.name, node.name) if node.name else None
        return node


def mutate(
    source: str,
    rng: np.random.Generator,
    *,
    rate: float,
    renames: Mapping[str, str],
    name: str,
    messages: Sequence[str] = (),
) -> str:
    """Return ``source`` (one bare function) rewritten, with ``renames`` applied and called ``name``.

    ``renames`` must be injective onto names that the function does not use; only ``names`` and
    ``foreign`` names of the function may be its keys.
    """
    node = ast.parse(source).body[0]
    assert isinstance(node, FunctionNode)
    Renamer({**renames, node.name: name}).visit(node)
    node.name = name
    Rewriter(rng, rate, messages, confined(node)).visit(node)
    return ast.unparse(ast.fix_missing_locations(node))
