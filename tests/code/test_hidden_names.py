"""Names that look like the local beside them and are not, as compilers and scope analysers told.

Each was once renamed along, or left behind, by a rename that was called proven.
"""

from __future__ import annotations

import pytest

from durometer.code import parse, prove

# Language, source, a name of it, and the source with that name called Q (None: it stays).
RENAMES = [
    # Go: the types of a signature do not see its parameters, nor does a statement see a later declaration.
    ("go", "func f(node *node) (r node) { node.x() }", "node", "func f(Q *node) (r node) { Q.x() }"),
    ("go", "func (t t) f(url url.URL) { url.x(t) }", "url", "func (t t) f(Q url.URL) { Q.x(t) }"),
    ("go", "func f(x int) { { g(x); type x int } }", "x", "func f(Q int) { { g(Q); type x int } }"),
    (
        "go",
        "func f(v any) { switch x := v.(type) { case x: g(x) } }",
        "x",
        "func f(v any) { switch Q := v.(type) { case x: g(Q) } }",
    ),
    # Java: where a pattern need not match, its variable is not in scope.
    ("java", "void f(Object o) { if (o instanceof F x) g(x); else h(x); }", "x", None),
    ("java", "void f(Object o) { g(o instanceof F x || x > 1); }", "x", None),
    (
        "java",
        "void f(Object o) { if (!(o instanceof F x) || x.y()) g(); else h(x); }",
        "x",
        "void f(Object o) { if (!(o instanceof F Q) || Q.y()) g(); else h(Q); }",
    ),
    (
        "java",
        "void f(Object o) { if (o instanceof F x) g(x); else if (o instanceof G x) h(x); }",
        "x",
        "void f(Object o) { if (o instanceof F Q) g(Q); else if (o instanceof G Q) h(Q); }",
    ),
    # JavaScript: default values do not see the body, blocks have their own functions.
    (
        "javascript",
        "function f(g = () => x) { var x = 2; return x; }",
        "x",
        "function f(g = () => x) { var Q = 2; return Q; }",
    ),
    ("javascript", "class A { [x](x = y) { var y; } }", "x", "class A { [x](Q = y) { var y; } }"),
    (
        "javascript",
        "function f() { { let g = 1; { function g() {} g(); } h(g); } }",
        "g",
        "function f() { { let Q = 1; { function g() {} g(); } h(Q); } }",
    ),
    ("javascript", "function f() { var ab = 1; return \\u0061b; }", "ab", None),
    ("javascript", "function f(a) { return (eval)('a'); }", "a", None),
    ("javascript", "function f(a, b) { return <p>{a}</p>; }", "a", "function f(Q, b) { return <p>{Q}</p>; }"),
    # C and C++: members that macros name, names that macros make, initialisers that do not see the name.
    ("c", "T f(T dev) { return UP(dev) + container_of(dev, struct d, dev); }", "dev", None),
    ("c", "T f(P *dev) { return DO_UPCAST(P, dev, dev); }", "dev", None),
    ("c", "T f(L *a) { return LIST_FIRST(&a->head); }", "a", "T f(L *Q) { return LIST_FIRST(&Q->head); }"),
    ("c", "int f(int a) { return offsetof(T, a.b) + a; }", "a", None),
    ("c", "#define GET(m) s->m\nint f(int a) { return GET(a) + a; }", "a", None),
    ("c", "#define S(x) T(x)\n#define T(x) #x\nint f(int a) { return g(S(a)); }", "a", None),
    ("c", "int f(int ab) { return a\\\nb + ab; }", "ab", None),
    ("c", "int f() { int n[n]; return n[0]; }", "n", None),
    (
        "c",
        "int f(int x) { { g(x); extern int x; } return x; }",
        "x",
        "int f(int Q) { { g(Q); extern int x; } return Q; }",
    ),
    ("cpp", "int A::f() { for (auto x : x) g(x); }", "x", None),
    (
        "cpp",
        "int A::f() { for (auto& [x, y] : x) g(x); }",
        "x",
        None,
    ),
    (
        "cpp",
        "int A::f() { return [x = x] { return x; }(); }",
        "x",
        None,
    ),
    (
        "cpp",
        "int f(A a, T p) { return a.*p + a.p; }",
        "p",
        "int f(A a, T Q) { return a.*Q + a.p; }",
    ),
    (
        "cpp",
        "void f(int x) { { using std::x; x(1); } g(x); }",
        "x",
        "void f(int Q) { { using std::x; x(1); } g(Q); }",
    ),
    (
        "cpp",
        "int f(int x) { enum class E { x }; return (int)E::x + x; }",
        "x",
        "int f(int Q) { enum class E { x }; return (int)E::x + Q; }",
    ),
    # Python: keywords through a class or a dictionary, strings that are looked up, spellings.
    ("python", "class A:\n    def __init__(self, x): pass\ndef f(): return A(x=1)\n", "x", None),
    ("python", "def f():\n    def g(x): return x\n    return g(**{'x': 1})\n", "x", None),
    ("python", "def f(frame, low):\n    return frame.query('a > @low')\n", "low", None),
    ("python", "def f(x):\n    look = eval\n    return look('x')\n", "x", None),
    ("python", "def f(x):\n    return builtins.locals()\n", "x", None),
    ("python", "def f(fi):\n    return \ufb01\n", "fi", None),  # the ligature is normalised to two letters
    ("python", 'def f(x):\n    return t"{x}"\n', "x", None),
    ("python", "def f(x):\n    return `x`\n", "x", None),
    ("python", 'def f(x):\n    return f"{{x}} {x}"\n', "x", 'def f(Q):\n    return f"{{x}} {Q}"\n'),
]


@pytest.mark.parametrize(("language", "source", "name", "expected"), RENAMES)
def test_a_rename_takes_all_of_a_variable_and_nothing_else(
    language: str, source: str, name: str, expected: str | None
):
    snippet = parse(source, language)
    if expected is None:
        assert name in snippet.identifiers
        assert name not in snippet.renameable
    else:
        assert snippet.original.rename(name, "Q").text == expected
        assert prove(source, expected, language).valid


BROKEN = [
    ("go", "func f(a int) { var t url.URL; _ = t }", "func f(url int) { var t url.URL; _ = t }"),
    ("go", "//go:noinline\nfunc f(a int) {}", "func f(a int) {}"),
    ("python", 'def f(a, b): return f"{a} {b}"\n', 'def f(a, b): return f"{a}  {b}"\n'),
    ("python", "def f(s, a): return super().f(a)\n", "def f(s, __class__): return super().f(__class__)\n"),
    ("javascript", "function f(a, b) { return `${a} ${b}`; }", "function f(a, b) { return `${a}\n${b}`; }"),
    ("javascript", "function f(a) { 'use strict'; let b; }", "function f(a) { 'use strict'; let eval; }"),
    ("c", "#define N 3\nint f(int a) { return a; }", "#define N 3\nint f(int N) { return N; }"),
    ("c", "#define M x\nint f(int a) { return M; }", "#define M x\nint f(int x) { return M; }"),
    ("c", "int f(int a) { return a; }", "int f(int errno) { return errno; }"),
    ("c", "int f(int a) { return a; }", "int f(int __builtin_offsetof) { return __builtin_offsetof; }"),
    ("cpp", "template <class T> int f(int a) { return a; }", "template <class T> int f(int T) { return T; }"),
    (
        "cpp",
        "int f(int a) { { enum B { C }; return B::C + a; } }",
        "int f(int B) { { enum B { C }; return B::C + B; } }",
    ),
]


@pytest.mark.parametrize(("language", "source", "edited"), BROKEN)
def test_these_edits_are_refused(language: str, source: str, edited: str):
    assert prove(source, source, language).valid
    assert not prove(source, edited, language).valid
