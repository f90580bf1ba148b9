"""Files of a report, which appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

from durometer.durable import write_atomically


def write_text(path: Path, text: str) -> Path:
    """Write ``text`` to ``path``, all of it or nothing; return ``path``.

    Text that is not Unicode (a lone surrogate from undecodable source bytes) is written as ``?``.
    """
    return write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: Path, data: bytes) -> Path:
    """Write ``data`` to ``path``, all of it or nothing; return ``path``."""
    write_atomically(path, data)
    return path
