"""The transfer heat map, and its table: examples found on one variant, tried unchanged on another."""

from __future__ import annotations

from markupsafe import Markup

from durometer.report import words
from durometer.report.charts import mark, svg, tag
from durometer.report.tables import Cell, Column, Record, Table, estimate_cell, number_cell, text_columns

HEIGHT, TOP = 54, 62


def transfer_charts(results: Record) -> list[tuple[str, Markup]]:
    """Return (name, picture) for each task and victim whose examples were shown to other variants."""
    groups = dict.fromkeys((t["task"], t["victim"]) for t in results["transfer"])
    return [(f"{task}, {victim}", _map(results, task, victim)) for task, victim in groups]


def _map(results: Record, task: str, victim: str) -> Markup:
    key = (task, victim)
    pairs = {
        (t["source"], t["target"]): t["broken"]
        for t in results["transfer"]
        if (t["task"], t["victim"]) == key
    }
    known = [v["variant"] for v in results["variants"] if (v["task"], v["victim"]) == key]
    names = [name for name in known if any(name in pair for pair in pairs)]
    longest = 8 * max(map(len, names), default=0)  # pixels
    left, width = max(190, longest + 16), max(112, longest + 12)
    parts = [tag("text", "found on ↓  shown to →", x=left - 12, y=TOP - 14, class_="axis-title end")]
    for i, name in enumerate(names):
        parts.append(tag("text", name, x=left + (i + 0.5) * width, y=TOP - 14, class_="direct middle"))
        parts.append(tag("text", name, x=left - 12, y=TOP + (i + 0.5) * HEIGHT + 4, class_="direct end"))
        for j, target in enumerate(names):
            x, y = left + j * width, TOP + i * HEIGHT
            parts.append(_cell(pairs.get((name, target)), name, target, x, y, width))
    title = f"Share of adversarial examples that break another variant unchanged: {task}, {victim}"
    return svg(max(860, left + width * len(names)), TOP + HEIGHT * len(names) + 8, title, *parts)


def _cell(estimate: Record | None, source: str, target: str, x: float, y: float, width: float) -> Markup:
    box = {"x": x + 1, "y": y + 1, "width": width - 2, "height": HEIGHT - 2, "rx": 4}
    if estimate is None or estimate["value"] is None:
        return tag("rect", **box, class_="capsule")
    share = estimate["value"]
    # Full contrast for the number on either ground: the heat is a tint below, near solid above.
    ink = "heat-text on-heat middle" if share > 62 else "heat-text middle"
    shape = tag(
        "g",
        tag("rect", **box, class_="heat point", fill_opacity=round(0.05 + 0.95 * share / 100, 3)),
        tag("text", f"{words.number(share, 0)} %", x=x + width / 2, y=y + HEIGHT / 2 + 5, class_=ink),
    )
    bounds = words.interval(estimate["low"], estimate["high"])
    said = f"{words.number(share)} % of the examples found on {source} break {target}"
    return mark(shape, f"{said} ({bounds}; n = {estimate['n']})")


def transfer_table(results: Record) -> Table:
    """Return the share of each variant's examples that break each other variant unchanged."""
    columns = (
        *text_columns("task", "victim"),
        Column("source", "Found on", numeric=False),
        Column("target", "Shown to", numeric=False),
        Column("broken", "Broken", "Of the examples whose original the target gets right"),
        Column("n", "n"),
    )
    rows = tuple(
        (
            *(Cell(t[key]) for key in ("task", "victim", "source", "target")),
            estimate_cell("asr", t["broken"]),
            number_cell(t["broken"]["n"], 0),
        )
        for t in results["transfer"]
    )
    caption = "Proven examples of one variant, shown unchanged to another; seeds pooled."
    return Table("transfer", "Transfer", caption, columns, rows)
