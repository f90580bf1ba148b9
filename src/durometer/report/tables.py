"""The tables of a report: built once from the results, then printed as HTML, CSV, LaTeX or in a terminal.

A cell keeps its full-precision value beside its text, so that sorting and exports never parse what
people read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from durometer.report import words

Record = Mapping[str, Any]  # results.json, or a part of it


@dataclass(frozen=True)
class Cell:
    """One value: how it is printed, its interval in words, and the number behind it."""

    text: str
    value: float | str | None = None
    interval: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None

    @property
    def sort_key(self) -> str:
        """What a browser sorts by: the number in full precision, or the text."""
        return self.text if self.value is None else repr(self.value).strip("'")


@dataclass(frozen=True)
class Column:
    """A column's heading, what it means, and what it holds."""

    key: str
    label: str
    meaning: str = ""
    numeric: bool = True
    prose: bool = False  # long text, which may wrap


def text_columns(*keys: str) -> tuple[Column, ...]:
    """Return columns of words that are headed by their keys."""
    return tuple(Column(key, key.capitalize(), numeric=False) for key in keys)


@dataclass(frozen=True)
class Table:
    """A captioned table; every row has one cell per column."""

    id: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def number_cell(value: float | None, digits: int = 1, *, signed: bool = False) -> Cell:
    """Return a number without an interval."""
    return Cell(words.number(value, digits, signed=signed), value)


def ratio_cell(text: str, value: float, ratio: float | None) -> Cell:
    """Return a cost as ``text``, and below it its ratio to the original's."""
    return Cell(text, value, words.ratio(ratio) if ratio is not None else "")


def estimate_cell(key: str, estimate: Record | None) -> Cell:
    """Return measure ``key`` with its interval."""
    if estimate is None or estimate["value"] is None:
        return Cell(words.DASH)
    low, high = estimate["low"], estimate["high"]
    text = words.measured(key, estimate["value"])
    bounds = words.interval(low, high, words.MEASURES[key].digits)
    return Cell(text, estimate["value"], bounds, low, high, estimate["n"])


def to_csv(table: Table) -> str:
    """Return ``table`` as CSV: numbers in full precision, bounds and n in columns of their own."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    bounded = {i for row in table.rows for i, cell in enumerate(row) if cell.low is not None}
    head: list[str] = []
    for i, column in enumerate(table.columns):
        head += [column.key, *(f"{column.key}_{part}" for part in ("low", "high", "n") if i in bounded)]
    writer.writerow(head)
    for row in table.rows:
        line: list[object] = []
        for i, (column, cell) in enumerate(zip(table.columns, row, strict=True)):
            line.append(cell.value if column.numeric else _no_formula(cell.text))
            line += [cell.low, cell.high, cell.n] if i in bounded else []
        writer.writerow(line)
    return out.getvalue()


_LATEX = str.maketrans(
    {
        **{c: f"\\{c}" for c in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        words.MINUS: "$-$",
        words.DASH: "--",
        words.THIN: r"\,",
        "×": r"$\times$",
        "<": "$<$",
        ">": "$>$",
    }
)


def to_latex(table: Table) -> str:
    """Return ``table`` as a LaTeX table (needs booktabs), intervals in brackets."""
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{table.caption.translate(_LATEX)}}}"]
    shape = "".join("r" if column.numeric else "l" for column in table.columns)
    lines += [rf"\label{{tab:{table.id}}}", rf"\begin{{tabular}}{{{shape}}}", r"\toprule"]
    lines += [" & ".join(column.label.translate(_LATEX) for column in table.columns) + r" \\", r"\midrule"]
    for row in table.rows:
        texts = [cell.text + (f" [{cell.interval}]" if cell.interval else "") for cell in row]
        lines.append(" & ".join(text.translate(_LATEX) for text in texts) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _no_formula(text: str) -> str:
    """Keep a spreadsheet from running a name as a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
