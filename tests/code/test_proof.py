"""Every reason of the enumeration, and the edits that have none."""

from __future__ import annotations

import pytest

from durometer.code import Reason, parse, prove
from durometer.code.proof import _Comparison

JAVA = """int work(int count, String[] names) {
    int total = 0; // total
    for (int i = 0; i < count; i++) { total += size(names[i]) + this.count; }
    for (int i = 0; i < 3; i++) { out.print("total\\n" + i + limit); }
    return total;
}"""


@pytest.mark.parametrize(
    ("old", "new", "reasons"),
    [
        ("total = 0", "total = 1", {"literal_changed"}),
        ('"total', '"sum', {"literal_changed"}),
        ("int total = 0", "int sum = 0", {"inconsistent"}),
        ("names", "size", set()),  # methods have a namespace of their own
        ("names", "limit", {"capture"}),
        ("names", "out", {"capture"}),
        ("names", "count", {"not_injective", "capture"}),
        ("names", "null", {"reserved_word"}),
        ("names", "class", {"reserved_word"}),
        ("names", "a b", {"token_change", "parse_error"}),
        ("size", "length", {"renames_call"}),
        ("this.count", "this.n", {"renames_field"}),
        ("String", "Text", {"renames_type"}),
        ("limit", "bound", {"undeclared"}),
        ("return total;", "return total", {"parse_error", "token_change"}),
        ("i < 3", "i <= 3", {"token_change"}),
        ("// total", "// anything", set()),
        ("    return", "\n\n  return", set()),
    ],
)
def test_java_reasons(old: str, new: str, reasons: set[str]):
    edited = JAVA.replace(old, new)
    verdict = prove(JAVA, edited, "java")
    found = {reason.value for reason in verdict.reasons}
    assert found == reasons or (reasons and reasons <= found and "parse_error" in reasons)
    assert verdict.valid is not bool(reasons)
    assert (verdict.first_line is None) is verdict.valid


def test_the_first_offending_line_is_told():
    assert prove(JAVA, JAVA.replace("total = 0", "total = 1"), "java").first_line == 2
    assert prove(JAVA, JAVA.replace("limit", "bound"), "java").first_line == 4


def test_renames_are_reported_as_a_map():
    edited = JAVA.replace("names", "labels").replace("i++", "i++")
    assert prove(JAVA, edited, "java").renames == {"names": "labels"}


def test_the_function_name_is_a_note_or_a_fault():
    edited = JAVA.replace("work", "job")
    verdict = prove(JAVA, edited, "java")
    assert verdict.valid
    assert verdict.notes == (Reason.FUNCTION_NAME,)
    strict = prove(JAVA, edited, "java", allow_function_name=False)
    assert not strict.valid
    assert strict.reasons == (Reason.FUNCTION_NAME,)


def test_two_scopes_of_one_name_move_together():
    inner = JAVA.replace("int i = 0; i < 3; i++", "int k = 0; k < 3; k++").replace('" + i', '" + k')
    assert Reason.INCONSISTENT in prove(JAVA, inner, "java").reasons


def test_java_forbids_what_c_allows():
    nested = "int f(int a) { int b = a; { int c = b; g(c); } return b; }"
    shadowed = nested.replace("int c", "int a").replace("g(c)", "g(a)")
    assert Reason.CAPTURE in prove(nested, shadowed, "java").reasons
    assert Reason.NOT_INJECTIVE in prove(nested, shadowed, "c").reasons


def test_swapping_two_names_everywhere_is_a_renaming():
    source, edited = "def f(a, b):\n    return a - b\n", "def f(b, a):\n    return b - a\n"
    verdict = prove(source, edited, "python")
    assert verdict.valid
    assert verdict.renames == {"a": "b", "b": "a"}


@pytest.mark.parametrize(
    ("source", "edited"),
    [
        ("def f(a):\n    if a:\n        g()\n        h()\n", "def f(a):\n    if a:\n        g()\n    h()\n"),
        ("def f(a):\n    a = 1\n    b = g(a)\n", "def f(a):\n    a = 1\n    a = g(a)\n"),
        ("def f(a):\n    return [a for a in a]\n", "def f(a):\n    return [b for a in a]\n"),
        ("def f(a):\n    return lambda b: a\n", "def f(a):\n    return lambda a: a\n"),
        ("def f(a):\n    return len(a)\n", "def f(len):\n    return len(len)\n"),
        (
            "def f(a):\n    match a:\n        case x: return 1\n",
            "def f(a):\n    match a:\n        case _: return 1\n",
        ),
        ("def f(a):\n    x = '\\t'\n", "def f(a):\n    x = '\t'\n"),
    ],
)
def test_python_edits_that_change_the_meaning(source: str, edited: str):
    assert not prove(source, edited, "python").valid


def test_other_languages_have_their_own_traps():
    js = "function f(a) { return {a, b: a}; }"
    assert not prove(js, js.replace("f(a)", "f(z)").replace("{a, b: a}", "{z, b: z}"), "javascript").valid
    assert not prove("function f() { return\n1 }", "function f() { return 1 }", "javascript").valid
    go = "func f(a int) { b := a; { b := b; _ = b }; _ = b }"
    assert not prove(go, go.replace("{ b := b; _ = b }", "{ c := b; _ = b }"), "go").valid
    cpp = "int f(int a) { auto g = [a](int b) { return a + b; }; return g(a); }"
    assert not prove(cpp, cpp.replace("int b", "int a").replace("a + b", "a + a"), "cpp").valid
    c = "int f(int a) { x: goto x; return a; }"
    assert prove(
        c, c.replace("int a", "int x").replace("return a", "return x"), "c"
    ).valid  # labels are apart
    assert not prove(c, c.replace("x", "y"), "c").valid


def test_errors_of_the_original_are_no_fault_of_the_edit():
    source = "class A { int f(int a) { return a; } }\nclass B { int g(int b) { return b + ; } }\n"
    snippet = parse(source, "java")
    assert snippet.has_error
    assert snippet.renameable == ("a",)
    assert prove(source, snippet.original.rename("a", "fine").text, "java").valid
    broken = prove(source, source.replace("return a", "return a +"), "java")
    assert Reason.PARSE_ERROR in broken.reasons


def test_macros_that_break_the_grammar_are_read_around():
    source = """static av_cold int f(int a)
{
    uint8_t av_unused last = a;
    QLIST_FOREACH(entry, &list, next) { a += g_new0(struct thing, 1); }
    return a + last;
}"""
    snippet = parse(source, "c")
    assert not snippet.has_error
    assert snippet.macros
    assert set(snippet.renameable) == {"a", "last"}
    assert prove(source, snippet.original.rename("a", "b").text, "c").valid
    assert not prove(source, source.replace("int f", "int other f"), "c").valid
    assert Reason.PARSE_ERROR in prove(source, source.replace("a += g", "+ ) += g"), "c").reasons


def test_functions_that_a_macro_names_keep_their_parameters_together():
    snippet = parse("static void NAME(scale)(int a, int b) { a++; g(b); }", "c")
    assert snippet.renameable == ("a", "b")
    assert len(snippet.occurrences("a")) == 2
    assert snippet.function_name is None


def test_both_proofs_agree_on_valid_edits():
    snippet = parse(JAVA, "java")
    program = snippet.original.rename_many({"total": "sum_", "i": "k", "names": "n"})
    assert prove(JAVA, program.text, "java").valid
    assert _Comparison(snippet, parse(program.text, "java")).verdict().valid


def test_each_reason_is_reachable():
    edits = [("java", JAVA, JAVA.replace(a, b)) for a, b in (
        ("total = 0", "total = 1"), ("int total = 0", "int sum = 0"), ("names", "limit"), ("names", "count"),
        ("names", "class"), ("size", "length"), ("this.count", "this.n"), ("String", "Text"),
        ("limit", "bound"), ("i < 3", "i <= 3"), ("return total;", "return total"),
    )]  # fmt: skip
    edits.append(("c", "int f(int a) { return a; }", "int f(int 12) { return 12; }"))
    found = {
        reason for language, source, edited in edits for reason in prove(source, edited, language).reasons
    }
    assert found == set(Reason) - {Reason.FUNCTION_NAME}
