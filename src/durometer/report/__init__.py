"""Reports: a run's results as a record, a page, tables and a terminal summary, all in the same words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from durometer.study.view import RunView


def write_report(view: RunView, folder: Path, results: dict[str, Any] | None = None) -> Path:
    """Write ``results.json`` and ``report.html`` into ``folder`` and return the page's path.

    ``results`` saves computing them again. Each file appears whole or not at all. Raises ``StoreError``
    where the folder cannot be written.
    """
    from durometer.report.files import write_text
    from durometer.report.page import render_page
    from durometer.report.results import build_results

    results = results or build_results(view)
    write_text(folder / "results.json", to_json(results))
    return write_text(folder / "report.html", render_page(results, view.outcomes))


def to_json(results: dict[str, Any]) -> str:
    """Return ``results`` as the text of ``results.json``."""
    return json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def terminal_table(results: dict[str, Any]) -> RenderableType:
    """Return the summary of ``results`` for a rich console at least 80 columns wide."""
    from durometer.report.terminal import terminal_table as build

    return build(results)
