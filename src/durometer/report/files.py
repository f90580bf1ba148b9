"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from durometer.errors import StoreError


def write_text(path: Path, text: str) -> Path:
    """Write ``text`` to ``path`` by temporary file, fsync and rename; return ``path``.

    Text that is not Unicode (a lone surrogate from undecodable source bytes) is written as ``?``.
    """
    return write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: Path, data: bytes) -> Path:
    """Write ``data`` to ``path`` by temporary file, fsync and rename; return ``path``."""
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        raise StoreError(
            f"cannot write: {error.strerror or error}",
            where=str(path),
            hint="Free some space or choose another folder, then run the command again.",
        ) from error
    return path
