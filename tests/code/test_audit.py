"""The audit: flattening undone, faults found, harmless renames told apart, the independent audit matched."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durometer.code.audit import Tally, audit, tally
from durometer.code.flattening import undo_newline_flattening

METHOD = """int total(Reader in, int limit) {
    int sum = 0;
    for (int i = 0; i < limit; i++) {
        String text = in.read("a\\n\\n" + i + '\\n'); // says \\n
        sum += text.length();
    }
    for (int j = 0; j < limit; j++) {
        sum -= j;
    }
    return sum;
}
"""


def flattened(code: str) -> str:
    """Return what the released tools make of a program."""
    return "\n".join(line for line in code.replace("\\n", "\n").split("\n") if line)


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("java", METHOD),
        ("java", 'String f() { return "\\n" + "x\\\\n" + "\\"\\n" + \'"\'; } // it\'s\n'),
        ("java", 'void f() {\n  // print("a\\n", x)\n  /* b\\n */ g("c");\n}'),
        ("c", 'void f(void) { printf("a\\n"\n"b\\n", \'\\n\'); puts("c\\\n  d\\n"); }'),
        ("python", "def f(x):\n    '''doc \\n more'''\n    return 'a\\n' + \"it's\\n\"  # \\n end\n"),
        ("javascript", "function f() { return `a\\n${1}` + 'b\\n'; }"),
    ],
)
def test_flattening_is_undone(language: str, code: str) -> None:
    lines = [line for line in code.split("\n") if line]
    restored, count = undo_newline_flattening(code, flattened(code), language)
    block_comments_kept = restored.replace("/* b\n */", "/* b\\n */")
    assert block_comments_kept.split("\n") == lines
    assert count > 0


ESCAPES = st.sampled_from(["\\n", "\\\\", '\\"', "\\t", "a", "%d", " ", "'", "//", "/*"])
LITERALS = st.lists(ESCAPES, max_size=6).map(lambda parts: '"' + "".join(parts) + '" ')
PIECES = st.one_of(
    LITERALS, st.sampled_from(["f(", ");", " + ", "'\\n'", "'\"'", "x", "// c \\n d\n", "\n", "/* \\t */"])
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_flattening_is_undone_whatever_the_literals(code: str) -> None:
    restored, _ = undo_newline_flattening(code, flattened(code), "java")
    assert [line for line in restored.split("\n") if line] == [line for line in code.split("\n") if line]


def test_empty_lines_of_long_literals_come_back() -> None:
    code = 'def f(x):\n    """One.\n\n    Two \\n three.\n    """\n\n    return """\n\n""" + x\n'
    restored, count = undo_newline_flattening(code, flattened(code.replace("x", "y")), "python")
    assert restored == code.replace("x", "y").replace("\n\n    return", "\n    return").rstrip("\n")
    assert count == 2
    assert audit(code, flattened(code.replace("x", "y")), "python").proven


def test_untouched_text_is_not_restored() -> None:
    assert undo_newline_flattening(METHOD, METHOD, "java") == (METHOD, 0)
    assert undo_newline_flattening("int f() { return 1; }", 'x "a\nb"', "java") == ('x "a\nb"', 0)


def test_a_literal_corrupted_besides_is_a_changed_literal() -> None:
    edited = flattened(METHOD).replace('"a\n', '"b\n')
    finding = audit(METHOD, edited, "java")
    assert finding.reasons == ("literal_changed",)
    assert "newline_flattened" in finding.notes


def test_an_example_whose_only_fault_is_the_flattening_is_valid() -> None:
    edited = flattened(METHOD.replace("sum", "count"))
    finding = audit(METHOD, edited, "java", [("sum", "count")])
    assert finding.valid
    assert finding.proven
    assert finding.notes == ("newline_flattened",)
    assert finding.renames == {"sum": "count"}


@pytest.mark.parametrize(
    ("old", "new", "reasons"),
    [
        ("sum", "limit", {"capture", "not_injective"}),
        ("sum", "char", {"parse_error", "reserved_word"}),
        ("sum", "null", {"reserved_word"}),
        ("in.read", "in.scan", {"renames_call"}),
        ("Reader", "Scanner", {"renames_type"}),
        ("int sum", "int all", {"inconsistent"}),
        ("sum += ", "sum = ", {"token_change"}),
        ('"a', '"b', {"literal_changed"}),
    ],
)
def test_faults(old: str, new: str, reasons: set[str]) -> None:
    edited = METHOD.replace(old, new)
    finding = audit(METHOD, edited, "java")
    assert not finding.valid
    assert reasons <= set(finding.reasons)
    lines = zip(METHOD.split("\n"), edited.split("\n"), strict=True)
    changed = [number for number, (before, after) in enumerate(lines, start=1) if before != after]
    assert finding.first_line is not None
    assert finding.first_line >= changed[0]


def test_reserved_words_do_not_hide_other_faults() -> None:
    edited = METHOD.replace("sum", "char").replace("in.read", "in.scan")
    assert {"reserved_word", "parse_error", "renames_call"} == set(audit(METHOD, edited, "java").reasons)


def test_two_names_that_become_one_in_separate_scopes_are_a_note() -> None:
    edited = METHOD.replace("int i = 0; i < limit; i++", "int k = 0; k < limit; k++").replace(
        "+ i +", "+ k +"
    )
    edited = edited.replace("int j = 0; j < limit; j++", "int k = 0; k < limit; k++").replace("-= j", "-= k")
    finding = audit(METHOD, edited, "java")
    assert finding.valid
    assert finding.notes == ("merged_names",)
    assert audit(METHOD, edited, "java", strict=True).reasons == ("not_injective",)


CLASS = """class Main {
    static Scanner in = new Scanner(System.in);
    int size;
    Main next;
    void run(Other other) {
        final int count = in.nextInt() + this.size + next.size + other.size;
        new Task() { void go() { use(count); } };
    }
}
"""


def test_own_fields_may_be_renamed_everywhere_in_the_snippet() -> None:
    edited = CLASS.replace(" size", " width").replace("this.size + next.size", "this.width + next.width")
    finding = audit(CLASS, edited, "java")
    assert finding.proven
    assert finding.notes == ("own_field",)
    assert finding.renames == {"size": "width"}
    assert audit(CLASS, edited, "java", strict=True).reasons == ("renames_field",)


def test_own_fields_renamed_only_in_part_are_faults() -> None:
    edited = CLASS.replace(" size", " width").replace("this.size", "this.width")
    assert not audit(CLASS, edited, "java").valid
    assert not audit(CLASS, CLASS.replace("other.size", "other.width"), "java").valid


def test_members_of_other_types_renamed_along_are_undecided() -> None:
    finding = audit(CLASS, CLASS.replace("in", "input").replace("input" + "t ", "int "), "java")
    assert not finding.valid  # the crude replacement also hits "final" and "int"
    edited = CLASS.replace("Scanner in ", "Scanner line ").replace("System.in", "System.line")
    finding = audit(CLASS, edited.replace("in.nextInt", "line.nextInt"), "java")
    assert finding.valid
    assert not finding.proven
    assert set(finding.notes) == {"own_field", "foreign_member"}


def test_a_captured_local_is_undecided() -> None:
    edited = CLASS.replace("count", "number")
    finding = audit(CLASS, edited, "java")
    assert finding.valid
    assert finding.notes == ("doubtful_local",)


def test_the_tools_own_list_tells_what_lost_text_hides() -> None:
    broken = METHOD.replace("sum += text.length();", "su text.size();").replace("in.read", "in.scan")
    finding = audit(METHOD, broken, "java", [("length", "size"), ("read", "class"), ("nothing", "x")])
    assert set(finding.reasons) >= {"token_change", "renames_call", "reserved_word"}
    assert "inconsistent" not in finding.reasons
    own = audit(
        METHOD, METHOD.replace("total", "whole").replace("sum +=", "su"), "java", [("total", "whole")]
    )
    assert set(own.reasons) == {"parse_error", "token_change"}


def test_dropped_empty_lines_change_nothing_but_line_numbers() -> None:
    original = "#define BAD(x\nint f(int a)\n\n{\n\n    MACRO a;\n\n    return g(a);\n}\n"
    edited = original.replace("\n\n", "\n")
    assert audit(original, edited.replace("g(", "h("), "c").first_line == 5
    assert audit(original, edited, "c").proven
    assert not audit("int f() { // a\n return 1; }", "int f() { // a return 1; }", "c").valid


def test_function_name_is_a_note() -> None:
    finding = audit(METHOD, METHOD.replace("total", "whole"), "java")
    assert finding.proven
    assert finding.notes == ("function_name",)
    assert audit(METHOD, METHOD.replace("total", "whole"), "java", strict=True).reasons == ("function_name",)


def test_a_bare_constructor_has_the_snippets_own_name() -> None:
    original = "public Token(Stream in, Token next) {\n  super(in);\n  this.in = in;\n}\n"
    finding = audit(original, original.replace("Token", "Key"), "java")
    assert finding.proven
    assert finding.notes == ("function_name",)
    assert finding.renames == {"Token": "Key"}
    assert audit(original, original.replace("Token(", "Key("), "java").reasons == ("renames_type",)
    assert audit(original, original.replace("Stream", "Reader"), "java").reasons == ("renames_type",)


@pytest.mark.parametrize("hostile", ["", "\0", "}" * 3000, "(" * 10_000, "\udcff\udcfe", "x" * 100_000])
def test_hostile_text_gets_an_answer(hostile: str) -> None:
    assert not audit(METHOD, hostile, "java", [("sum", "x")]).valid
    audit(hostile, METHOD, "java")


def test_an_empty_tally_has_no_share() -> None:
    assert tally(5, []) == Tally(examples=5)
    assert tally(5, []).invalid_percent is None


@pytest.mark.bench_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "successes", "invalid", "shares"),
    [
        (
            "alert",
            688,
            76.0,
            {"parse_error": 63.5, "token_change": 63.4, "reserved_word": 7.6, "calls, …": 25.1},
        ),
        ("beam", 455, 53.4, {"reserved_word": 17.4, "capture": 30.8}),
    ],
)
def test_agrees_with_the_independent_audit(
    bench_data: Path, name: str, successes: int, invalid: float, shares: dict[str, float]
) -> None:
    from durometer.corpora.adversarial import read_adversarial_examples

    read = read_adversarial_examples(bench_data / f"published-attacks/gcj_codebert_{name}.csv.gz")
    findings = [
        audit(one.original, one.adversarial, "java", one.claimed) for one in read.examples if one.success
    ]
    counts = tally(len(read.examples), findings)
    roles = {"renames_call", "renames_field", "renames_type"}
    found = {reason: counts.percent(count) for reason, count in counts.reasons.items()}
    found["calls, …"] = counts.percent(sum(bool(roles & set(finding.reasons)) for finding in findings))
    assert counts.successes == successes
    assert counts.invalid_percent == pytest.approx(invalid, abs=0.1)
    for reason, share in shares.items():
        assert found[reason] == pytest.approx(share, abs=0.1), reason
