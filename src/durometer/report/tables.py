"""The tables of a report: built once from the results, then printed as HTML, CSV, LaTeX or in a terminal.

A cell keeps its full-precision value beside its text, so that sorting and exports never parse what
people read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from durometer.report import words

Record = Mapping[str, Any]


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


@dataclass(frozen=True)
class Table:
    """A captioned table; every row has one cell per column."""

    id: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def all_tables(results: Record) -> list[Table]:
    """Return every table of the report, in the order of the page."""
    return [
        variants_table(results),
        grid_table(results),
        comparisons_table(results),
        validity_table(results),
    ]


def variants_table(results: Record) -> Table:
    """Return what each variant is, costs and answers when it is not attacked."""
    columns = (
        *_names(results["variants"]),
        Column("recipe", "What it is", numeric=False, prose=True),
        _measure("accuracy"),
        Column("floor", "Floor", "What a bag of words reaches: a model must beat it"),
        _measure("agreement_with_original"),
        Column("size", "On disk", "Size of the weights on disk, and its ratio to the original's"),
        Column(
            "latency", "Latency p50", "Median time of one answer at batch 1, and its ratio to the original's"
        ),
    )
    rows = []
    for v in results["variants"]:
        floor = results["floors"].get(v["task"], {}).get("accuracy")
        recipe = v["recipe"] + (" (simulated: the computation is not smaller)" if v["simulated"] else "")
        rows.append(
            (
                *_name_cells(results["variants"], v),
                Cell(recipe),
                estimate_cell("accuracy", v["accuracy"]),
                Cell(words.measured("accuracy", floor), floor),
                estimate_cell("agreement_with_original", v["agreement_with_original"]),
                _with_ratio(words.size(v["size_bytes"]), v["size_bytes"], v["size_ratio"]),
                _with_ratio(words.milliseconds(v["latency_p50_ms"]), v["latency_p50_ms"], v["latency_ratio"]),
            )
        )
    n = results["variants"][0]["accuracy"]["n"] if results["variants"] else 0
    caption = f"On {n} unmodified test samples. Below each rate: its 95 % interval, clustered by snippet."
    return Table("variants", "The variants", caption, columns, tuple(rows))


def grid_table(results: Record) -> Table:
    """Return the measures of every cell: task, victim, variant, attack and seed."""
    keys = ("robust_accuracy", "asr", "amq_success", "amq_attacked", "icr", "tcr", "aed", "valid_percent")
    columns = (
        *_names(results["cells"]),
        Column("attack", "Attack", numeric=False),
        *_seed_column(results),
        *(_measure(key) for key in keys),
        Column("attacked", "n", "Attackable samples: the denominator of ASR"),
    )
    rows = tuple(
        (
            *_cell_names(results, c),
            *(estimate_cell(key, c[key]) for key in keys),
            Cell(words.number(c["attacked"], 0), c["attacked"]),
        )
        for c in _ordered_cells(results)
    )
    seeds = results["study"]["seeds"]
    many = len(seeds) > 1
    seeds_note = f"{len(seeds)} seeds" if many else "a single seed: no interval covers the choice of seed"
    caption = (
        "Robustness in the sound reading: only successes proven to be the same program count. "
        f"95 % intervals clustered by snippet; {seeds_note}."
    )
    return Table("grid", "Under attack", caption, columns, rows)


def comparisons_table(results: Record) -> Table:
    """Return each variant against its original, paired on the same samples."""
    columns = (
        *_names(results["comparisons"]),
        Column("attack", "Attack", numeric=False),
        Column("measure", "Measure", numeric=False),
        Column("baseline", "Original"),
        Column("compressed", "Variant"),
        Column("difference", "Difference", "Variant minus original, in percentage points"),
        Column("p_holm", "Adjusted p", "Holm, over all comparisons of the study"),
        Column("p", "Raw p", "Exact sign-flip test over snippets"),
        Column("discordant", "Differ", "Pairs on which the two disagree"),
        Column("detectable", "Detectable", "Difference found with 80 % power, in percentage points"),
        Column("n", "n", "Pairs: samples that both were asked"),
    )
    rows = tuple(
        (
            *_name_cells(results["comparisons"], c),
            Cell(words.attack_name(c["attack"]) if c["attack"] else "none"),
            Cell(words.MEASURES[c["measure"]].label),
            Cell(words.measured("asr", c["baseline"]["value"]), c["baseline"]["value"]),
            Cell(words.measured("asr", c["compressed"]["value"]), c["compressed"]["value"]),
            Cell(
                words.number(c["difference"], signed=True),
                c["difference"],
                words.interval(c["low"], c["high"], signed=True),
                c["low"],
                c["high"],
                c["n"],
            ),
            Cell(words.probability(c["p_holm"]).removeprefix("p ").removeprefix("= "), c["p_holm"]),
            Cell(words.probability(c["p"]).removeprefix("p ").removeprefix("= "), c["p"]),
            Cell(words.number(c["discordant"], 0), c["discordant"]),
            Cell(words.number(c["detectable"]), c["detectable"]),
            Cell(words.number(c["n"], 0), c["n"]),
        )
        for c in results["comparisons"]
    )
    caption = (
        "Each variant against its original on the same samples, attacks and seeds: for ASR those attackable "
        "in both, otherwise all. A difference counts as detected when the adjusted p is below 0.05."
    )
    return Table("comparisons", "Against the original", caption, columns, rows)


def validity_table(results: Record) -> Table:
    """Return how the rows of each cell ended, and why those that were neither broken nor withstood."""
    columns = (
        *_names(results["cells"]),
        Column("attack", "Attack", numeric=False),
        *_seed_column(results),
        *(
            Column(status, status.capitalize(), meaning.capitalize())
            for status, meaning in words.STATUSES.items()
        ),
        Column("reasons", "Reasons", numeric=False, prose=True),
    )
    rows = tuple(
        (
            *_cell_names(results, c),
            *(Cell(words.number(c["statuses"][s], 0), c["statuses"][s]) for s in words.STATUSES),
            Cell("; ".join(f"{_reason(reason)} {n}" for reason, n in c["reasons"].items())),
        )
        for c in _ordered_cells(results)
    )
    caption = "Rows of each cell by status. Nothing is dropped: an error is never a robust sample."
    return Table("validity", "Validity", caption, columns, rows)


def _reason(reason: str) -> str:
    status, _, why = reason.partition(": ")
    return why or status.rstrip(":")


def _cell_names(results: Record, cell: Record) -> tuple[Cell, ...]:
    seed = (Cell(str(cell["seed"]), cell["seed"]),) if len(results["study"]["seeds"]) > 1 else ()
    return (*_name_cells(results["cells"], cell), Cell(words.attack_name(cell["attack"])), *seed)


def _ordered_cells(results: Record) -> list[Record]:
    """Return the cells with variants in the study's own order: the original first."""
    order = {(v["task"], v["victim"], v["variant"]): i for i, v in enumerate(results["variants"])}
    return sorted(
        results["cells"],
        key=lambda c: (order.get((c["task"], c["victim"], c["variant"]), 0), c["attack"], c["seed"]),
    )


def estimate_cell(key: str, estimate: Record | None) -> Cell:
    """Return measure ``key`` with its interval."""
    if estimate is None or estimate["value"] is None:
        return Cell(words.DASH)
    low, high = estimate["low"], estimate["high"]
    text = words.measured(key, estimate["value"])
    return Cell(text, estimate["value"], words.interval(low, high), low, high, estimate["n"])


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


def _measure(key: str) -> Column:
    measure = words.MEASURES[key]
    return Column(key, measure.label, measure.meaning)


def _names(records: Sequence[Record]) -> tuple[Column, ...]:
    """Return the columns that name a record: a task or victim that never varies has no column."""
    keys = [key for key in ("task", "victim") if len({record[key] for record in records}) > 1]
    return tuple(Column(key, key.capitalize(), numeric=False) for key in [*keys, "variant"])


def _name_cells(records: Sequence[Record], record: Record) -> tuple[Cell, ...]:
    return tuple(Cell(str(record[column.key])) for column in _names(records))


def _seed_column(results: Record) -> tuple[Column, ...]:
    return (Column("seed", "Seed"),) if len(results["study"]["seeds"]) > 1 else ()


def _with_ratio(text: str, value: float, ratio: float | None) -> Cell:
    return Cell(text, value, words.ratio(ratio) if ratio is not None else "")
