"""The terminal summary: the page's answer and its two main tables, in 80 columns and the same words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from durometer.report import words
from durometer.report.contents import comparisons_table, grid_table, variants_table
from durometer.report.tables import Cell, Record, Table

if TYPE_CHECKING:
    from rich.console import JustifyMethod, RenderableType
    from rich.text import Text

VARIANT_COLUMNS = ("variant", "accuracy", "floor", "size", "latency")
GRID_COLUMNS = ("variant", "attack", "robust_accuracy", "asr", "amq_success", "icr", "tcr", "aed")
VERSUS_COLUMNS = (
    "variant",
    "attack",
    "measure",
    "baseline",
    "compressed",
    "difference",
    "p_holm",
    "detectable",
    "n",
)
SHORT = {"difference": "B − A", "p_holm": "Adj. p", "detectable": "Detect."}  # what 80 columns have room for
NOTE = (
    "Below rates: 95 % intervals, clustered by snippet. Only successes proven to be the same program count. "
    "ASR: attack success rate. AMQ: model queries, ICR and TCR: share of names and tokens changed, AED: "
    "characters changed, each on average over successes."
)
VERSUS_NOTE = (
    "B − A in points, paired on common samples, its interval not adjusted; p adjusted by Holm. "
    "Detect.: the difference that would be found with 80 % power."
)
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
    for build, columns in ((variants_table, VARIANT_COLUMNS), (grid_table, GRID_COLUMNS)):
        blocks = [_table(build(part), columns, name) for name, part in _parts(results)]
        parts.append(Padding(Group(*blocks), (1, 0, 0, 0)))
    parts += [Text(NOTE, style="dim"), Text("")]
    if results["verdict"]:
        parts.append(Padding(Text(results["verdict"].replace(words.THIN, " "), style="bold"), (0, 0, 1, 0)))
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
    for name, part in _parts(record):
        parts.append(_table(comparisons_table(part, ("A", "B")), VERSUS_COLUMNS, name))
    parts.append(Text(VERSUS_NOTE, style="dim"))
    return Group(*parts)


def _parts(record: Record) -> Iterator[tuple[str, Record]]:
    """Yield what distinguishes each task and victim, and ``record`` with nothing else in it."""
    lists = [key for key in ("variants", "pooled", "union", "comparisons") if key in record]
    rows = [row for key in lists for row in record[key]]
    several = [name for name in ("task", "victim") if len({row[name] for row in rows}) > 1]
    for task, victim in dict.fromkeys((row["task"], row["victim"]) for row in rows):
        mine = {
            key: [row for row in record[key] if (row["task"], row["victim"]) == (task, victim)]
            for key in lists
        }
        named = {"task": task, "victim": victim}
        yield ", ".join(named[name] for name in several), {**record, **mine}


def _table(table: Table, keep: Sequence[str], name: str) -> RenderableType:
    """Return ``table`` of ``name`` in narrow columns; nothing where it has no row."""
    from rich import box
    from rich.table import Table as RichTable

    if not table.rows:
        return ""
    shown = [i for i, c in enumerate(table.columns) if c.key in ("seed", *keep)]
    title = f"{table.title}: {name}" if name else table.title
    block = RichTable(box=box.SIMPLE_HEAD, padding=0, title=title, title_justify="left")
    for i in shown:
        column = table.columns[i]
        side: JustifyMethod = "right" if column.numeric else "left"
        label = SHORT.get(column.key, column.label)
        block.add_column(label, justify=side, overflow="fold", min_width=len(label))
    for row in table.rows:
        block.add_row(*(_text(row[i], table.columns[i].key) for i in shown))
    return block


def _text(cell: Cell, key: str) -> Text:
    from rich.text import Text

    text = Text(cell.text.replace(words.THIN, " "))
    if cell.interval and key in INTERVALS:
        joint = " to " if words.MINUS in cell.interval or "+" in cell.interval else words.DASH
        text.append("\n" + cell.interval.replace(" to ", joint), style="dim")
    return text
