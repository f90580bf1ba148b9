"""What a verb tells a person on standard error: standard output is for results."""

from __future__ import annotations

import sys
from collections.abc import Mapping


def say(text: str) -> None:
    """Print one line."""
    print(f"durometer: {text}", file=sys.stderr, flush=True)


def tell(notes: Mapping[str, str]) -> None:
    """Print what is odd about a corpus (skipped lines, repeated ids, leakage, floor)."""
    for name, note in notes.items():
        print(f"note: {name}: {note}", file=sys.stderr)
