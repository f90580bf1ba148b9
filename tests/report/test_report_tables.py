from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from rich.console import Console
from synthetic_view import build_view

from durometer.report import terminal_table, to_json
from durometer.report.contents import all_tables
from durometer.report.results import build_results
from durometer.report.tables import Cell, Column, Table, to_csv, to_latex


def test_efficiency_is_a_table_where_a_run_measured_it(results: dict[str, Any]) -> None:
    table = next(t for t in all_tables(results) if t.id == "efficiency")
    keys = [column.key for column in table.columns]
    int8 = next(row for row in table.rows if row[0].text == "int8")
    size, flops = (int8[keys.index(key)] for key in ("size_bytes", "flops"))
    assert (size.text, size.value, size.interval) == ("3.15 MB", 3_150_000, "0.27×")
    assert (flops.text, flops.value) == ("–", None)
    assert "CPU with avx2" in table.caption
    assert "not smaller: pruned-50." in table.caption
    older = {**results, "variants": [{**v, "efficiency": {}} for v in results["variants"]]}
    assert next(t for t in all_tables(older) if t.id == "efficiency").rows == ()


@pytest.fixture
def hostile() -> Table:
    columns = (Column("variant", "Variant", numeric=False), Column("asr", "ASR"))
    rows = ((Cell("=1+1 & 50% of_all{}"), Cell("−3.0 %", -3.0, "−4.0 to −2.0", -4.0, -2.0, 7)),)
    return Table("t", "T", "A 95 % interval", columns, rows)


def test_every_row_fits_its_columns(results: dict[str, Any]) -> None:
    for table in all_tables(results):
        assert table.rows or table.id == "transfer"
        assert {len(row) for row in table.rows} <= {len(table.columns)}


def test_csv_holds_full_precision_bounds_and_n(results: dict[str, Any]) -> None:
    grid = next(t for t in all_tables(results) if t.id == "grid")
    rows = list(csv.DictReader(io.StringIO(to_csv(grid))))
    cell = results["pooled"][0]
    mine = next(r for r in rows if r["variant"] == cell["variant"] and r["attack"] == "MHM")
    assert float(mine["asr"]) == cell["asr"]["value"]
    assert float(mine["asr_low"]) == cell["asr"]["low"]
    assert int(mine["asr_n"]) == cell["asr"]["n"]


def test_csv_runs_no_formula(hostile: Table) -> None:
    assert to_csv(hostile).splitlines()[1].startswith("'=1+1")


def test_latex_escapes_what_would_break_it(hostile: Table) -> None:
    text = to_latex(hostile)
    assert r"=1+1 \& 50\% of\_all\{\}" in text
    assert r"$-$3.0 \% [$-$4.0 to $-$2.0]" in text
    assert text.count("{") == text.count("}")


def test_terminal_summary_fits_80_columns_in_the_words_of_the_page(results: dict[str, Any]) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(terminal_table(results))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for word in ("The variants", "Under attack", "WIR-Random", "Robust acc.", "no difference detected"):
        assert word in " ".join(text.split()), word


def test_results_are_json_without_nan(results: dict[str, Any]) -> None:
    assert json.loads(to_json(results)) == results


def test_terminal_summary_fits_with_several_victims_and_says_when_it_is_not_finished() -> None:
    view = build_view(samples=40, seeds=(0, 1), victims=("encoder-3M", "encoder-9M"), complete=False)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(terminal_table(build_results(view)))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "Not finished" in text
    assert "Under attack: encoder-9M" in text
    assert "Robust acc." in text
