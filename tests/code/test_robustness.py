"""Hostile text gets an answer in bounded time: deep, long, empty, binary, undecodable, mixed."""

from __future__ import annotations

import time

import pytest

from durometer.code import LANGUAGES, distances, parse, prove

DEPTH = 10_000
HOSTILE = {
    "nested parentheses": "x = " + "(" * DEPTH + "1" + ")" * DEPTH,
    "nested brackets": "x = " + "[" * DEPTH + "1" + "]" * DEPTH,
    "nested braces": "int f(int a) {" + "{" * DEPTH + "a = 1;" + "}" * DEPTH + "}",
    "unclosed": "(" * DEPTH,
    "long else chain": "int f(int a) {" + "else ".join(["if (a == 1) { a = 2; } "] * 500) + "}",
    "empty": "",
    "blank": " \t\r\n",
    "binary": bytes(range(256)).decode("latin1") * 4,
    "NUL": "int f(int a) { return a;\0 }",
    "lone surrogates": 'def f(x): "\ud800\udcff" ; return x\udc80',
    "mixed": "def f(x): return x\nint g(int a) { return a; }\nfunction h(b) { return b; }\n",
    "one long line": "x = '" + "a" * 50_000 + "'",
}


@pytest.mark.parametrize("language", list(LANGUAGES))
@pytest.mark.parametrize("kind", list(HOSTILE))
def test_hostile_text_gets_an_answer(language: str, kind: str):
    source = HOSTILE[kind]
    start = time.perf_counter()
    snippet = parse(source, language)
    assert prove(source, source, language).valid
    assert not prove(source, source + " added", language).valid
    assert distances(source, source, language).changed_tokens == 0
    for name in snippet.renameable[:1]:
        edited = snippet.original.rename(name, "renamed_")
        assert prove(source, edited.text, language).valid
    assert time.perf_counter() - start < 30


@pytest.mark.slow
def test_five_megabytes():
    unit = 'int f%d(int a) { int b = a + 1; g(b, "text, text, text, text"); return b; }\n'
    source = "class A {" + "".join(unit % number for number in range(5_000_000 // len(unit))) + "}"
    snippet = parse(source, "java")
    assert snippet.renameable == ("a", "b")
    renamed = snippet.original.rename("a", "zz").text
    assert len(renamed) == len(source) + len(snippet.occurrences("a"))
