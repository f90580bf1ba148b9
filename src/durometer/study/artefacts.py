"""Artefacts on disk: write-once folders, named by what they are.

<run>/artefacts/<kind>-<hash>/     complete, never changed; ``meta.json`` says what made it
<run>/artefacts/.new-…/            being made; a killed process's go when the run ends or resumes
<run>/work/<kind>-<hash>/          checkpoints and parts of what is not complete: kept until it is
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polars.exceptions import PolarsError

from durometer.durable import explained, publish
from durometer.errors import StoreError
from durometer.study.plan import VERSIONS, Node

META = "meta.json"


@contextmanager
def undamaged(path: Path, hint: str = "Run its study again with --out, or copy it again.") -> Iterator[None]:
    """Read ``path`` inside, a file or folder of a run: what a damaged one does to its reader is explained.

    Raises:
        StoreError: it is damaged, or another version of durometer made it.

    """
    try:
        with explained(path):
            yield
    except (ValueError, LookupError, TypeError, AttributeError, PolarsError) as error:
        what = f"damaged, or made by another version ({type(error).__name__}: {error})"
        raise StoreError(what, where=str(path), hint=hint) from error


@dataclass(frozen=True)
class Artefacts:
    """The artefacts of one run folder."""

    run: Path

    @property
    def folder(self) -> Path:
        """Where complete artefacts are."""
        return self.run / "artefacts"

    def prepare(self) -> None:
        """Make the folders and sweep them (call with the run's lock held)."""
        with explained(self.run):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.run / "work").mkdir(exist_ok=True)
        self.sweep()

    def sweep(self) -> None:
        """Remove what killed processes left half-made (with the lock held and no worker alive)."""
        with explained(self.run):
            for leftover in self.folder.glob(".new-*"):
                shutil.rmtree(leftover)
            for finished in (self.run / "work").iterdir():
                if (self.folder / finished.name / META).exists():
                    shutil.rmtree(finished)

    def path(self, name: str) -> Path:
        """Return the folder of the artefact ``name``, whether or not it exists."""
        return self.folder / name

    def has(self, node: Node) -> bool:
        """Whether the artefact is complete."""
        return (self.path(node.name) / META).exists()

    def work(self, node: Node) -> Path:
        """Return (and make) the folder for checkpoints and parts of an unfinished artefact."""
        folder = self.run / "work" / node.name
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def make(self, node: Node, fill: Callable[[Path], None]) -> None:
        """Let ``fill`` write the artefact into a temporary folder, then publish it and drop its work.

        Raises:
            StoreError: the disk does not take it; nothing half-made stays behind.

        """
        temporary = self.folder / f".new-{node.name}-{os.getpid()}"
        with explained(temporary):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            try:
                fill(temporary)
                meta = node.to_json() | {"version": VERSIONS[node.kind]}
                (temporary / META).write_text(json.dumps(meta, indent=1))
                publish(temporary, self.path(node.name))
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            shutil.rmtree(self.run / "work" / node.name, ignore_errors=True)

    def read_json(self, name: str, file: str) -> Any:
        """Return the parsed JSON ``file`` of the artefact ``name``.

        Raises:
            StoreError: the artefact is damaged.

        """
        path = self.path(name) / file
        with explained(path):
            try:
                return json.loads(path.read_text())
            except ValueError as error:
                raise StoreError(
                    f"damaged ({error})", where=str(path), hint=f"Delete {path.parent}: it is made again."
                ) from None
