"""The frontier: a variant's size or latency against how often it is right, clean and attacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from durometer.report import words
from durometer.report.charts import SERIES, Scale, axes, mark, padded_log, svg, symbol, tag
from durometer.report.tables import Record

WIDTH, HEIGHT = 860, 470
AXES = {
    "size": ("size_bytes", "Size on disk (logarithmic)", words.size),
    "latency": ("latency_p50_ms", "Latency p50 at batch 1 (logarithmic)", words.milliseconds),
}


def frontiers(results: Record) -> list[tuple[str, str, Markup]]:
    """Return (axis, name, picture) for each task and victim, once against size and once against latency."""
    groups = list(dict.fromkeys((v["task"], v["victim"]) for v in results["variants"]))
    return [
        (axis, f"{task}, {victim}", frontier(results, task, victim, axis))
        for task, victim in groups
        for axis in AXES
    ]


def series(results: Record) -> list[tuple[str, str]]:
    """Return (key, label) of what is plotted: clean accuracy, then robust accuracy under each attack.

    The same for every task and victim: one legend, with one colour and one shape each, serves all pictures.
    """
    attacks = dict.fromkeys(c["attack"] for c in [*results["pooled"], *results["union"]])
    return [("clean", "Not attacked"), *((a, f"Under {words.attack_name(a)}") for a in attacks)]


def points(results: Record, task: str, victim: str) -> dict[str, dict[str, Record]]:
    """Return variant → series → estimate, seeds pooled.

    A generator is clean where its answer is not below the BLEU threshold, which its attacked samples tell.
    """
    found: dict[str, dict[str, Record]] = {}
    for v in results["variants"]:
        if (v["task"], v["victim"]) == (task, victim):
            found[v["variant"]] = {"clean": v["accuracy"]} if v["headline"] == "accuracy" else {}
    for c in [*results["pooled"], *results["union"]]:
        if (c["task"], c["victim"]) == (task, victim) and c["variant"] in found:
            found[c["variant"]].setdefault("clean", c["accuracy"])
            found[c["variant"]][c["attack"]] = c["robust_accuracy"]
    return found


def frontier(results: Record, task: str, victim: str, axis: str) -> Markup:
    """Return one picture: a capsule of points for each variant, as tall as what the attacks took."""
    key, x_title, say = AXES[axis]
    variants = [v for v in results["variants"] if (v["task"], v["victim"]) == (task, victim) and v[key] > 0]
    title = f"{axis.capitalize()} against accuracy, clean and under attack: {task}, {victim}"
    if not variants:
        return svg(WIDTH, 60, title, tag("text", "Not measured yet.", x=0, y=30, class_="tick"))
    x = padded_log([v[key] for v in variants], 56, WIDTH - 112)
    names, found = series(results), points(results, task, victim)
    places = _spread([x(v[key]) for v in variants], x, max(58, 9 * len(names) + 16))
    rows = _rows([(at, v["variant"]) for at, v in zip(places, variants, strict=True)])
    more = 20 * max(0, max(rows) - 2)  # the plot moves down where the names take more than three rows
    y = Scale(0, 100, HEIGHT - 56 + more, 88 + more)
    ticks = [(value, say(value)) for value in x.ticks()]
    classes = variants[0]["headline"] == "accuracy"
    right = "Right answers, %" if classes else "Texts not below the BLEU threshold, %"
    parts = [axes(x, y, x_title, right, ticks), _floor(results, task, x, y)]
    for at, row, v in zip(places, rows, variants, strict=True):
        parts.append(_column(v, say(v[key]), found[v["variant"]], names, at, y))
        parts.append(_label(v["variant"], at, 64 + more - 20 * row, y))
    return svg(WIDTH, HEIGHT + more, title, *parts)


def legend(results: Record) -> Markup:
    """Return the legend as HTML buttons: each shows or hides its series."""
    items = []
    for i, (key, label) in enumerate(series(results)):
        sample = tag(
            "svg", symbol(i, 8, 8, 5, f"point {_colour(i)}"), viewBox="0 0 16 16", aria_hidden="true"
        )
        button = Markup('<button type="button" aria-pressed="true" data-series="{}">{}{}</button>')
        items.append(button.format(key, sample, label))
    return Markup("").join(items)


def _colour(index: int) -> str:
    return SERIES[index % len(SERIES)]


def _column(
    v: Record, where: str, found: Mapping[str, Record], names: Sequence[tuple[str, str]], at: float, y: Scale
) -> Markup:
    values = [found[key]["value"] for key, _ in names if key in found and found[key]["value"] is not None]
    parts = []
    if values:
        top, bottom = y(max(values)) - 17, min(y(min(values)) + 17, y.start)  # not over the axis
        half = 4.5 * len(names) + 6
        parts.append(
            tag("rect", x=at - half, y=top, width=2 * half, height=bottom - top, rx=half, class_="capsule")
        )
    for i, (key, label) in enumerate(names):
        estimate = found.get(key)
        if estimate is None or estimate["value"] is None:
            continue
        left = at + (i - (len(names) - 1) / 2) * 9
        bounds = words.interval(estimate["low"], estimate["high"])
        text = f"{v['variant']}, {label.lower()}: {words.number(estimate['value'])} %"
        text += f" ({bounds}; n = {estimate['n']}); {where}" if bounds else f"; {where}"
        whisker = Markup("")
        if estimate["low"] is not None:
            whisker = tag(
                "line",
                x1=left,
                x2=left,
                y1=y(estimate["low"]),
                y2=y(estimate["high"]),
                class_=f"whisker {_colour(i)}",
            )
        shape = tag("g", whisker, symbol(i, left, y(estimate["value"]), 6, f"point {_colour(i)}"))
        parts.append(mark(shape, text, data_series=key))
    return tag("g", *parts)


def _label(name: str, at: float, height: float, y: Scale) -> Markup:
    line = tag("line", x1=at, x2=at, y1=height + 5, y2=y.end - 2, class_="leader")
    return tag("g", line, tag("text", name, x=at, y=height, class_="direct middle"))


def _spread(pixels: Sequence[float], x: Scale, gap: float) -> list[float]:
    """Move points that share a place apart, evenly around it, within the plot: two variants stay two."""
    order = sorted(range(len(pixels)), key=lambda i: pixels[i])
    placed = list(pixels)
    cluster: list[int] = []
    for i in [*order, -1]:
        if i >= 0 and (not cluster or pixels[i] - pixels[cluster[-1]] < gap):
            cluster.append(i)
            continue
        half = len(cluster) * gap / 2
        middle = sum(pixels[j] for j in cluster) / len(cluster)
        middle = max(min(middle, x.end - half), x.start + half)
        for rank, j in enumerate(cluster if len(cluster) > 1 else ()):
            placed[j] = middle + (rank - (len(cluster) - 1) / 2) * gap
        cluster = [i]
    return placed


def _rows(labels: Sequence[tuple[float, str]]) -> list[int]:
    """Return a row for each (middle, name), counted from the plot: the first where it overlaps no other."""
    rows, ends = [0] * len(labels), list[float]()
    for i in sorted(range(len(labels)), key=lambda i: labels[i][0]):
        at, half = labels[i][0], 4.0 * len(labels[i][1]) + 4  # 13 px, bold
        rows[i] = next((row for row, end in enumerate(ends) if end < at - half), len(ends))
        ends[rows[i] : rows[i] + 1] = [at + half]
    return rows


def _floor(results: Record, task: str, x: Scale, y: Scale) -> Markup:
    floor = results["floors"].get(task, {}).get("accuracy")
    if floor is None:
        return Markup("")
    line = tag("line", x1=x.start, x2=x.end, y1=y(floor), y2=y(floor), class_="floor")
    name = tag("text", "bag of words", x=x.end + 8, y=y(floor) - 2, class_="tick")
    value = tag("text", f"{words.number(floor)} %", x=x.end + 8, y=y(floor) + 14, class_="tick")
    return tag("g", line, name, value)
