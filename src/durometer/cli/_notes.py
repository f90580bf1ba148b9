"""What is odd about the data, said before the numbers that depend on it."""

from __future__ import annotations

from collections.abc import Mapping

import typer


def tell(notes: Mapping[str, str]) -> None:
    """Print a corpus's notes (skipped lines, repeated ids, leakage, floor) on standard error."""
    for name, note in notes.items():
        typer.echo(f"note: {name}: {note}", err=True)
