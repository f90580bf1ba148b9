"""Compilers as second witnesses: what they see, what they must not do, and how they fail."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from durometer.code import compilers
from durometer.code.witness import Witness, open_witness

needs_javac = pytest.mark.skipif(shutil.which("javac") is None, reason="no javac on this machine")
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")


@pytest.fixture(scope="module")
def javac() -> Iterator[Witness]:
    witness = open_witness("java")
    assert witness is not None
    with witness:
        yield witness


@pytest.fixture
def gcc() -> Iterator[Witness]:
    witness = open_witness("c")
    assert witness is not None
    with witness:
        yield witness


JAVA = "class A { int f(Foo p, int q) { int r = q + p.x; return r * g(q); } }"


@needs_javac
@pytest.mark.parametrize(
    ("edited", "renames", "same"),
    [
        (JAVA.replace("q", "count"), {"q": "count"}, True),
        (JAVA.replace("int r", "int q").replace("return r", "return q"), {"r": "q"}, False),  # declared twice
        (JAVA.replace("q", "class"), {"q": "class"}, False),
        (JAVA.replace("int q)", "int z)"), {"q": "z"}, False),  # only the declaration was renamed
        (JAVA.replace("}", ""), {}, False),
    ],
)
def test_javac_compares_up_to_the_rename(
    javac: Witness, edited: str, renames: dict[str, str], same: bool
) -> None:
    opinion = javac.compare(JAVA, edited, renames)
    assert opinion.same is same
    assert not opinion.trouble


@needs_javac
@pytest.mark.parametrize(
    ("method", "old", "new"),
    [
        ("Foo most(int limit) { return filter(val -> val >= limit); }", "val", "ieCTquE7TL"),
        ("Foo most(int limit) { return filter(aLongName -> aLongName >= limit); }", "aLongName", "v"),
        ("Foo most(int i, boolean b) { return most(b ? twice(i) : i); }", "i", "anIndexOfLength"),
    ],
)
def test_javac_quotes_clipped_arguments_that_a_rename_changes(
    javac: Witness, method: str, old: str, new: str
) -> None:
    edited = re.sub(rf"\b{old}\b", new, method)
    assert javac.compare(method, edited, {old: new}).same
    unknown = edited.replace("return ", "return undeclared + ")
    assert javac.compare(method, unknown, {old: new}).appeared


@needs_javac
def test_javac_takes_bare_methods_with_annotations_and_class_literals(javac: Witness) -> None:
    method = (
        '@Named(Foo.class) /* class */ public static int f(int a) throws E { return a + "class".length(); }'
    )
    assert javac.compare(method, method.replace("a)", "b)").replace("a +", "b +"), {"a": "b"}).same
    opinion = javac.compare(method, method.replace("a)", "b)"), {"a": "b"})
    assert [error.line for error in opinion.appeared] == [1]


@needs_javac
def test_javac_that_gives_up_has_no_opinion_and_lives_on(javac: Witness) -> None:
    deep = "class A { int x = " + "(" * 200_000
    opinion = javac.compare(deep, JAVA, {})
    assert "gave up" in opinion.trouble
    assert javac.compare(JAVA, JAVA, {}).same


C = "#include <none.h>\nint f(Foo *p, Bar q)\n{\n    int r = q.a + p->b;\n    return r + UNKNOWN(q);\n}\n"


@needs_gcc
@pytest.mark.parametrize(
    ("edited", "renames", "same"),
    [
        (C.replace("q", "count"), {"q": "count"}, True),
        (C.replace("r", "q", 0).replace("int r", "int q").replace("return r", "return q"), {"r": "q"}, False),
        (C.replace("q", "switch"), {"q": "switch"}, False),
        (C.replace("int r", "int z"), {"r": "z"}, False),
    ],
)
def test_gcc_declares_unknown_types_and_compares(
    gcc: Witness, edited: str, renames: dict[str, str], same: bool
) -> None:
    assert gcc.compare(C, edited, renames).same is same


@needs_gcc
def test_gcc_says_the_line_of_the_edited_text(gcc: Witness) -> None:
    opinion = gcc.compare(C, C.replace("int r", "int z"), {"r": "z"})
    assert [error.line for error in opinion.appeared] == [5]


@needs_gcc
def test_gcc_reads_no_file_and_ends_on_bombs(gcc: Witness) -> None:
    assert gcc.compare(C, C.replace("<none.h>", '"/etc/passwd"'), {}).same
    bomb = '#inc\\\nlude "/dev/zero"\nint f(void) { return 0; }\n'
    assert gcc.compare(bomb, bomb, {}).trouble
    assert gcc.compare(C, C, {}).same


def test_python_sees_what_the_symbol_table_sees() -> None:
    witness = open_witness("python")
    assert witness is not None
    with witness:
        source = "def f(a, b):\n    return a + b\n"
        assert witness.compare(source, source.replace("a", "z"), {"a": "z"}).same
        twice = witness.compare(source, "def f(b, b):\n    return b + b\n", {"a": "b"})
        assert "duplicate" in twice.appeared[0].message
        assert "gave up" in witness.compare("-" * 1_000_000 + "1", source, {}).trouble
        assert "UnicodeEncodeError" in witness.compare("\udcff", "\udcff", {}).trouble


def test_nothing_of_a_program_runs(tmp_path: Path) -> None:
    witness = open_witness("python")
    assert witness is not None
    mark = tmp_path / "ran"
    with witness:
        source = f"open({str(mark)!r}, 'w')\n"
        assert witness.compare(source, source, {}).same
    assert not mark.exists()


def test_a_compiler_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilers, "TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(compilers, "_PYTHON_SERVER", "import time; time.sleep(60)")
    witness = open_witness("python")
    assert witness is not None
    with witness:
        assert "took more than" in witness.compare("a", "b", {}).trouble


def test_no_compiler_no_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert open_witness("java") is None
    assert open_witness("c") is None
    assert open_witness("go") is None


@needs_gcc
def test_gcc_spells_letters_beyond_ascii_as_numbers() -> None:
    before = "int f(struct unknown *old) { return old->x; }"
    witness = open_witness("c")
    assert witness is not None
    with witness:
        assert witness.compare(before, before.replace("old", "néλ"), {"old": "néλ"}).same
        undeclared = "int f(int a) { return old; }"
        assert witness.compare(undeclared, undeclared.replace("old", "néλ"), {"old": "néλ"}).same
