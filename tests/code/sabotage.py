"""Random valid renames and random sabotage, for properties at any size.

Shared by the quick property tests, the slow slice and the full check:

    python tests/code/sabotage.py --functions 20000
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import os
import random
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from durometer.code import Program, Snippet, parse, prove
from durometer.code.proof import _Comparison
from durometer.code.scope import FREE, RENAMEABLE_ROLES

FIRST = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_éλ"
OTHER = FIRST + "0123456789"
DATA = {
    "bigclonebench/data.jsonl.gz": ("java", "func"),
    "devign/test_0_1366.jsonl.gz": ("c", "func"),
    "owasp-benchmark-java/data.jsonl.gz": ("java", "func"),
    "juliet-java/data.jsonl.gz": ("java", "func"),
    "codesearchnet/java_eval.jsonl.gz": ("java", "code"),
    "codesearchnet/python_eval.jsonl.gz": ("python", "code"),
}


def fresh_name(program: Program, old: str, rng: random.Random) -> str:
    """Return a random name that ``check`` accepts for ``old``."""
    while True:
        name = rng.choice(FIRST) + "".join(rng.choice(OTHER) for _ in range(rng.randint(0, 9)))
        if name != old and program.check(old, name) is None:
            return name


def random_renames(snippet: Snippet, rng: random.Random, *, function_name: bool = True) -> Program | None:
    """Rename a random non-empty part of the snippet's names; None if it has none."""
    names = list(snippet.renameable)
    if function_name and snippet.function_name is not None:
        names.append(snippet.function_name)
    if not names:
        return None
    program = snippet.original
    for old in rng.sample(names, rng.randint(1, len(names))):
        program = program.rename(old, fresh_name(program, old, rng))
    return program


def _replace(snippet: Snippet, edits: dict[int, str]) -> str:
    """Replace whole tokens, given by their start byte."""
    data, pieces, reached = snippet.tree.data, [], 0
    for token in snippet.tokens:
        if token.start in edits:
            pieces += [data[reached : token.start], edits[token.start].encode()]
            reached = token.end
    return b"".join([*pieces, data[reached:]]).decode("utf-8", "surrogateescape")


def collision(snippet: Snippet, rng: random.Random) -> str | None:
    if len(snippet.renameable) < 2:
        return None
    old, new = rng.sample(snippet.renameable, 2)
    return _replace(snippet, dict.fromkeys(snippet.occurrences(old), new))


def capture(snippet: Snippet, rng: random.Random) -> str | None:
    """Give a local the name of an undeclared variable that is read in the local's scope."""
    tokens = snippet.tokens
    for old in rng.sample(snippet.renameable, len(snippet.renameable)):
        spots = [i for i, t in enumerate(tokens) if t.start in set(snippet.occurrences(old))]
        if len(spots) < 3 or len({snippet.use(tokens[i]).binding for i in spots}) != 1:
            continue
        if any(tokens[i].text in ("for", "lambda") for i in range(spots[0], spots[-1])):
            continue
        for token in tokens[spots[1] : spots[-1]]:
            use = snippet.use(token)
            if token.kind == "identifier" and use.binding == FREE and use.role == "undeclared":
                if token.text in snippet.resolution.vetoes or not token.text.isidentifier():
                    continue
                return _replace(snippet, dict.fromkeys(snippet.occurrences(old), token.text))
    return None


def partial(snippet: Snippet, rng: random.Random) -> str | None:
    names = [name for name in snippet.renameable if len(snippet.occurrences(name)) > 1]
    if not names:
        return None
    old = rng.choice(names)
    spots = snippet.occurrences(old)
    new = fresh_name(snippet.original, old, rng)
    return _replace(snippet, dict.fromkeys(rng.sample(spots, rng.randint(1, len(spots) - 1)), new))


def literal(snippet: Snippet, rng: random.Random) -> str | None:
    found = [token for token in snippet.tokens if token.kind == "literal"]
    if not found:
        return None
    token = rng.choice(found)
    new = token.text[:1] + "q" + token.text[1:] if token.text[0] in "\"'`" else "1" + token.text
    return _replace(snippet, {token.start: new})


def not_ours(snippet: Snippet, rng: random.Random) -> str | None:
    """Rename one field, call, type, label or undeclared name, everywhere."""
    names = {
        token.text
        for token in snippet.tokens
        if token.kind == "identifier"
        and snippet.use(token).role not in RENAMEABLE_ROLES
        and token.text != snippet.function_name
    }
    if not names:
        return None
    old, new = rng.choice(sorted(names)), "fresh_name_"
    return _replace(
        snippet, {t.start: new for t in snippet.tokens if t.text == old and t.kind == "identifier"}
    )


def reserved(snippet: Snippet, rng: random.Random) -> str | None:
    if not snippet.renameable:
        return None
    old, new = rng.choice(snippet.renameable), rng.choice(sorted(snippet.definition.reserved))
    return None if new == "_" else _replace(snippet, dict.fromkeys(snippet.occurrences(old), new))


def dropped(snippet: Snippet, rng: random.Random) -> str | None:
    return _replace(snippet, {rng.choice(snippet.tokens).start: " "}) if snippet.tokens else None


SABOTAGES: tuple[Callable[[Snippet, random.Random], str | None], ...] = (
    collision, capture, partial, literal, not_ours, reserved, dropped,
)  # fmt: skip


def faults_of_valid(snippet: Snippet, rng: random.Random) -> str | None:
    """Rename at random; return what is wrong with the proof, its long form, or the inverse."""
    program = random_renames(snippet, rng)
    if program is None:
        return None
    verdict = prove(snippet.source, program.text, snippet.language)
    if not verdict.valid or dict(verdict.renames) != dict(program.renames):
        return f"rejected: {verdict} of {dict(program.renames)}"
    edited = parse(program.text, snippet.language)
    long = _Comparison(snippet, edited).verdict()
    if not long.valid:
        return f"the long proof disagrees: {long}"
    back = edited.original.rename_many({new: old for old, new in program.renames.items()})
    if back.text != snippet.source:
        return "the inverse does not restore the bytes"
    if snippet.language == "python" and _parses(snippet.source) and not _parses(program.text):
        return "ast sees an error"
    return None


def _parses(text: str) -> bool:
    try:
        compile(text, "<snippet>", "exec", ast.PyCF_ONLY_AST)
    except (SyntaxError, ValueError):
        return False
    return True


def functions_of_stdlib(every: int = 1) -> Iterator[str]:
    """Yield the functions of one file in ``every`` of this interpreter's library, dedented, in order."""
    import textwrap

    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("**/*.py"))[::every]:
        if "site-packages" in path.parts or "lib2to3" in path.parts:
            continue
        try:
            text = path.read_text("utf-8")
            tree = ast.parse(text)
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue
        lines = text.splitlines(keepends=True)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                code = textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno]))
                if not code[0].isspace():  # a comment in the first column keeps its indentation
                    yield code


def functions_of(data: Path, count: int, rng: random.Random) -> list[tuple[str, str]]:
    """Draw ``count`` (language, code) from the stdlib and all bench data that is there, evenly."""
    sources = [[("python", code) for code in functions_of_stdlib()]]
    for name, (language, column) in DATA.items():
        if (data / name).is_file():
            with gzip.open(data / name, "rt", encoding="utf-8") as lines:
                sources.append([(language, json.loads(line)[column]) for line in lines])
    for source in sources:
        rng.shuffle(source)
    drawn: list[tuple[str, str]] = []
    while len(drawn) < count:
        for source in sources:
            drawn.append(source[len(drawn) // len(sources) % len(source)])
    return drawn[:count]


def check(functions: list[tuple[str, str]], seed: int) -> tuple[Counter[str], list[str]]:
    """Rename and sabotage every function once; return counts and complaints."""
    counts: Counter[str] = Counter()
    complaints: list[str] = []
    for number, (language, code) in enumerate(functions):
        rng = random.Random(seed * 1_000_003 + number)
        snippet = parse(code, language)
        if snippet.renameable:
            counts["valid", language] += 1
            fault = faults_of_valid(snippet, rng)
            if fault:
                complaints.append(f"{language} #{number}: {fault}\n{code}")
        for sabotage in rng.sample(SABOTAGES, len(SABOTAGES)):
            edited = sabotage(snippet, rng)
            if edited is not None and edited != code:
                counts[sabotage.__name__, language] += 1
                if prove(code, edited, language).valid:
                    complaints.append(
                        f"{language} #{number}: {sabotage.__name__} passed\n{code}\n=====\n{edited}"
                    )
                break
    return counts, complaints


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--functions", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("DUROMETER_BENCH_DATA", "../shared/data"))
    )
    options = parser.parse_args()
    functions = functions_of(options.data, options.functions, random.Random(options.seed))
    start = time.perf_counter()
    counts, complaints = check(functions, options.seed)
    for (what, language), count in sorted(counts.items()):
        print(f"{language:8} {what:10} {count}")
    for complaint in complaints[:20]:
        print(complaint)
    print(f"{len(functions)} functions; {len(complaints)} complaints; {time.perf_counter() - start:.0f} s")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
