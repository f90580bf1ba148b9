"""Valid renames are proven and undone to the byte; sabotage is rejected. Small here, 20,000 by script."""

from __future__ import annotations

import os
import random
import symtable
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import sabotage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from durometer.code import Snippet, parse, prove

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
TYPES = {"java": "int", "c": "int", "cpp": "int"}


@st.composite
def functions(draw: st.DrawFn, language: str) -> Snippet:
    """Make a function with nested blocks, shadowing where the language allows it, strings and comments."""
    names = draw(
        st.lists(
            st.sampled_from(["a", "bb", "c3", "dd_d", "é", "total"]), min_size=2, max_size=5, unique=True
        )
    )
    python, kind = language == "python", TYPES.get(language, "")
    lines, depth, known = [], 1, [names[0]]

    def expression() -> str:
        parts = [st.sampled_from(known), st.sampled_from(["1", "g(free)", "o.a", '"é a\\n"', "0x1F"])]
        return " + ".join(draw(st.lists(st.one_of(parts), min_size=1, max_size=3)))

    for _ in range(draw(st.integers(1, 8))):
        name = draw(st.sampled_from(names))
        pad = "    " * depth
        opening = draw(st.booleans()) and depth < 3
        if opening:
            head = f"if {expression()}" if python or language == "go" else f"if ({expression()})"
            lines.append(pad + head + (":" if python else " {"))
            lines.append(
                pad
                + "    "
                + (f"{known[0]} = {expression()}" + ("" if python else ";"))
                + ("  # a" if python else "  // a")
            )
            depth += 1
            continue
        if python or name in known:
            lines.append(f"{pad}{name} = {expression()}" + ("" if python else ";"))
        elif language == "go":
            lines.append(f"{pad}{name} := {expression()};")
        else:
            lines.append(f"{pad}{kind or 'let'} {name} = {expression()};")
        if depth == 1 and name not in known:
            known.append(name)
    lines += [] if python else ["    " * level + "}" for level in range(depth - 1, 0, -1)]
    end = f"    return {expression()}" + ("\n" if python else ";\n}\n")
    head = {
        "python": f"def work({names[0]}):", "go": f"func work({names[0]} int) int {{",
        "javascript": f"function work({names[0]}) {{",
    }.get(language, f"int work(int {names[0]}) {{")  # fmt: skip
    return parse("\n".join([head, *lines, end]), language)


def any_function() -> st.SearchStrategy[Snippet]:
    return st.sampled_from(["python", "java", "c", "cpp", "javascript", "go"]).flatmap(functions)


@QUICK
@given(any_function(), st.randoms(use_true_random=False))
def test_valid_renames_are_proven_and_undone(snippet: Snippet, rng: random.Random):
    assert not snippet.has_error
    assert sabotage.faults_of_valid(snippet, rng) is None


@QUICK
@given(any_function(), st.sampled_from(sabotage.SABOTAGES), st.randoms(use_true_random=False))
def test_sabotage_is_rejected(snippet: Snippet, harm, rng: random.Random):
    edited = harm(snippet, rng)
    if edited is not None and edited != snippet.source:
        assert not prove(snippet.source, edited, snippet.language).valid, edited


@given(st.sampled_from(["python", "java", "c", "cpp", "javascript", "go"]), st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_gets_an_answer(language: str, text: str):
    snippet = parse(text, language)
    assert set(snippet.renameable) <= set(snippet.identifiers)
    assert prove(text, text, language).valid
    assert isinstance(prove(text, text + "x", language).valid, bool)


def _scopes_of_symtable(table: symtable.SymbolTable, found: Counter[tuple[int, str]]) -> None:
    for child in table.get_children():
        _scopes_of_symtable(child, found)
        if child.get_type() == "function":
            for symbol in child.get_symbols():
                if symbol.is_local() and not symbol.get_name().startswith("."):
                    found[child.get_lineno(), symbol.get_name()] += 1


def _scopes_of_ours(snippet: Snippet) -> Counter[tuple[int, str]]:
    from durometer.code.languages.python import _Python

    resolver = _Python(snippet.tree)
    bindings = resolver.run().bindings
    tree, scopes = snippet.tree, resolver.scopes
    found: Counter[tuple[int, str]] = Counter()
    for binding in bindings:
        if scopes.kinds[binding.scope] not in ("module", "class_definition"):
            line = tree.data.count(b"\n", 0, tree.starts[scopes.nodes[binding.scope]]) + 1
            found[line, binding.name] += 1
    return found


@pytest.mark.filterwarnings("ignore:invalid escape:DeprecationWarning")  # of real code
def test_python_scopes_are_those_of_symtable():
    """The interpreter's own symbol table agrees, name by name, on a slice of its library."""
    checked = 0
    for code in islice(sabotage.functions_of_stdlib(every=40), 0, None, 3):
        snippet = parse(code, "python")
        if snippet.has_error or "__" in code.replace("__init__", ""):  # mangled names differ
            continue
        expected: Counter[tuple[int, str]] = Counter()
        try:
            _scopes_of_symtable(symtable.symtable(code, "<snippet>", "exec"), expected)
        except SyntaxError:  # nonlocal without the function around it
            continue
        assert _scopes_of_ours(snippet) == expected, code
        checked += 1
    assert checked > 200


@pytest.mark.slow
def test_a_slice_of_the_full_check(bench_data: Path):
    count = int(os.environ.get("DUROMETER_CHECKED_FUNCTIONS", "1500"))
    functions = sabotage.functions_of(bench_data, count, random.Random(1))
    counts, complaints = sabotage.check(functions, seed=1)
    assert not complaints, complaints[0]
    assert sum(number for (what, _), number in counts.items() if what == "valid") > count * 0.9
    assert {what for what, _ in counts} == {"valid", *(harm.__name__ for harm in sabotage.SABOTAGES)}
