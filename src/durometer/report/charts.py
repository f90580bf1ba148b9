"""Parts that every chart is made of: scales, axes and escaped SVG elements.

Charts are drawn here rather than by a chart library, for three reasons: the page needs no script to show
them, so its content-security policy allows nothing but one hashed script; they take their colours from
the page's style sheet, so dark mode and print come for free; and the file that is exported is the
picture on the page. Every mark carries its numbers in ``aria-label``, which screen readers read and the
tooltip shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

SERIES = ("series-1", "series-2", "series-3", "series-4", "series-5", "series-6")


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic map from ``low … high`` to ``start … end`` pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of ``value``; values outside are clamped to the frame."""
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, count: int = 6) -> list[float]:
        """Return round numbers within the range."""
        if self.log:
            steps = (1, 2, 3, 5) if self.high / self.low < 300 else (1,)
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            return [s * 10.0**p for p in powers for s in steps if self.low <= s * 10.0**p <= self.high]
        raw = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [round(i * step, 10) for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def padded_log(values: Sequence[float], start: float, end: float) -> Scale:
    """Return a logarithmic scale with room around positive ``values``."""
    low, high = min(values), max(values)
    factor = max(1.25, (high / low) ** 0.12)
    return Scale(low / factor, high * factor, start, end, log=True)


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """Return an SVG element, text and attribute values escaped; ``class_`` is ``class``, ``_`` is ``-``."""
    pairs = [
        Markup(' {}="{}"').format(Markup(key.strip("_").replace("_", "-")), value)
        for key, value in attributes.items()
        if value is not None
    ]
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), Markup("").join(pairs), inside)


def svg(width: int, height: int, title: str, *children: str) -> Markup:
    """Return a whole picture that scales with its column and names itself to screen readers."""
    return tag(
        "svg",
        tag("title", title),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        class_="chart",
        role="group",
        aria_label=title,
    )


def mark(shape: Markup, label: str, **attributes: object) -> Markup:
    """Return ``shape`` as a data point: focusable, labelled, with a tooltip."""
    return tag("g", shape, class_="mark", tabindex="0", role="img", aria_label=label, **attributes)


def axes(x: Scale, y: Scale, x_title: str, y_title: str, x_ticks: Sequence[tuple[float, str]]) -> Markup:
    """Return the frame of a plot: horizontal grid lines, tick labels and titles."""
    parts = []
    for value in y.ticks(5):
        parts.append(tag("line", x1=x.start, x2=x.end, y1=y(value), y2=y(value), class_="gridline"))
        parts.append(tag("text", f"{value:g}", x=x.start - 10, y=y(value) + 4, class_="tick end"))
    for value, text in x_ticks:
        parts.append(tag("line", x1=x(value), x2=x(value), y1=y.start, y2=y.start + 5, class_="axis"))
        parts.append(tag("text", text, x=x(value), y=y.start + 20, class_="tick middle"))
    parts.append(tag("line", x1=x.start, x2=x.end, y1=y.start, y2=y.start, class_="axis"))
    parts.append(tag("text", x_title, x=(x.start + x.end) / 2, y=y.start + 42, class_="axis-title middle"))
    parts.append(tag("text", y_title, x=0, y=14, class_="axis-title"))
    return tag("g", *parts, aria_hidden="true")


def symbol(kind: int, x: float, y: float, radius: float, class_: str) -> Markup:
    """Return marker ``kind`` (circle, square, diamond, triangle, …): shape repeats what colour says.

    Seven shapes beside six colours: no two of the first 42 series look the same.
    """
    r, arm = radius, radius / 3
    if kind % 7 == 0:
        return tag("circle", cx=x, cy=y, r=r, class_=class_)
    plus = ((-arm, -r), (arm, -r), (arm, -arm), (r, -arm), (r, arm), (arm, arm))
    offsets = (
        ((-r, -r), (r, -r), (r, r), (-r, r)),
        ((0, -1.35 * r), (1.35 * r, 0), (0, 1.35 * r), (-1.35 * r, 0)),
        ((0, -1.25 * r), (1.15 * r, 0.9 * r), (-1.15 * r, 0.9 * r)),
        ((0, 1.25 * r), (-1.15 * r, -0.9 * r), (1.15 * r, -0.9 * r)),
        (*plus, *((-dx, -dy) for dx, dy in plus)),
        ((-1.3 * r, 0), (-0.6 * r, -r), (0.6 * r, -r), (1.3 * r, 0), (0.6 * r, r), (-0.6 * r, r)),
    )[kind % 7 - 1]
    points = " ".join(f"{x + dx * 0.92:.2f},{y + dy * 0.92:.2f}" for dx, dy in offsets)
    return tag("polygon", points=points, class_=class_)
