"""Whose unfinished work a folder holds: going on with another's would mix the two without a word."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from durometer.durable import explained, write_atomically
from durometer.errors import StoreError


def claim(path: Path, asked: Mapping[str, Any], what: str, *, free: bool, may_differ: str = "") -> None:
    """Note in ``path`` what is asked for where its folder is ``free``; else compare it with what was.

    Raises:
        StoreError: something else was asked for; the message names the fields, ``may_differ`` excepted.

    """
    asked, hint = json.loads(json.dumps(asked)), "Choose another folder with --out."
    if free or not path.exists():
        write_atomically(path, json.dumps(asked, indent=2).encode() + b"\n")
        return
    try:
        with explained(path):
            found = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        what = "damaged: it said what the work beside it is of"
        raise StoreError(what, where=str(path), hint=hint) from None
    differing = [name for name in asked if name != may_differ and asked[name] != found.get(name)]
    if differing:
        what = f"holds another {what}: {', '.join(differing)} changed"
        raise StoreError(what, where=str(path.parent), hint=hint)
