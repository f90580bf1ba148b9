"""The report in pieces, for papers: figures as SVG and PDF, tables as CSV and LaTeX.

A figure is the page's own picture with the light theme's colours written into it, so that it stands alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from durometer.report.contents import all_tables
from durometer.report.curves import budget_charts
from durometer.report.files import write_bytes, write_text
from durometer.report.frontier import frontiers
from durometer.report.heat import transfer_charts
from durometer.report.html import asset
from durometer.report.ranking import rank_charts
from durometer.report.tables import Record, to_csv, to_latex


def write_exports(results: Record, folder: Path) -> list[Path]:
    """Write ``figures/*.svg``, ``figures/*.pdf``, ``tables/*.csv`` and ``tables/*.tex`` into ``folder``."""
    import vl_convert

    written = []
    for name, picture in figures(results):
        text = standalone(picture)
        written.append(write_text(folder / "figures" / f"{name}.svg", text))
        written.append(write_bytes(folder / "figures" / f"{name}.pdf", vl_convert.svg_to_pdf(text)))
    for table in all_tables(results):
        if table.rows:
            written.append(write_text(folder / "tables" / f"{table.id}.csv", to_csv(table)))
            written.append(write_text(folder / "tables" / f"{table.id}.tex", to_latex(table)))
    return written


def figures(results: Record) -> Iterator[tuple[str, str]]:
    """Yield (file name without ending, picture) of every chart of the page."""
    for axis, name, picture in frontiers(results):
        yield _file_name("frontier", axis, name), picture
    for kind, charts in (
        ("budget", budget_charts(results)),
        ("ranks", rank_charts(results)),
        ("transfer", transfer_charts(results)),
    ):
        for name, picture in charts:
            yield _file_name(kind, name), picture


def standalone(picture: str) -> str:
    """Return an SVG of the page as one that needs no style sheet: light colours, sizes in the file."""
    sheet = asset("page.css")
    colours = dict(re.findall(r"(--[\w-]+):\s*([^;]+);", sheet[: sheet.index("}")]))
    rules = re.findall(r"^\s*((?:\.[\w-]+|svg)[^{}\n]*\{[^{}\n]*\})", sheet, flags=re.MULTILINE)
    used = set(re.findall(r'class="([^"]+)"', picture))
    classes = {name for value in used for name in value.split()}
    kept = [rule for rule in rules if _styles(rule, classes)]
    style = re.sub(r"var\((--[\w-]+)\)", lambda m: colours[m[1]], "\n".join(kept))
    width, height = re.search(r'viewBox="0 0 (\S+) (\S+)"', picture).groups()  # type: ignore[union-attr]
    sized = str(picture).replace("<svg ", f'<svg width="{width}" height="{height}" ', 1)
    ground = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return sized.replace("</title>", f"</title><style>{style}</style>{ground}", 1)


def _styles(rule: str, classes: set[str]) -> bool:
    """Whether every class that ``rule`` selects by occurs in the picture, and no interaction is meant."""
    selector = rule.partition("{")[0]
    names = set(re.findall(r"\.([\w-]+)", selector))
    return bool(names & classes) and ":" not in selector and "[" not in selector


def _file_name(*words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")
