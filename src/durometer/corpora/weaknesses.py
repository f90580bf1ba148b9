"""What the generator of CWE cases knows of each weakness in each language: source, cleaning, guard, sink.

A text weakness is reached by text from outside, a number weakness by a number that nobody checked. All
expressions occur in the vulnerable and in the safe member of a pair alike. A harmless use has its value
between the same neighbours as the sink has, so that two neighbouring words do not tell what reaches the sink.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

LANGUAGES = ("java", "c", "python")


@dataclass(frozen=True, slots=True)
class Weakness:
    """``clean``, ``guard``, ``sink`` and ``harmless`` are patterns with ``{}`` for the value, by language."""

    cwe: int
    kind: Literal["text", "number"]
    clean: Mapping[str, str]
    guard: Mapping[str, str]
    sink: Mapping[str, str]
    harmless: Mapping[str, str]
    constants: tuple[str, ...]


def _each(java: str, c: str, python: str) -> Mapping[str, str]:
    return dict(zip(LANGUAGES, (java, c, python), strict=True))


SOURCES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "text": {
        "java": ('request.getParameter("{}")', 'request.getHeader("{}")', 'System.getenv("{}")'),
        "c": ('getenv("{}")', 'read_field(input, "{}")', 'query_value(input, "{}")'),
        "python": ('request.args["{}"]', 'os.environ["{}"]', 'request.headers["{}"]'),
    },
    "number": {
        "java": ('Integer.parseInt(request.getParameter("{}"))', 'request.getIntHeader("{}")'),
        "c": ('atoi(getenv("{}"))', 'read_number(input, "{}")'),
        "python": ('int(request.args["{}"])', 'int(os.environ["{}"])'),
    },
}
ESCAPED = _each("Encoder.quote({})", "quote({})", "quote({})")
LISTED = _each("allowed.contains({})", "is_listed(allowed, {})", "{} in allowed")


def _measured(sink: Mapping[str, str]) -> Mapping[str, str]:
    """Return ``sink`` with another callee: what is only measured does no harm."""
    return {language: re.sub(r"[\w.]+\(", "measure(", text, count=1) for language, text in sink.items()}


def _text(cwe: int, sink: Mapping[str, str], *constants: str) -> Weakness:
    return Weakness(cwe, "text", ESCAPED, LISTED, sink, _measured(sink), constants)


def _number(cwe: int, sink: Mapping[str, str], harmless: Mapping[str, str] | None = None) -> Weakness:
    constants = ("4", "7", "12", "16", "24", "31")
    return Weakness(cwe, "number", CLAMPED, IN_RANGE, sink, harmless or _measured(sink), constants)


CLAMPED = _each("Math.min(Math.max({}, 1), limit)", "clamp({}, 1, limit)", "min(max({}, 1), limit)")
IN_RANGE = _each("inRange({}, 1, limit)", "in_range({}, 1, limit)", "{} in range(1, limit)")

WEAKNESSES: tuple[Weakness, ...] = (
    _text(
        22,
        _each("Files.readAllBytes(base.resolve({}))", "open_below(base, {})", "open(base + {})"),
        "a.txt",
        "b.csv",
    ),
    _text(78, _each("runtime.exec(base + {})", "run_shell(base, {})", "os.system(base + {})"), "ls", "date"),
    _text(79, _each("writer.print({})", "write_page(out, {})", "out.write({})"), "welcome", "bye"),
    _text(
        89,
        _each("statement.execute(base + {})", "sql_exec(base, {})", "cursor.execute(base + {})"),
        "1",
        "admin",
    ),
    _text(
        90,
        _each("context.search(base, {}, controls)", "ldap_find(base, {})", "ldap.search_s(base, 2, {})"),
        "cn",
        "uid",
    ),
    _text(94, _each("engine.eval({})", "run_script(engine, {})", "engine.execute({})"), "1 + 1", "2 * 3"),
    _text(
        113,
        _each("response.setHeader(base, {})", "set_header(out, base, {})", "response.headers.add(base, {})"),
        "en",
        "no",
    ),
    _text(117, _each("logger.info({})", "log_line(base, {})", "logger.info({})"), "start", "stop"),
    _text(134, _each("String.format({}, base)", "printf({}, base)", "str.format({}, base)"), "done", "ready"),
    _text(601, _each("response.sendRedirect({})", "redirect_to(out, {})", "redirect({})"), "/home", "/login"),
    _text(
        643,
        _each("xpath.evaluate({}, document)", "xpath_find(document, {})", "document.xpath({})"),
        "//a",
        "//b",
    ),
    _text(918, _each("fetcher.open({})", "fetch_url(base, {})", "urlopen({})"), "status", "health"),
    _number(
        129,
        _each("table[{}] = 1", "table[{}] = 1", "table[{}] = 1"),
        _each("seen[0] = {}", "seen[0] = {}", "seen[0] = {}"),
    ),
    _number(
        190,
        _each("total = base * {}", "total = base * {}", "total = int32(base * {})"),
        _each("total = base & {}", "total = base & {}", "total = int32(base & {})"),
    ),
    _number(
        369,
        _each("total = base / {}", "total = base / {}", "total = base // {}"),
        _each("total = base & {}", "total = base & {}", "total = base & {}"),
    ),
    _number(400, _each("worker.repeat({})", "repeat_work({})", "worker.repeat({})")),
    _number(789, _each("buffer = ByteBuffer.allocate({})", "buffer = malloc({})", "buffer = bytearray({})")),
)
