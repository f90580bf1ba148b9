"""Rewrites keep meaning: programs and their copies are *our own* snippets here, so they may be run."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from durometer.corpora.functions import harvest, read_function, source_tree
from durometer.corpora.mutations import mutate
from durometer.corpora.syntax import confined, counted, independent, negated, pure
from durometer.rng import stream

PROGRAMS: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "counted loop": (
        "def f(n):\n    total = 0\n    for i in range(n):\n        total += i\n    return total",
        [(0,), (1,), (7,)],
    ),
    "loop variable used afterwards": (
        "def f(n):\n    i = -1\n    for i in range(n):\n        pass\n    return i",
        [(0,), (3,)],
    ),
    "continue in a counted loop": (
        "def f(n):\n    out = []\n    for i in range(n):\n        if i % 2:\n            continue\n"
        "        out.append(i)\n    return out",
        [(0,), (6,)],
    ),
    "comprehension": (
        "def f(xs):\n    ys = [x * 2 for x in xs if x > 1]\n    return ys",
        [([],), ([1, 2, 3],)],
    ),
    "appending loop": (
        "def f(xs):\n    ys = []\n    for x in xs:\n        ys.append(x + 1)\n    return ys",
        [([],), ([4, 5],)],
    ),
    "branches": (
        "def f(a, b):\n    if a < b and (not a == 3):\n        r = 'less'\n    else:\n        r = 'more'\n"
        "    return r",
        [(1, 2), (3, 4), (5, 4)],
    ),
    "de morgan": (
        "def f(a, b):\n    if not (a and b):\n        return 1\n    if not a or not b:\n        return 2\n"
        "    return 3 if a is not None else 4",
        [(0, 0), (1, 0), (1, 1)],
    ),
    "truth values stay values": (
        "def f(a, b):\n    return not (not a and b)",
        [(0, 0), (5, 0), (0, 5), (5, 5)],
    ),
    "while": (
        "def f(n):\n    k = 0\n    while n > 1:\n        n = n // 2\n        k = k + 1\n    return k",
        [(1,), (9,)],
    ),
    "swap": ("def f(a, b):\n    a, b = b, a\n    c, d = a, b\n    return (a, b, c, d)", [(1, 2)]),
    "order": (
        "def f(a):\n    x = a\n    y = x\n    x = 2\n    z = 5\n    return (x, y, z)",
        [(1,), (9,)],
    ),
    "list grows in place": (
        "def f(xs):\n    ys = xs\n    ys += [1]\n    return (xs, ys)",
        [([0],)],
    ),
    "format": ("def f(a, b):\n    return f'{a!r} {{}} {b}'", [("x", 2)]),
    "nested conditions": (
        "def f(a, b):\n    if a:\n        if b:\n            return 1\n"
        "    if a and b > 2 and b < 9:\n        return 2\n"
        "    return 3",
        [(1, 0), (0, 1), (1, 5)],
    ),
}

# Nothing here may be rewritten, or not always: the loop's variable is read later, its step skipped, …
UNCHANGED = {
    "loop variable used afterwards",
    "continue in a counted loop",
    "list grows in place",
    "swap",
    "truth values stay values",
}


def run(source: str, arguments: tuple[Any, ...]) -> Any:
    import copy

    space: dict[str, Any] = {}
    exec(compile(source, "<ours>", "exec"), space)
    return space["f"](*copy.deepcopy(arguments))


@pytest.mark.parametrize("case", PROGRAMS)
def test_a_copy_does_what_the_original_does(case: str) -> None:
    source, inputs = PROGRAMS[case]
    copies = {mutate(source, stream(i, case), rate=0.6, renames={}, name="f") for i in range(40)}
    for text in copies:
        for arguments in inputs:
            assert run(text, arguments) == run(source, arguments), text


@pytest.mark.parametrize("case", sorted(PROGRAMS.keys() - UNCHANGED))
def test_a_rewrite_fits_every_other_program(case: str) -> None:
    source = ast.unparse(ast.parse(PROGRAMS[case][0]))
    copies = {mutate(source, stream(i, case), rate=0.9, renames={}, name="f") for i in range(20)}
    assert copies - {source}


def test_renames_reach_every_use_and_nothing_else() -> None:
    source = (
        "def f(self, item, key=None):\n    value = self.item(item, key=key)\n"
        "    def g(x):\n        return value + x\n    return g"
    )
    renames = {"item": "thing", "value": "result", "key": "name"}
    text = mutate(source, stream(0), rate=0.0, renames=renames, name="h")
    assert text == (
        "def h(self, thing, name=None):\n    result = self.thing(thing, key=name)\n\n"
        "    def g(x):\n        return result + x\n    return g"
    )


def test_names_that_may_not_be_renamed_are_not_offered() -> None:
    source = (
        "def f(self, a):\n    global counter\n    import os.path\n    counter = a\n"
        "    def inner(key):\n        return key\n    b = inner(key=a)\n    return os.path.join(a, b)"
    )
    function = read_function(ast.parse(source).body[0], "m.py", "m")
    assert function is not None
    assert function.names == ("a", "b")
    hidden = read_function(ast.parse("def f(a, b):\n    return locals()").body[0], "m.py", "m")
    assert hidden is not None
    assert hidden.names == ()


def test_predicates() -> None:
    def statement(text: str) -> Any:
        return ast.parse(text).body[0]

    assert counted(statement("for i in range(n):\n    x = i")) is not None
    assert counted(statement("for i in range(n):\n    n = i")) is None
    assert counted(statement("for i in range(n):\n    i = 1")) is None
    assert independent(statement("a = 1"), statement("b = c"))
    assert not independent(statement("a = 1"), statement("b = a"))
    assert not independent(statement("a = f()"), statement("b = 2"))
    assert not pure(statement("x[0]").value)
    assert ast.unparse(negated(statement("a in b").value)) == "a not in b"
    assert confined(ast.parse("for i in x:\n    print(i)\nfor j in x: pass\nprint(j)")) == {"i"}


def test_real_functions_survive_every_rewrite() -> None:
    for i, function in enumerate(harvest(source_tree("stdlib"), max_functions=200, seed=9)):
        text = mutate(function.source, stream(i), rate=1.0, renames={}, name=function.name)
        assert ast.unparse(ast.parse(text)) == text


def test_harvest_is_ordered_sized_and_unique() -> None:
    functions = harvest(source_tree("stdlib"), max_functions=150, seed=2, max_tokens=120)
    assert functions == harvest(source_tree("stdlib"), max_functions=150, seed=2, max_tokens=120)
    assert all(30 <= len(f.tokens) <= 120 and len(f.names) >= 2 for f in functions)
    assert len({f.shape for f in functions}) == len(functions)
    assert len({f.group for f in functions}) >= 10
