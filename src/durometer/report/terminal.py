"""The terminal summary: the page's answer and its two main tables, in 80 columns and the same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from durometer.report import words
from durometer.report.contents import comparisons_table, grid_table, variants_table
from durometer.report.tables import Cell, Table

if TYPE_CHECKING:
    from rich.console import JustifyMethod, RenderableType
    from rich.text import Text

Record = Mapping[str, Any]
VARIANT_COLUMNS = ("variant", "accuracy", "floor", "size", "latency")
GRID_COLUMNS = ("variant", "attack", "robust_accuracy", "asr", "amq_success", "icr", "tcr", "aed")
VERSUS_COLUMNS = ("variant", "attack", "measure", "baseline", "compressed", "difference", "p_holm", "n")
INTERVALS = ("difference", "accuracy", "size", "latency", "robust_accuracy", "asr")


def terminal_table(results: Record) -> RenderableType:
    """Return the summary of ``results`` for a rich console at least 80 columns wide."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = []
    if not results["study"]["complete"]:
        parts.append(Text("Not finished: what the finished rows say so far.", style="yellow"))
    parts += [Text(f"Warning: {warning}", style="yellow") for warning in results["warnings"]]
    tables = (variants_table(results), VARIANT_COLUMNS), (grid_table(results), GRID_COLUMNS)
    for table, columns in tables:
        if table.rows:
            parts.append(Padding(_table(table, columns), (1, 0, 0, 0)))
    parts.append(Text("Below rates: 95 % intervals, clustered by snippet. Sound reading.", style="dim"))
    parts.append(Text(""))
    for number, sentence in enumerate(results["answer"], 1):
        parts.append(Padding(Text(f"{number}. {sentence}".replace(words.THIN, " ")), (0, 0, 1, 0)))
    return Group(*parts)


def versus_summary(record: Record) -> RenderableType:
    """Return what ``compare_runs`` found: differing settings, cells without a partner, differences."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(f"A: {record['first']}    B: {record['second']}")]
    for side, name in (("only_first", "A"), ("only_second", "B")):
        parts += [Text(f"only in {name}: {', '.join(cell)}") for cell in record[side]]
    for change in record["differences"]:
        parts.append(Text(f"{change['setting']}: {change['first']} → {change['second']}", style="dim"))
    if not record["same_fingerprints"]:
        parts.append(Text("The numerics differ: small differences may come from them.", style="yellow"))
    if not record["comparisons"]:
        parts.append(Text("No cell is in both runs with the same samples: nothing to compare."))
        return Group(*parts)
    parts.append(_table(comparisons_table(record, ("A", "B")), VERSUS_COLUMNS))
    parts.append(Text("B − A in points, paired on common samples; adjusted p by Holm.", style="dim"))
    return Group(*parts)


def _table(table: Table, keep: Sequence[str]) -> RenderableType:
    """Return ``table`` in narrow columns, one block for each task and victim where they differ."""
    from rich import box
    from rich.console import Group
    from rich.table import Table as RichTable

    names = [i for i, c in enumerate(table.columns) if c.key in ("task", "victim")]
    shown = [i for i, c in enumerate(table.columns) if c.key in ("seed", *keep)]
    blocks: dict[str, RichTable] = {}
    for row in table.rows:
        title = ": ".join([table.title, *filter(None, [", ".join(row[i].text for i in names)])])
        block = blocks.get(title)
        if block is None:
            block = RichTable(box=box.SIMPLE_HEAD, padding=0, title=title, title_justify="left")
            for i in shown:
                column = table.columns[i]
                side: JustifyMethod = "right" if column.numeric else "left"
                block.add_column(column.label, justify=side, overflow="fold")
            blocks[title] = block
        block.add_row(*(_text(row[i], table.columns[i].key) for i in shown))
    return Group(*blocks.values())


def _text(cell: Cell, key: str) -> Text:
    from rich.text import Text

    text = Text(cell.text.replace(words.THIN, " "))
    if cell.interval and key in INTERVALS:
        joint = " to " if words.MINUS in cell.interval or "+" in cell.interval else words.DASH
        text.append("\n" + cell.interval.replace(" to ", joint), style="dim")
    return text
