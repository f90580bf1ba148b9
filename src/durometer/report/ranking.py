"""Critical-difference diagrams (Demšar 2006), and their table: mean ranks, bars over those not told apart."""

from __future__ import annotations

from markupsafe import Markup

from durometer.report import words
from durometer.report.charts import Scale, mark, svg, symbol, tag
from durometer.report.tables import Cell, Column, Record, Table, number_cell, text_columns

WIDTH, TOP, STEP = 860, 74, 24


def rank_charts(results: Record) -> list[tuple[str, Markup]]:
    """Return (name, picture) for each ranked measure."""
    return [(words.MEASURES[r["measure"]].label, _diagram(r)) for r in results["ranks"]]


def _diagram(ranks: Record) -> Markup:
    count = len(ranks["variants"])
    x = Scale(1, count, 190, WIDTH - 190)
    parts = [tag("line", x1=x.start, x2=x.end, y1=TOP, y2=TOP, class_="axis")]
    for rank in range(1, count + 1):
        parts.append(tag("line", x1=x(rank), x2=x(rank), y1=TOP - 6, y2=TOP, class_="axis"))
        parts.append(tag("text", str(rank), x=x(rank), y=TOP - 12, class_="tick middle"))
    width = min(ranks["critical_difference"], count - 1)
    parts.append(tag("line", x1=x(1), x2=x(1 + width), y1=18, y2=18, class_="bar"))
    text = f"critical difference {words.number(ranks['critical_difference'], 2)}"
    parts.append(tag("text", text, x=x(1 + width) + 10, y=22, class_="tick"))
    ordered = sorted(zip(ranks["mean_ranks"], ranks["variants"], strict=True))
    bars = TOP + 16
    for i, group in enumerate(ranks["groups"]):
        places = [rank for rank, name in ordered if name in group]
        level = bars + 9 * i
        parts.append(
            tag("line", x1=x(min(places)) - 6, x2=x(max(places)) + 6, y1=level, y2=level, class_="bar")
        )
    below = bars + 9 * len(ranks["groups"]) + 16
    half = (count + 1) // 2
    for i, (rank, name) in enumerate(ordered):
        left = i < half
        level = below + STEP * (i if left else count - 1 - i)
        edge = x.start - 14 if left else x.end + 14
        line = f"{x(rank)},{TOP} {x(rank)},{level} {edge},{level}"
        parts.append(tag("polyline", points=line, class_="leader"))
        label = tag(
            "text",
            name,
            x=edge + (-8 if left else 8),
            y=level + 4,
            class_="direct" + (" end" if left else ""),
        )
        dot = symbol(0, x(rank), TOP, 5, "point series-2")
        said = f"{name}: mean rank {words.number(rank, 2)} over {ranks['n']} cells"
        parts.append(mark(tag("g", dot, label), said))
    title = f"Mean ranks by {words.MEASURES[ranks['measure']].label}, 1 is the most robust"
    return svg(WIDTH, int(below + STEP * half), title, *parts)


def ranks_table(results: Record) -> Table:
    """Return the mean ranks behind the critical-difference diagrams."""
    columns = (
        *text_columns("measure", "variant"),
        Column("mean_rank", "Mean rank", "1 is the most robust"),
        Column("critical_difference", "Critical difference", "Nemenyi, level 0.05"),
        Column("p", "Friedman p", "That all variants rank alike"),
        Column("n", "Cells"),
    )
    rows = tuple(
        (
            Cell(words.MEASURES[r["measure"]].label),
            Cell(variant),
            number_cell(rank, 2),
            number_cell(r["critical_difference"], 2),
            Cell(words.bare_probability(r["p"]), r["p"]),
            Cell(str(r["n"]), r["n"]),
        )
        for r in results["ranks"]
        for rank, variant in sorted(zip(r["mean_ranks"], r["variants"], strict=True))
    )
    caption = "Variants ranked within each cell (task, victim, attack, seed) that all of them have finished."
    return Table("ranks", "Mean ranks", caption, columns, rows)
