"""One HTML file that holds the whole report: it works offline, and nothing it does can leave it.

What its content-security policy needs: one inline script and one inline style sheet, both named by their
SHA-256, and nothing else: no ``eval``, no ``unsafe-inline``, no image, font, frame, form or connection.
Data is in JSON blocks with every ``<`` escaped, which no browser executes, and reaches the page through
``textContent`` only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import polars as pl
from markupsafe import Markup, escape

from durometer.report import words
from durometer.report.contents import all_tables
from durometer.report.curves import budget_charts
from durometer.report.examples import embedded_examples
from durometer.report.frontier import frontiers, legend
from durometer.report.heat import transfer_charts
from durometer.report.html import allowed, asset, environment
from durometer.report.ranking import rank_charts
from durometer.report.tables import Record, to_csv, to_latex


def render_page(results: Record, outcomes: pl.DataFrame) -> str:
    """Return the page for ``results``; ``outcomes`` gives the examples."""
    style, script = asset("page.css"), asset("page.js")
    policy = (
        f"default-src 'none'; script-src {allowed(script)}; style-src {allowed(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    tables = all_tables(results)
    exports = {t.id: {"csv": to_csv(t), "tex": to_latex(t)} for t in tables}
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            policy=policy,
            style=Markup(style),
            script=Markup(script),
            results=results,
            words=words,
            evidence=evidence,
            tables={table.id: table for table in tables},
            charts=frontiers(results),
            curves=budget_charts(results),
            transfers=transfer_charts(results),
            rankings=rank_charts(results),
            legend=legend(results),
            methods=_flat(results["config"]),
            provenance=_flat(results["provenance"]),
            corpora=_flat(results["corpora"]) + _floors(results["floors"]),
            timings=[(stage, words.number(value)) for stage, value in results["timings_seconds"].items()],
            data={
                "results-data": json_block(results),
                "examples-data": json_block(embedded_examples(outcomes)),
                "exports-data": json_block(exports),
                "words-data": json_block(
                    {"statuses": words.STATUSES, "attacks": words.ATTACK_NAMES, "classes": results["classes"]}
                ),
            },
        )
    )


def evidence(sentence: str) -> Markup:
    """Return ``sentence`` with its bracketed evidence set apart, and numbers kept with their units."""
    kept = re.sub(r" (?=[%×])|(?<=[<=]) |(?<=\bp) (?=[<=])", "\u00a0", sentence)
    parts = re.split(r"(\([^()]*\))", kept)
    spans = [
        Markup("<span>{}</span>").format(part) if part.startswith("(") else escape(part) for part in parts
    ]
    return Markup("").join(spans)


def json_block(thing: object) -> Markup:
    """Return ``thing`` as JSON that is safe inside a script element, whatever text it holds."""
    text = json.dumps(thing, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _floors(floors: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str]]:
    """Return (task and floor, value) rows: rates with a decimal and their unit, AUC with three."""
    return [
        (f"floor.{task}.{key}", words.number(value, 3) if key == "auc" else words.measured(unit, value))
        for task, floor in floors.items()
        for key, value in floor.items()
        for unit in ["bleu" if "bleu" in key else "accuracy"]
    ]


def _flat(thing: object, prefix: str = "") -> list[tuple[str, str]]:
    """Return nested records as (dotted name, value) rows; lists of plain values stay on one line."""
    if isinstance(thing, Mapping):
        items = [(f"{prefix}.{key}" if prefix else str(key), value) for key, value in thing.items()]
    elif isinstance(thing, list) and any(isinstance(value, (Mapping, list)) for value in thing):
        items = [(f"{prefix}[{i}]", value) for i, value in enumerate(thing)]
    else:
        text = ", ".join(map(str, thing)) if isinstance(thing, list) else str(thing)
        return [(prefix, text)]
    return [row for name, value in items for row in _flat(value, name)]
