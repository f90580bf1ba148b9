"""Our lexer against the javalang package: on real code, on published adversarial code, on generated text."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import javalang
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from durometer.code.javalang_tokens import JavaLexerError, javalang_tokens


def by_package(source: str) -> list[str] | None:
    try:
        return [token.value for token in javalang.tokenizer.tokenize(source)]
    except javalang.tokenizer.LexerError:
        return None


def ours(source: str) -> list[str] | None:
    try:
        return javalang_tokens(source)
    except JavaLexerError:
        return None


SINGLE = [
    *"(){}[];,.@+-*/%&|^~!<>=?: \n\t0123456789abexLFd_$\"'\\ué変€#",
    "int",
    "x",
    ">>",
    ">>>=",
    "->",
    "::",
]
FRAGMENTS = st.sampled_from(
    [*SINGLE, "...", "0x1F", "0b1_0L", "1e-3", ".5f", "//c\n", "/*c*/", '"s\\n"', "'\\''", "\\u0041"]
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(FRAGMENTS, max_size=25).map(lambda parts: "".join(parts) + " ;"))
@example("1_L ;")
@example("0x1.8p1f 00.5 1..2 .5e1 1.e3 ;")
@example("/* open ;")
@example("'\\q' ;")
def test_equals_javalang_on_generated_text(source: str) -> None:
    assert ours(source) == by_package(source)


def test_error_says_line() -> None:
    with pytest.raises(JavaLexerError, match="line 2"):
        javalang_tokens('int a;\n "open')


@pytest.mark.bench_data
def test_equals_javalang_on_published_examples(bench_data: Path) -> None:
    csv.field_size_limit(1 << 30)
    checked = 0
    for name in ("gcj_codebert_alert", "gcj_codebert_beam"):
        with gzip.open(bench_data / f"published-attacks/{name}.csv.gz", "rt", newline="") as lines:
            for number, row in enumerate(csv.DictReader(lines)):
                if number % 7 == 0 and row["Type"] != "0":
                    for code in (row["Original Code"], row["Adversarial Code"]):
                        assert ours(code) == by_package(code)
                        checked += 1
    assert checked > 100


@pytest.mark.bench_data
@pytest.mark.slow
def test_equals_javalang_on_real_methods(bench_data: Path) -> None:
    for name, field in (
        ("bigclonebench/data", "func"),
        ("owasp-benchmark-java/data", "func"),
        ("codesearchnet/java_eval", "code"),
        ("juliet-java/data", "func"),
    ):
        with gzip.open(bench_data / f"{name}.jsonl.gz", "rt") as lines:
            for number, line in enumerate(lines):
                if number % 11 == 0:
                    code = json.loads(line)[field]
                    assert ours(code) == by_package(code), code
