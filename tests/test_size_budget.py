"""The size budget: small modules, small functions. When it hurts, change it here, with the reason.

A function is measured from its first statement: the options that a verb declares and the docstring that
explains shapes, units and errors are documentation, and should not be shortened to fit.
"""

from __future__ import annotations

import ast
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
MODULE_LINES, FUNCTION_LINES, MEDIAN_LINES = 400, 50, 160
SOURCES = sorted((REPOSITORY / "src").rglob("*.py"))


def test_modules_stay_small() -> None:
    sizes = {path.name: len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: size for name, size in sizes.items() if size > MODULE_LINES} == {}


def test_functions_stay_small() -> None:
    long = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                statements = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (node.end_lineno or 0) - statements[0].lineno + 1 if statements else 0
                if lines > FUNCTION_LINES:
                    long.append(f"{path.name}:{node.lineno} {node.name} {lines}")
    assert long == []


def test_median_module_stays_small() -> None:
    sizes = sorted(len(path.read_text().splitlines()) for path in SOURCES if path.stat().st_size)
    assert sizes[len(sizes) // 2] <= MEDIAN_LINES
