"""Writes the statements of one generated CWE case in Java, C or Python, with names drawn at random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from durometer.corpora.weaknesses import SOURCES, Weakness

NEUTRAL_NOUNS = """item entry piece part field node value data word text unit block row cell mark note
tag line batch group state level stage point frame slot token title topic code order result head tail"""
NEUTRAL_VERBS = "load handle process update render apply build collect prepare finish submit visit"
NAMES = tuple(NEUTRAL_NOUNS.split())
VERBS = tuple(NEUTRAL_VERBS.split())
TYPES = {"java": {"text": "String", "number": "int"}, "c": {"text": "const char *", "number": "int"}}
FLAGS = {"java": "boolean {} = true", "c": "int {} = 1", "python": "{} = True"}
ARRAYS = {"java": "{0}[] {1} = new {0}[2]", "c": "{0} {1}[2]", "python": "{1} = [None, None]"}
ERRORS = {"java": "throw new IllegalArgumentException()", "c": "abort()", "python": "raise ValueError"}


class Writer:
    """Collects statements. Draws depend on ``rng`` alone, never on which member of a pair is written."""

    def __init__(self, language: str, weakness: Weakness, rng: np.random.Generator) -> None:
        self.language, self.weakness, self.rng = language, weakness, rng
        self.lines: list[str] = []
        self.names = [NAMES[int(i)] for i in rng.permutation(len(NAMES))]
        self.function = VERBS[int(rng.integers(len(VERBS)))] + str(self.names.pop())
        # Drawn once for the whole case, so that the order of statements does not change them.
        sources = SOURCES[weakness.kind][language]
        self._source = sources[int(rng.integers(len(sources)))].format(self.names.pop())
        constant = weakness.constants[int(rng.integers(len(weakness.constants)))]
        self._constant = constant if weakness.kind == "number" else f'"{constant}"'

    def coin(self) -> bool:
        """Draw a fair bit."""
        return bool(self.rng.random() < 0.5)

    def source(self) -> str:
        """Return an expression for a value from outside."""
        return self._source

    def constant(self) -> str:
        """Return a constant that is safe at the sink."""
        return self._constant

    def clean(self, name: str) -> str:
        """Return an expression for the cleaned value of ``name``."""
        return self.weakness.clean[self.language].format(name)

    def add(self, statement: str) -> None:
        """Append one simple statement."""
        self.lines.append(statement if self.language == "python" else f"{statement};")

    def typed(self, name: str, kind: str | None = None) -> str:
        """Return ``name`` with its type where the language wants one."""
        if self.language == "python":
            return name
        type_name = TYPES[self.language][kind or self.weakness.kind]
        return f"{type_name}{name}" if type_name.endswith("*") else f"{type_name} {name}"

    def declare(self, expression: str) -> str:
        """Declare a fresh variable and return its name."""
        name = self.names.pop()
        self.add(f"{self.typed(name)} = {expression}")
        return name

    def flag(self) -> str:
        """Declare a truth value that holds and return its name."""
        name = self.names.pop()
        self.add(FLAGS[self.language].format(name))
        return name

    def array(self) -> str:
        """Declare an array of two values and return its name."""
        name = self.names.pop()
        kind = TYPES.get(self.language, {}).get(self.weakness.kind, "")
        self.add(ARRAYS[self.language].format(kind, name))
        return name

    def assign(self, name: str, expression: str) -> None:
        """Write to a variable."""
        self.add(f"{name} = {expression}")

    def filler(self) -> None:
        """Write a statement that changes nothing that matters, or now and then none."""
        draw, amount = int(self.rng.integers(5)), int(self.rng.integers(2, 30))
        if draw < 2:
            self.add(f"count({amount})")
        elif draw < 4:
            self.add(f"{self.typed(self.names.pop(), 'number')} = {amount}")

    def use(self, outside: str, inside: str, vulnerable: bool) -> None:
        """Send one value to the sink and the other to a place where it does no harm, in either order."""
        to_sink, elsewhere = (outside, inside) if vulnerable else (inside, outside)
        harmless = self.harmless_text(elsewhere)
        self.in_order(lambda: self.sink(to_sink), lambda: self.add(harmless), first_first=self.coin())

    def in_order(self, first: Callable[[], None], second: Callable[[], None], *, first_first: bool) -> None:
        """Write two statements, in this order or the other one, each with perhaps a filler behind it."""
        for write in (first, second) if first_first else (second, first):
            write()
            self.filler()

    def sink_text(self, value: str) -> str:
        """Return the statement that uses the value where it may do harm."""
        return self.weakness.sink[self.language].format(value)

    def harmless_text(self, value: str) -> str:
        """Return a statement that uses the value where it does no harm."""
        return self.weakness.harmless[self.language].format(value)

    def sink(self, value: str) -> None:
        """Use the value where it may do harm."""
        self.add(self.sink_text(value))

    def check(self, name: str) -> str:
        """Return a condition that holds where ``name`` is safe to use."""
        return self.weakness.guard[self.language].format(name)

    def guard(self, name: str) -> None:
        """Leave the function unless ``name`` passes the check."""
        self.unless("if", self.check(name), "return")

    def refuse(self, name: str) -> None:
        """End in an error unless ``name`` passes the check."""
        self.unless("if", self.check(name), ERRORS[self.language])

    def retry(self, name: str) -> None:
        """Read ``name`` again until it passes the check."""
        self.unless("while", self.check(name), f"{name} = {self.source()}")

    def unless(self, keyword: str, condition: str, statement: str) -> None:
        """Write ``statement`` under ``keyword`` (``if`` or ``while``) and the negated condition."""
        if self.language == "python":
            self.lines += [f"{keyword} not ({condition}):", f"    {statement}"]
        else:
            self.lines += [f"{keyword} (!{condition}) {{", f"    {statement};", "}"]

    def branch(self, condition: str, yes: str, no: str) -> None:
        """Write the statement ``yes`` under ``condition``, else ``no``."""
        if self.language == "python":
            self.lines += [f"if {condition}:", f"    {yes}", "else:", f"    {no}"]
        else:
            self.lines += [f"if ({condition}) {{", f"    {yes};", "} else {", f"    {no};", "}"]

    def text(self) -> str:
        """Return the whole function."""
        body = "\n".join(f"    {line}" for line in self.lines)
        if self.language == "python":
            return f"def {self.function}(request, base, limit, allowed):\n{body}\n"
        if self.language == "java":
            return f"void {self.function}(HttpServletRequest request, int limit) {{\n{body}\n}}\n"
        return f"void {self.function}(struct input *input, int limit)\n{{\n{body}\n}}\n"
