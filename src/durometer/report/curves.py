"""Query-budget curves: how robust accuracy falls as an attack may ask more."""

from __future__ import annotations

from itertools import pairwise

from markupsafe import Markup

from durometer.report import words
from durometer.report.charts import SERIES, Scale, axes, mark, svg, symbol, tag
from durometer.report.tables import Cell, Column, Record, Table, estimate_cell, number_cell, text_columns

WIDTH, HEIGHT = 860, 400


def budget_charts(results: Record) -> list[tuple[str, Markup]]:
    """Return (name, picture) for each task, victim and attack: one curve a variant."""
    keys = dict.fromkeys((c["task"], c["victim"], c["attack"]) for c in results["curves"] if c["points"])
    one = len({key[:2] for key in keys}) == 1
    return [
        (words.attack_name(key[2]) + ("" if one else f": {key[0]}, {key[1]}"), _chart(results, *key))
        for key in keys
    ]


def _chart(results: Record, task: str, victim: str, attack: str) -> Markup:
    order = {v["variant"]: i for i, v in enumerate(results["variants"]) if v["victim"] == victim}
    key = (task, victim, attack)
    curves = [c for c in results["curves"] if (c["task"], c["victim"], c["attack"]) == key and c["points"]]
    curves.sort(key=lambda c: order.get(c["variant"], len(order)))
    most = max(point["queries"] for curve in curves for point in curve["points"])
    room = max(150, 36 + 8 * max(len(curve["variant"]) for curve in curves))  # for the names at the right
    x = Scale(1, max(most, 2), 56, WIDTH - room, log=True)
    y = Scale(0, 100, HEIGHT - 56, 40)
    ticks = [(value, f"{value:g}") for value in x.ticks()]
    parts = [axes(x, y, "Query budget per sample (logarithmic)", "Robust accuracy, %", ticks)]
    ends = _apart([y(curve["points"][-1]["robust_accuracy"]["value"]) for curve in curves])
    for i, (curve, end) in enumerate(zip(curves, ends, strict=True)):
        parts.append(_curve(curve, i, end, x, y))
    title = f"Robust accuracy by query budget under {words.attack_name(attack)}: {task}, {victim}"
    return svg(WIDTH, HEIGHT, title, *parts)


def _curve(curve: Record, index: int, end: float, x: Scale, y: Scale) -> Markup:
    colour = SERIES[index % len(SERIES)]
    corners: list[str] = []
    height: float | None = None
    for point in curve["points"]:  # a success counts from its own number of queries on: steps, not slopes
        left, level = x(point["queries"]), y(point["robust_accuracy"]["value"])
        corners += [f"{left},{level}"] if height is None else [f"{left},{height}", f"{left},{level}"]
        height = level
    parts = [tag("polyline", points=" ".join(corners), class_=f"curve {colour}")]
    for point in marked(curve):
        robust = point["robust_accuracy"]
        bounds = words.interval(robust["low"], robust["high"])
        text = (
            f"{curve['variant']}, at most {point['queries']} queries: robust accuracy "
            f"{words.number(robust['value'])} % ({bounds}), ASR {words.number(point['asr']['value'])} %"
        )
        shape = symbol(index, x(point["queries"]), y(robust["value"]), 4.5, f"point {colour}")
        parts.append(mark(shape, text))
    parts.append(symbol(index, x.end + 18, end, 4.5, f"point {colour}"))
    parts.append(tag("text", curve["variant"], x=x.end + 28, y=end + 4, class_="direct"))
    return tag("g", *parts)


def marked(curve: Record) -> list[Record]:
    """Return the points of a curve that have a mark and a row in the table: some six, and the last."""
    points = curve["points"]
    return [*points[: -1 : max(1, len(points) // 6)], *points[-1:]]


def budget_table(results: Record) -> Table:
    """Return what the marks of the curves say."""
    columns = (
        *text_columns("task", "victim", "variant", "attack"),
        Column("queries", "Budget", "Queries that a sample may cost at most"),
        *(Column(key, words.MEASURES[key].label) for key in ("robust_accuracy", "asr")),
    )
    rows = tuple(
        (
            *(Cell(curve[key]) for key in ("task", "victim", "variant")),
            Cell(words.attack_name(curve["attack"])),
            number_cell(point["queries"], 0),
            *(estimate_cell(key, point[key]) for key in ("robust_accuracy", "asr")),
        )
        for curve in results["curves"]
        for point in marked(curve)
    )
    caption = "The marked points of the curves; results.json has all. 95 % intervals clustered by snippet."
    return Table("budget", "Query budgets", caption, columns, rows)


def _apart(heights: list[float]) -> list[float]:
    """Move labels closer than a line of text (17 pixels) apart, downwards in order of height."""
    placed = list(heights)
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    for above, below in pairwise(order):
        placed[below] = max(placed[below], placed[above] + 17)
    return placed
