"""Roles and scopes, language by language: small programs whose names are known by heart."""

from __future__ import annotations

import pytest

from durometer.code import LANGUAGES, Role, parse
from durometer.errors import UnknownNameError


def roles(language: str, source: str) -> dict[str, str]:
    return {name: found.role.value for name, found in parse(source, language).identifiers.items()}


def renameable(language: str, source: str) -> set[str]:
    return set(parse(source, language).renameable)


def count(language: str, source: str, name: str) -> int:
    return len(parse(source, language).identifiers[name].occurrences)


def test_six_languages_are_registered():
    assert list(LANGUAGES) == ["java", "c", "python", "cpp", "javascript", "go"]
    with pytest.raises(UnknownNameError, match="python"):
        parse("x", "pyhton")


PYTHON = """
def work(self, items, *rest, flag=False, **options):
    global seen
    total = 0
    with open("f") as (left, right), lock as guard:
        for index, (key, value) in enumerate(items):
            total += value.count
    try:
        import json, os.path as paths
        from x import y as z
    except ValueError as error:
        raise error
    squares = [n * total for n in rest if n]
    if (found := max(squares)) > 1:
        del found
    match self:
        case Point(x=px, y=0) | [px, *others]: pass
        case {"k": val, **more} as whole: pass
        case Color.RED: pass
    def helper(total): return total + index
    class Inner: member = 1
    seen = lambda a, b=total: a + b
    return helper(f"{total:>{key}}", flag=flag)
"""


def test_python_binds_every_kind_of_target():
    assert renameable("python", PYTHON) == {
        "self", "items", "rest", "flag", "options", "total", "left", "right", "guard", "index", "key",
        "value", "paths", "z", "error", "squares", "n", "found", "px", "others", "val", "more", "whole",
        "a", "b",
    }  # fmt: skip
    found = roles("python", PYTHON)
    assert found["json"] == "import"
    assert found["count"] == "field"
    assert found["Inner"] == "type"
    assert found["member"] == "field"
    assert found["helper"] == "function_name"
    assert found["enumerate"] == "called_method"
    assert found["seen"] == "field"
    assert parse(PYTHON, "python").function_name == "work"


def test_python_keeps_a_parameter_that_an_own_call_passes_by_keyword():
    assert "x" not in renameable("python", "def f(x):\n    return f(x=1)\n")
    assert "x" in renameable("python", "def f(x):\n    return g(x=x)\n")
    assert "x" not in renameable("python", "def f():\n    h = lambda x: x\n    return h(x=1)\n")
    assert "x" not in renameable("python", "def f(y):\n    def g(x): return x\n    return partial(g, x=y)\n")


@pytest.mark.parametrize(
    "call", ["locals()", "eval('x')", "exec('x = 1')", "vars()", "dir()", "sys._getframe(1)"]
)
def test_python_renames_nothing_beside_reflection(call: str):
    assert renameable("python", f"def f(x):\n    y = x\n    return {call}\n") == set()


def test_python_debug_f_strings_print_their_source():
    assert renameable("python", 'def f(x, y):\n    return f"{x=} {y}"\n') == {"y"}


def test_python_scopes_of_comprehensions_classes_and_walrus():
    source = (
        "def f(x):\n    class A:\n        x = x\n        y = [x for _ in x]\n    return [x := i for i in x]\n"
    )
    snippet = parse(source, "python")
    assert count("python", source, "x") == 4  # parameter, element of the comprehension, walrus, last iterable
    assert "x" in snippet.renameable


def test_python_nonlocal_joins_the_outer_binding():
    source = "def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n    return n\n"
    assert count("python", source, "n") == 4


def test_python_private_names_and_imports_stay():
    assert renameable("python", "def f(__x, y):\n    import z\n    z = y\n    return __x, z\n") == {"y"}


def test_python_2_is_parsed_without_ast():
    snippet = parse("def f(x):\n    print x\n", "python")
    assert snippet.renameable == ("x",)


JAVA = """
public <T> int work(final int a, String... rest) throws Oops {
    int x = 1, y[] = {2};
    outer: for (int i = 0; i < x; i++) { continue outer; }
    for (final Foo each : a.b.c) { each.run(x); }
    try (Reader in = open(); in) { } catch (A | B error) { throw error; }
    Fn fn = (p) -> p + x; Fn two = (int u, var v) -> u + v; Fn three = w -> w;
    if (a instanceof String s && s.size() > 0) { this.x = y.length; }
    switch (x) { case 1 -> x = 2; default -> { } }
    Runnable r = new Runnable() { int k; public void run() { k = x; work(1, rest); } };
    return this.work(x, "a") + Foo.x + fn::apply;
}
"""


def test_java_binds_every_kind_of_variable():
    names = {
        "a",
        "rest",
        "x",
        "y",
        "i",
        "each",
        "in",
        "error",
        "fn",
        "p",
        "two",
        "u",
        "v",
        "three",
        "w",
        "s",
        "r",
    }
    assert renameable("java", JAVA) == names
    found = roles("java", JAVA)
    assert (found["outer"], found["k"], found["T"], found["open"]) == (
        "label",
        "field",
        "type",
        "called_method",
    )
    assert count("java", JAVA, "x") == 8  # neither this.x nor Foo.x
    snippet = parse(JAVA, "java")
    assert snippet.function_name == "work"
    assert len(snippet.occurrences("work")) == 3


def test_java_bare_constructors_parse_inside_a_class():
    snippet = parse("public Point(int x, int y) { this.x = x; this.y = y; }", "java")
    assert not snippet.has_error
    assert snippet.renameable == ("x", "y")
    assert count("java", snippet.source, "x") == 2


def test_java_fields_shadow_and_are_shadowed():
    source = """class A { int n; void f() { n = 1; } void g(int n) { this.n = n; }
        void h() { int n = this.n; n++; } }"""
    assert count("java", source, "n") == 4


def test_java_records_enums_and_interfaces_have_no_locals():
    source = (
        "record R(int a) { R { a = 1; } } enum E { A, B; int c; } interface I { int K = 1; void m(int z); }"
    )
    assert renameable("java", source) == {"z"}


@pytest.mark.parametrize(
    ("supertype", "expected"),
    [("Runnable", True), ("Comparator<String>", True), ("Unknown", False), ("T", False)],
)
def test_java_captured_locals_stay_if_the_class_may_inherit_a_field(supertype: str, expected: bool):
    source = f"void f(int n) {{ g(new {supertype}() {{ public void run() {{ h(n); }} }}); }}"
    assert ("n" in renameable("java", source)) is expected


def test_java_inherited_fields_of_the_same_file_are_seen():
    source = "class B { int n; } class A { void f(int n) { new B() { int g() { return n; } }; n++; } }"
    assert count("java", source, "n") == 2


def test_java_case_labels_and_far_pattern_variables_stay():
    assert renameable("java", "void f(E e) { int RED = 1; switch (e) { case RED: g(RED); } }") == {"e"}
    assert renameable("java", "void f(Object o) { if (!(o instanceof A a)) return; a.g(); }") == {"o"}


C = """
#define SQUARE(v) ((v) * scale)
#define SHOW(v) print(#v)
static int work(int a, char *b[], int (*call)(int q, void *), struct S *s) {
    int x = 1, *y = &x, z[3], (*fp)(int u);
    T *t; a * free_name;
    for (int i = 0; i < 3; i++) { goto out; }
    struct S v = { .m = 1, [2] = x };
    s->x = sizeof(x) + sizeof x + (a) - x; (T) x; call(1, fp(2));
    int shown; SHOW(shown); int scale;
    typeof(x) copy = work(x);
out:
    enum { A, B = 2 } e; typedef int mine; mine mm; extern int outside; int prototype(int named);
#if x2
    x = 2;
#endif
    return x;
}
int old(aa, bb) int aa; char *bb; { return aa; }
"""


def test_c_binds_declarators_of_every_shape():
    names = {
        "a", "b", "call", "q", "s", "x", "y", "z", "fp", "u", "t", "i", "v", "copy", "e", "mm", "named",
        "aa", "bb",
    }  # fmt: skip
    assert renameable("c", C) - {"v"} == names - {"v"}
    found = roles("c", C)
    assert (found["out"], found["m"], found["S"], found["A"]) == ("label", "field", "type", "field")
    assert (found["mine"], found["outside"], found["free_name"]) == ("type", "field", "undeclared")
    reasons = parse(C, "c").identifiers
    assert "string" in reasons["shown"].reason
    assert "not parsed" in reasons["scale"].reason
    assert count("c", C, "x") == 11


def test_c_function_names_follow_recursion():
    snippet = parse("static int fact(int n) { return n ? n * fact(n - 1) : 1; }", "c")
    assert snippet.function_name == "fact"
    assert len(snippet.occurrences("fact")) == 2


def test_c_prototype_parameters_have_their_own_scope():
    source = "int f(int a) { int (*g)(int a) = h; return g(a); }"
    assert {
        use.binding for use in parse(source, "c").resolution.uses.values() if use.role is Role.PARAMETER
    } == {1, 3}


def test_cpp_lambdas_ranges_captures_and_members():
    source = """
    class A { int field; int m(int q) { return field + q; } };
    int work(const V<int>& v, int d = 3) {
      for (auto& e : v) e++;
      for (auto [k, w] : v) g(k, w);
      auto l = [&d, z = d](int u) { return u + z + d; };
      Foo obj(d), maybe(T1);
      try { } catch (const E& ex) { ex.what(); }
      if (int c = f(); c > 0) return this->d + std::d;
      return l(1);
    }"""
    expected = {"q", "v", "d", "e", "k", "w", "l", "z", "u", "obj", "ex", "c"}
    assert renameable("cpp", source) == expected
    assert count("cpp", source, "d") == 5


def test_javascript_hoists_var_and_keeps_shorthand():
    source = """
    function work(a, {b, c: d, ...r}, [e = 1], ...g) {
      if (a) { var x = 1; let y = x; }
      for (const i of g) { x += i; }
      const fn = (p) => ({ d, k: x, m(q) { return q + o.x; } });
      try { } catch (err) { throw err; }
      function inner(h) { return h; }
      return `${x} text x`;
    }"""
    assert renameable("javascript", source) == {
        "a", "r", "e", "g", "x", "y", "i", "fn", "p", "q", "err", "h",
    }  # fmt: skip
    assert count("javascript", source, "x") == 5
    assert renameable("javascript", "function f(a) { with (a) { b = a; } }") == set()


def test_go_short_declarations_and_clauses():
    source = """
    func Work(a, b int, c ...string) (n int, err error) {
      x, y := 1, a
      x, z := x, T{b: y}
      for i, v := range c { _ = v + i }
      switch t := x.(type) { case int: n = t }
      if x := x; x > 0 { x := x; _ = x }
      return o.x, err
    }"""
    assert renameable("go", source) == {"a", "c", "n", "err", "x", "y", "z", "i", "v", "t"}
    snippet = parse(source, "go")
    assert snippet.function_name == "Work"
    bindings = {
        use.binding for leaf, use in snippet.resolution.uses.items() if snippet.tree.text(leaf) == "x"
    }
    assert len(bindings - {-1}) == 3
