"""Names that look like the local beside them and are not, as compilers and scope analysers told.

Each was once renamed along, or left behind, by a rename that was called proven.
"""

from __future__ import annotations

import pytest

from durometer.code import parse, prove
from durometer.code.audit import audit

# Language, source, a name of it, and the source with that name called Q (None: it stays).
RENAMES = [
    # Go: the types of a signature do not see its parameters, nor does a statement see a later declaration.
    ("go", "func f(node *node) (r node) { node.x() }", "node", "func f(Q *node) (r node) { Q.x() }"),
    ("go", "func (t t) f(url url.URL) { url.x(t) }", "url", "func (t t) f(Q url.URL) { Q.x(t) }"),
    (
        "go",  # the grammar takes the first of ten names for a type
        "func f(a, b, c, d, e, g, h, i, j, k int) { a.x() }",
        "a",
        "func f(Q, b, c, d, e, g, h, i, j, k int) { Q.x() }",
    ),
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
    ("python", 'def f(x, w):\n    return f"{x:{w=}}"\n', "w", None),
    ("python", "def f():\n    (x): int\n    return x\n", "x", None),
    ("python", "def f(x):\n    from os import *\n    return x\n", "x", None),
    ("python", "def f(y):\n    print [x for x in y]\n    return x\n", "x", None),  # Python 2 leaks it
    (
        "python",
        "def f(x, b):\n    match x:\n        case b.x: return x\n",
        "x",
        "def f(Q, b):\n    match Q:\n        case b.x: return Q\n",
    ),
    (
        "python",
        "def f(x):\n    class A:\n        nonlocal x\n        import x.y\n    return x\n",
        "x",
        None,
    ),
    ("python", "def f():\n    def g(x): return x\n    return Thread(target=g, kwargs={'x': 1})\n", "x", None),
    ("python", "def f():\n    def g(x): return x\n    k = dict(x=1)\n    return g(**k)\n", "x", None),
    (
        "python",
        "def f():\n    def g(x): return x\n    k['x'] = 1\n    return pool.apply(g, kwds=k)\n",
        "x",
        None,
    ),
    ("python", "def f(o):\n    def g(x): return x\n    o.cb = g\n    return o.cb(x=1)\n", "x", None),
    ("python", "class A:\n    def __init_subclass__(cls, x): pass\nclass B(A, x=1): pass\n", "x", None),
    ("python", "@option('--max-x')\ndef f(max_x):\n    return max_x\n", "max_x", None),
    ("python", "@given(x=integers())\ndef f(x):\n    return x\n", "x", None),
    ("python", "def f(x):\n    return inspect.signature(f).parameters['x']\n", "x", None),
    ("python", "def f(df):\n    return duckdb.sql('select * from df')\n", "df", None),
    ("javascript", "function f() { const g = () => 1; return g.name; }", "g", None),
    (
        "javascript",
        "function f() { for (const a in o) { function a() {} } return g(a); }",
        "a",
        None,
    ),
    ("javascript", "define(function(require) { return require('x'); })", "require", None),
    # C and C++: constants and parameters that are seen later or farther out than they look.
    (
        "c",
        "int f(int A) { { struct { enum { A = 3 } k; } s; return A; } }",
        "A",
        "int f(int Q) { { struct { enum { A = 3 } k; } s; return A; } }",
    ),
    (
        "c",
        "int f(int A) { { enum { A = sizeof(A) }; return A; } }",
        "A",
        "int f(int Q) { { enum { A = sizeof(Q) }; return A; } }",
    ),
    (
        "c",
        "char p[7]; int f(void) { int (*p)[sizeof(p)]; return sizeof *p; }",
        "p",
        "char p[7]; int f(void) { int (*Q)[sizeof(p)]; return sizeof *Q; }",
    ),
    ("c", "int f(int n[n]) { return n[0]; }", "n", None),
    (
        "c",
        "int g; int f(g, b) char b[sizeof(g)]; char g; { return sizeof(g) + b[0]; }",
        "g",
        "int g; int f(Q, b) char b[sizeof(g)]; char Q; { return sizeof(Q) + b[0]; }",
    ),
    ("c", "int f(int foo) { void *p = &&foo; goto *p; foo: return foo; }", "foo", None),
    ("c", "int f(int foo) { void *p = &&foo; goto *p; foo: return foo; }", "p", None),
    ("c", "#define V(n) v_##n\nint f(int v_a) { return V(a) + v_a; }", "v_a", None),
    ("c", 'int f(int i) { _Pragma("omp parallel for private(i)") for (;;) g(i); }', "i", None),
    ("c", "int f(int x) { // \\ \n x = 5;\n return x; }", "x", None),
    ("cpp", "int f() { static int x; struct D : B { int g() { return x; } }; return x; }", "x", None),
    ("cpp", "int f(int x) { { union { int x; float g; }; x = 3; return x; } }", "x", None),
    (
        "cpp",
        "struct S { int x; int f() { return [x = 1, y = x] { return x + y; }(); } };",
        "x",
        "struct S { int x; int f() { return [Q = 1, y = x] { return Q + y; }(); } };",
    ),
    ("cpp", "int f(int x) { enum class E { x }; using enum E; return (int) x; }", "x", None),
    # Java: loops whose variable their right side does not see, types, records, code in comments and strings.
    ("java", "void f() { for (String x : x) g(x); }", "x", "void f() { for (String Q : x) g(Q); }"),
    ("java", "record R(int x) { R(int x) { this.x = x; } }", "x", None),
    (
        "java",
        "record R(int x) { R(int x, int y) { this(x); } }",
        "x",
        "record R(int x) { R(int Q, int y) { this(Q); } }",
    ),
    (
        "java",
        "class T { class B { private int x; } T f(int x) { return new B() { int g() { return x; } }; } }",
        "x",
        None,
    ),
    (
        "java",
        "class T { int f(int T) { return T.this.x + T.super.g() + T; } }",
        "T",
        "class T { int f(int Q) { return T.this.x + T.super.g() + Q; } }",
    ),
    (
        "java",
        "class T { class B {} T f(int x) { class B { int x; } return new B() { int g() { return x; } }; } }",
        "x",
        None,
    ),
    ("java", "int f(int x) { // \\u000a x = 5;\n return x; }", "x", None),
    ("java", "int f(int x) { // \r x = 5;\n return x; }", "x", None),
    ("java", 'String f(String x) { return "\\u0022 + x + \\u0022" + x; }', "x", None),
    (
        "java",
        "void f() { try (R r = q) { r.x(); } catch (E e) { r.y(); } finally { r.z(); } }",
        "r",
        "void f() { try (R Q = q) { Q.x(); } catch (E e) { r.y(); } finally { r.z(); } }",
    ),
    ("java", "void f(Object o) { int r = (o instanceof F x ? 1 : 2) + x; }", "x", None),
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
    ("go", "func (r *T[K]) m(a int) { }", "func (r *T[K]) m(K int) { }"),
    (
        "go",
        "const X = 1\nfunc f() { const (a = X; b; c); _ = b }",
        "const X = 1\nfunc f() { const (a = X; X; c); _ = X }",
    ),
    ("go", "func f(a int) { _ = a }", "func f(a\u203fb int) { _ = a\u203fb }"),
    ("go", "func f(a int) int { return a }", "func f(a int) int { return /*\n*/ a }"),
    ("go", "func f(a int) { g() }", "func f(a int) {\x0c g() }"),
    ("go", "func (b *c) f() { }", "func (b *c)\nf() { }"),
    ("go", '/*\nint x;\n*/\nimport "C"\nfunc f(a int) { }', 'import "C"\nfunc f(a int) { }'),
    (
        "python",
        "def f(a, x): return a.query('a > @low'), x\n",
        "def f(a, low): return a.query('a > @low'), low\n",
    ),
    ("python", "def f(x): return \ufb01, x\n", "def f(fi): return \ufb01, fi\n"),
    (
        "python",
        "class A:\n    def f(self, a): return a + __b\n",
        "class A:\n    def f(self, _A__b): return _A__b + __b\n",
    ),
    (
        "python",
        "def f(a):\n    match a:\n        case (1) as x: return x\n",
        "def f(a):\n    match a:\n        case (1) as _: return _\n",
    ),
    ("python", "def f(a):\n    print a\n    b = 1\n", "def f(a):\n    print a\n    print = 1\n"),
    ("python", 'def f(a): return f"{a=}"\n', 'def f(a): return f"{a = }"\n'),
    ("python", 'def f(a): return f"{a} x  \\n"\n', 'def f(a): return f"{a} x \\n"\n'),
    ("python", 'def f(a, w): return f"{a: {w}}"\n', 'def f(a, w): return f"{a:{w}}"\n'),
    ("python", 'def f(a): return f"{a}{{ }}"\n', 'def f(a): return f"{a}{{}}"\n'),
    ("python", "def f(a):\n    return a  # c\n", "def f(a):\n    return a  # c\r    g()\n"),
    ("python", "def f(a):\n    a()\n    b()\n", "def f(a):\n    a()\n     b()\n"),
    ("python", "def f(a):\n    a()\n", "def \n\tf(a):\n    a()\n"),
    ("python", "def f(a):\n    a()\n    b()\n", "def f(a):\n    a()\n  \\\n    b()\n"),
    (
        "python",
        "def f(a):\n    if a:\n        a()\n        b()\n",
        "def f(a):\n    if a:\n        a()\n\tb()\n",
    ),
    ("python", "# coding: utf-8\nx = 'é'\n", "# coding: latin-1\nx = 'é'\n"),
    ("javascript", "function f(a) { throw a; }", "function f(a) { throw /*\n*/ a; }"),
    ("javascript", "function f(a) { return a; }", "function f(a) { return\u2028a; }"),
    ("javascript", "const f = (a) => a", "const f = (a)\n=> a"),
    ("javascript", "function f(a) { return a; }", "function f(a) { return\r\na; }"),
    ("javascript", "if (a) b();", "if (a) -->\n b();"),
    ("javascript", "function f(a) { for (a of b); }", "function f(async) { for (async of b); }"),
    (
        "javascript",
        "function f() { var b = 1; { function g(){} } return b; }",
        "function f() { var g = 1; { function g(){} } return g; }",
    ),
    (
        "javascript",
        "function f() { { class C {} { var x; } } }",
        "function f() { { class C {} { var C; } } }",
    ),
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
    ("c", "int f(int a) { return a; }", "int f(int __COUNTER__) { return __COUNTER__; }"),
    ("c", "int f(int a) { return a; }", "int f(int _Float128) { return _Float128; }"),
    ("c", "int f(int a) {\n a++;\n return a; }", "int f(int a) { // \\ \n a++;\n return a; }"),
    ("java", "int f(int a) { return a; }", "int f(int a) { // \\u000a a++;\n return a; }"),
    ("c", "#define S(x) #x\nT f(void) { S(a+b); }", "#define S(x) #x\nT f(void) { S(a/* */+b); }"),
    ("c", "int f(void) { return __LINE__; }", "int f(void) {\n return __LINE__; }"),
    ("c", "int f(int x, int *y) { return x / *y; }", "int f(int x, int *y) { return x /*y; }"),
    (
        "cpp",
        "int f() { static int x; struct L { int g() { return x; } }; return x; }",
        "int f() { static int g; struct L { int g() { return g; } }; return g; }",
    ),
    (
        "cpp",
        "typedef int T; int f(int a) { T b(a); T c(T(a)); return b; }",
        "typedef int T; int f(int a) { T b(a); T T(T(a)); return b; }",
    ),
    (
        "cpp",
        "struct B { int q; }; struct S : B { S(int q) : B{q} {} };",
        "struct B { int q; }; struct S : B { S(int B) : B{B} {} };",
    ),
]


@pytest.mark.parametrize(("language", "source", "edited"), BROKEN)
def test_these_edits_are_refused(language: str, source: str, edited: str):
    assert prove(source, source, language).valid
    assert not prove(source, edited, language).valid
    assert not audit(source, edited, language).valid


AUDITED = [
    ("javascript", "function f(a) { g('x  y', a); }", "function f(a) { g('x y', a); }"),
    ("c", 'void f(int a) { g("x  y", a); }', 'void f(int a) { g("x y", a); }'),
    ("go", 'func f(a int) { g("x", a) }', 'func f(a int) { g("x ", a) }'),
    ("go", "func f(a int) { }", "func f(a int) { }\u2028"),
    ("javascript", "function f(x) { return {x}; }", "function f(y) { return {y}; }"),
    ("javascript", "var x = 1; module.exports = {x};", "var y = 1; module.exports = {y};"),
    ("python", 'def f(x):\n    return f"{x=}"\n', 'def f(y):\n    return f"{y=}"\n'),
    ("python", "x = 1\n__all__ = ['x']\n", "y = 1\n__all__ = ['x']\n"),
    (
        "python",
        "class A:\n    x = 1\n    def f(self): return self.x\n",
        "class A:\n    y = 1\n    def f(self): return self.x\n",
    ),
    (
        "go",
        "func f() (r int) { { b := 1; _ = b; return } }",
        "func f() (r int) { { r := 1; _ = r; return } }",
    ),
]


@pytest.mark.parametrize(("language", "source", "edited"), AUDITED)
def test_the_auditor_does_not_settle_what_changes_the_program(language: str, source: str, edited: str):
    """Blanks of literals are no layout, spellings that the program shows no matter of taste."""
    assert audit(source, source, language).proven
    assert not audit(source, edited, language).valid
