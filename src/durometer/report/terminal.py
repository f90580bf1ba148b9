"""The terminal summary: the page's answer and its two main tables, in 80 columns and the same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from durometer.report import words
from durometer.report.tables import Table, grid_table, variants_table

if TYPE_CHECKING:
    from rich.console import RenderableType

Record = Mapping[str, Any]
VARIANT_COLUMNS = ("variant", "accuracy", "floor", "size", "latency")
GRID_COLUMNS = ("variant", "attack", "robust_accuracy", "asr", "amq_success", "icr", "tcr", "aed")
INTERVALS = ("accuracy", "size", "latency", "robust_accuracy", "asr")


def terminal_table(results: Record) -> RenderableType:
    """Return the summary of ``results`` for a rich console at least 80 columns wide."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = []
    if not results["study"]["complete"]:
        parts.append(Text("Not finished: what the finished rows say so far.", style="yellow"))
    tables = (variants_table(results), VARIANT_COLUMNS), (grid_table(results), GRID_COLUMNS)
    for table, columns in tables:
        if table.rows:
            parts.append(Padding(_table(table, columns), (1, 0, 0, 0)))
    parts.append(Text("Below rates: 95 % intervals, clustered by snippet. Sound reading.", style="dim"))
    parts.append(Text(""))
    for number, sentence in enumerate(results["answer"], 1):
        parts.append(Padding(Text(f"{number}. {sentence}"), (0, 0, 1, 0)))
    return Group(*parts)


def _table(table: Table, keep: Sequence[str]) -> RenderableType:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    names = [c.key for c in table.columns if c.key in ("task", "victim", "seed")]
    shown = [i for i, c in enumerate(table.columns) if c.key in (*names, *keep)]
    rich = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=table.title, title_justify="left")
    for i in shown:
        column = table.columns[i]
        rich.add_column(column.label, justify="right" if column.numeric else "left", overflow="fold")
    for row in table.rows:
        cells = []
        for i in shown:
            text = Text(row[i].text.replace(words.THIN, " "))
            if row[i].interval and table.columns[i].key in INTERVALS:
                text.append("\n" + row[i].interval.replace(" to ", words.DASH), style="dim")
            cells.append(text)
        rich.add_row(*cells)
    return rich
