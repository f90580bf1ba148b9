"""Programs, edits and distances: token-exact, composable, immutable."""

from __future__ import annotations

import pickle

import pytest

from durometer.code import LANGUAGES, Reason, Rename, RenameMany, detect_language, distances, parse, prove
from durometer.types import Sample

TRICKY = (
    'int f(int é, char *s) {\r\n\tconst char *t = "é s t \\n";   \r\n'
    "\treturn é + s[0] + t[é]; /* é s */\r\n}\r\n"
)


def test_not_one_byte_outside_the_identifiers_changes():
    program = parse(TRICKY, "c").original.rename("é", "count").rename("s", "text_")
    expected = (
        'int f(int count, char *text_) {\r\n\tconst char *t = "é s t \\n";   \r\n'
        "\treturn count + text_[0] + t[count]; /* é s */\r\n}\r\n"
    )
    assert program.text == expected
    assert prove(TRICKY, program.text, "c").valid


def test_occurrences_are_byte_offsets():
    snippet = parse(TRICKY, "c")
    data = TRICKY.encode()
    for name, identifier in snippet.identifiers.items():
        for start in identifier.occurrences:
            assert data[start:].startswith(name.encode())


def test_renames_compose_undo_and_leave_their_origin_alone():
    original = parse(TRICKY, "c").original
    one = Rename("s", "a1").apply(original)
    two = RenameMany({"t": "b1", "s": "a2"}).apply(one)
    assert original.text == TRICKY
    assert dict(two.renames) == {"s": "a2", "t": "b1"}
    assert two.name_of("s") == "a2"
    assert two.rename("s", "s").rename("t", "t").text == TRICKY
    back = RenameMany({"s": "a2", "t": "b1"}).inverse.apply(parse(two.text, "c").original)
    assert back.text == TRICKY
    assert Rename("s", "a1").inverse == Rename("a1", "s")


def test_check_tells_why_not():
    program = parse(TRICKY, "c").original.rename("s", "taken")
    assert program.check("t", "fresh") is None
    assert program.check("t", "taken") is Reason.NOT_INJECTIVE
    assert program.check("s", "taken") is None
    assert program.check("t", "s") is Reason.CAPTURE
    assert program.check("t", "while") is Reason.RESERVED_WORD
    assert program.check("t", "NULL") is Reason.RESERVED_WORD
    assert program.check("t", "1t") is Reason.ILLEGAL_NAME
    assert program.check("t", "a b") is Reason.ILLEGAL_NAME
    assert program.check("t", "") is Reason.ILLEGAL_NAME
    assert program.check("nowhere", "x") is Reason.UNDECLARED
    assert program.check("f", "g") is None  # the switch for the function's own name is the caller's
    calls = parse("void f(A a) { a.run(a.size, go(), LIMIT); }", "java").original
    assert calls.check("run", "x") is Reason.RENAMES_CALL
    assert calls.check("size", "x") is Reason.RENAMES_FIELD
    assert calls.check("A", "x") is Reason.RENAMES_TYPE
    assert calls.check("LIMIT", "x") is Reason.UNDECLARED
    with pytest.raises(ValueError, match="not a renameable name"):
        calls.rename("run", "x")


def test_reserved_words_are_refused_in_every_language():
    source = {
        "python": "def f(a): return a",
        "go": "func f(a int) int { return a }",
        "javascript": "function f(a) {}",
    }
    for language in LANGUAGES:
        program = parse(source.get(language, "int f(int a) { return a; }"), language).original
        for word in LANGUAGES.get(language).reserved:
            assert program.check("a", word) is Reason.RESERVED_WORD


def test_masks_are_probes_of_one_occurrence():
    program = parse("int f(int a) { return a + a; }", "java").original.rename("a", "b")
    probe = program.mask("a", 1)
    assert probe.text == "int f(int b) { return <unk> + b; }"
    assert probe.is_probe
    assert not program.is_probe
    with pytest.raises(IndexError):
        program.mask("a", 3)


def test_snippets_and_programs_survive_pickling_and_name_themselves_as_samples_do():
    snippet = parse(TRICKY, "c")
    program = snippet.original.rename("t", "u")
    for thing in (snippet, program, program.mask("t", 0)):
        assert pickle.loads(pickle.dumps(thing)) == thing
    assert snippet.snippet_id == Sample(id="1", code=TRICKY, language="c").snippet_id


def test_distances_count_code_tokens_and_characters():
    source = "int f(int abc) { return abc; } // abc"
    found = distances(source, source.replace("abc", "abd"), "java")
    assert (found.tokens, found.changed_tokens, found.edit_distance) == (11, 2, 2)
    assert distances(source, source, "java").changed_tokens == 0
    dropped = distances(source, source.replace("return", ""), "java")
    assert dropped.changed_tokens == 1
    assert dropped.edit_distance == 6


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("python", "def f(x):\n    return [y for y in x]\n"),
        ("java", "public static void f(String[] a) { System.out.println(a.length); }"),
        ("c", "static int f(struct s *p)\n{\n    return p->x ? 1 : 0;\n}\n"),
        ("cpp", "int f(const std::vector<int>& v) { for (auto x : v) std::cout << x; return 0; }"),
        ("javascript", "const f = (a) => { let b = a === 1; return b; };"),
        ("go", "func f(a int) (b int, err error) {\n\tb := a\n\tdefer g()\n\treturn\n}\n"),
    ],
)
def test_languages_are_detected(language: str, source: str):
    assert detect_language(source) == language
