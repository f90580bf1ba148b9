"""Throughput of program text on one core: renames, checks, proofs and parses a second, per language.

    python benchmarks/program_text.py [--json] [--seconds 1]

The subjects are functions of about 100 lines that this script makes up, with nested blocks, strings,
calls and comments; a rename is one identifier of the program renamed and its text read; a proof is
``prove`` of an edit with three renames, judged from the two texts, the original being known.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import time
from collections.abc import Callable

from durometer.code import parse, prove

LINES = 100
_HEADS = {
    "java": "public static int work(int[] items, String label, int limit) {",
    "c": "static int work(int *items, char *label, int limit) {",
    "cpp": "static int work(int *items, char *label, int limit) {",
    "python": "def work(items, label, limit):",
    "javascript": "function work(items, label, limit) {",
    "go": "func work(items []int, label string, limit int) int {",
}
_BODIES = {
    "java": """    int total{n} = items[{n}] + limit; // running total
    for (int i = 0; i < limit; i++) {{
        if (items[i] > total{n} && label != null) {{
            total{n} += compute(items[i], "value {n}");
        }}
    }}""",
    "c": """    int total{n} = items[{n}] + limit; /* running total */
    for (int i = 0; i < limit; i++) {{
        if (items[i] > total{n} && label != NULL) {{
            total{n} += compute(items[i], "value {n}");
        }}
    }}""",
    "python": """    total{n} = items[{n}] + limit  # running total
    for i, item in enumerate(items):
        if item > total{n} and label is not None:
            total{n} += compute(item, f"value {{label}}")
        else:
            total{n} -= i""",
    "javascript": """    let total{n} = items[{n}] + limit; // running total
    for (let i = 0; i < limit; i++) {{
        if (items[i] > total{n} && label !== null) {{
            total{n} += compute(items[i], `value ${{label}}`);
        }}
    }}""",
    "go": """    total{n} := items[{n}] + limit // running total
    for i := 0; i < limit; i++ {{
        if items[i] > total{n} && label != "" {{
            total{n} += compute(items[i], "value {n}")
        }}
    }}""",
}
_BODIES["cpp"] = _BODIES["c"]


def subject(language: str) -> str:
    """Make a function of about ``LINES`` lines."""
    blocks = LINES // 6
    body = "\n".join(_BODIES[language].format(n=n) for n in range(blocks))
    result = " + ".join(f"total{n}" for n in range(blocks))
    tail = "" if language == "python" else "\n}"
    stop = ";" if language in ("java", "c", "cpp", "javascript") else ""
    return f"{_HEADS[language]}\n{body}\n    return {result}{stop}{tail}\n"


def rate(action: Callable[[int], object], seconds: float) -> float:
    """Return how often ``action`` runs a second: best of three rounds."""
    best = 0.0
    for _ in range(3):
        count, start = 0, time.process_time()
        while time.process_time() - start < seconds / 3:
            for _ in range(20):
                action(count)
                count += 1
        best = max(best, count / (time.process_time() - start))
    return best


def measure(language: str, seconds: float) -> dict[str, float]:
    """Measure one language."""
    source = subject(language)
    snippet = parse(source, language)
    rng = random.Random(0)
    names = snippet.renameable
    program = snippet.original.rename(names[0], "first_renamed")
    singles = [(rng.choice(names), f"fresh{n}") for n in range(256)]
    edits = []
    for n in range(256):
        chosen = rng.sample(names, 3)
        edits.append(snippet.original.rename_many({old: f"new{n}_{i}" for i, old in enumerate(chosen)}).text)
    assert all(prove(source, edit, language).valid for edit in edits)
    return {
        "lines": source.count("\n"),
        "tokens": len(snippet.tokens),
        "renames_per_second": rate(lambda n: program.rename(*singles[n % 256]).text, seconds),
        "checks_per_second": rate(lambda n: program.check(*singles[n % 256]), seconds),
        "proofs_per_second": rate(lambda n: prove(source, edits[n % 256], language), seconds),
        "parses_per_second": rate(lambda n: parse(source, language).renameable, seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--seconds", type=float, default=1.0, help="time per measurement")
    options = parser.parse_args()
    rows = {language: measure(language, options.seconds) for language in _HEADS}
    if options.json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), "languages": rows}))
        return
    print(f"{'language':12}{'tokens':>8}{'renames/s':>12}{'checks/s':>12}{'proofs/s':>12}{'parses/s':>12}")
    for language, row in rows.items():
        cells = [row[key] for key in row if key.endswith("_per_second")]
        print(f"{language:12}{row['tokens']:8.0f}" + "".join(f"{cell:12,.0f}" for cell in cells))


if __name__ == "__main__":
    main()
