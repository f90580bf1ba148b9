"""Writes the statements of one generated CWE case in Java, C or Python, with names drawn at random."""

from __future__ import annotations

import numpy as np

from durometer.corpora.weaknesses import SOURCES, Weakness

NEUTRAL_NOUNS = """item entry piece part field node value data word text unit block chunk row cell mark note
tag line batch group state level stage point frame slot token label title topic hint code order result current
previous head tail left right first second main extra local given known draft owner"""
NEUTRAL_VERBS = "load handle process update render apply build collect prepare finish submit visit"
NAMES = tuple(NEUTRAL_NOUNS.split())
VERBS = tuple(NEUTRAL_VERBS.split())
TYPES = {"java": {"text": "String", "number": "int"}, "c": {"text": "const char *", "number": "int"}}


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

    def declare_both(self) -> tuple[str, str]:
        """Declare a value from outside and a constant one, in either order, and return their names."""
        if self.coin():
            outside = self.declare(self.source())
            return outside, self.declare(self.constant())
        inside = self.declare(self.constant())
        return self.declare(self.source()), inside

    def number(self, value: int) -> str:
        """Declare a number and return its name."""
        name = self.names.pop()
        self.add(f"{self.typed(name, 'number')} = {value}")
        return name

    def assign(self, name: str, expression: str) -> None:
        """Write to a variable."""
        self.add(f"{name} = {expression}")

    def filler(self) -> None:
        """Write a statement that changes nothing that matters, or none."""
        if self.coin():
            amount = int(self.rng.integers(2, 99))
            declared = f"{self.typed(self.names.pop(), 'number')} = {amount}"
            self.add(f"count({amount})" if self.coin() else declared)

    def use(self, outside: str, inside: str, vulnerable: bool) -> None:
        """Send one value to the sink and the other to a place where it does no harm, in either order."""
        to_sink, harmless = (outside, inside) if vulnerable else (inside, outside)
        if self.coin():
            self.add(f"measure({harmless})")
            self.filler()
            self.sink(to_sink)
        else:
            self.sink(to_sink)
            self.filler()
            self.add(f"measure({harmless})")

    def sink(self, name: str) -> None:
        """Use the value where it may do harm."""
        self.add(self.weakness.sink[self.language].format(name))

    def guard(self, name: str) -> None:
        """Leave the function unless ``name`` passes the check."""
        check = self.weakness.guard[self.language].format(name)
        if self.language == "python":
            self.lines += [f"if not ({check}):", "    return"]
        else:
            self.lines += [f"if (!{check}) {{", "    return;", "}"]

    def branch(self, condition: str, name: str, yes: str, no: str) -> None:
        """Set ``name`` to ``yes`` under ``condition``, else to ``no``."""
        if self.language == "python":
            self.lines += [f"if {condition}:", f"    {name} = {yes}", "else:", f"    {name} = {no}"]
        else:
            self.lines += [
                f"if ({condition}) {{",
                f"    {name} = {yes};",
                "} else {",
                f"    {name} = {no};",
                "}",
            ]

    def element(self, items: tuple[str, str], index: int) -> str:
        """Put two values into an array, take one out and return its name."""
        array = self.names.pop()
        listed = ", ".join(items)
        if self.language == "python":
            self.add(f"{array} = [{listed}]")
        elif self.language == "java":
            self.add(f"{TYPES['java'][self.weakness.kind]}[] {array} = {{{listed}}}")
        else:
            self.add(f"{self.typed(array)}[] = {{{listed}}}")
        self.filler()
        return self.declare(f"{array}[{index}]")

    def text(self) -> str:
        """Return the whole function."""
        body = "\n".join(f"    {line}" for line in self.lines)
        if self.language == "python":
            return f"def {self.function}(request, base, limit, allowed):\n{body}\n"
        if self.language == "java":
            return f"void {self.function}(HttpServletRequest request, int limit) {{\n{body}\n}}\n"
        return f"void {self.function}(struct input *input, int limit)\n{{\n{body}\n}}\n"
