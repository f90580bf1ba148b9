"""A run as a folder that travels: complete artefacts and reports, with a checksum of every file.

What is unfinished (parts, checkpoints), the lock and the logs stay behind; the study goes on from the copy
with ``durometer run COPY/study.yaml --out COPY``, and finds its finished work by content.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from durometer.durable import explained, file_sha256, publish
from durometer.errors import InputError, StoreError
from durometer.study.artefacts import META, undamaged
from durometer.study.store import load_plan

MANIFEST = "manifest.json"
TOP = (
    "study.yaml",
    "plan.json",
    "env.json",
    "outcomes.parquet",
    "results.json",
    "report.html",
    "timings.jsonl",
)


@dataclass(frozen=True)
class Exported:
    """An exported folder and how much is in it."""

    folder: str
    files: int
    size_bytes: int


def export_run(run: Path, destination: Path) -> Exported:
    """Copy what is complete of ``run`` to ``destination`` and return what was written.

    Raises:
        InputError: ``run`` is not a run folder, or the destination exists.
        StoreError: the disk does not take it.

    """
    plan = load_plan(run)
    if destination.exists():
        raise InputError("is there already", where=str(destination), hint="Choose another folder with --out.")
    temporary = destination.with_name(f".{destination.name}.new")
    with explained(destination):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            for name in TOP:
                if (run / name).exists():
                    shutil.copyfile(run / name, temporary / name)
            for name in plan.nodes:
                if (run / "artefacts" / name / META).exists():
                    shutil.copytree(run / "artefacts" / name, temporary / "artefacts" / name)
            candidates = run / "candidates"  # names from a masked language model: dear to make again
            if candidates.exists():
                shutil.copytree(candidates, temporary / "candidates")
            checksums = {str(p.relative_to(temporary)): file_sha256(p) for p in _files(temporary)}
            (temporary / MANIFEST).write_text(json.dumps(checksums, indent=1))
            size = sum(path.stat().st_size for path in _files(temporary))
            publish(temporary, destination)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return Exported(str(destination), len(checksums), size)


def verify_export(folder: Path) -> Exported:
    """Return what was checked.

    Raises:
        InputError: not an exported folder.
        StoreError: a file is missing or differs; the message names it.

    """
    if not (folder / MANIFEST).is_file():
        raise InputError("not an exported run (no manifest.json)", where=str(folder))
    with undamaged(folder / MANIFEST, "Copy the folder again."):
        checksums: dict[str, str] = dict(json.loads((folder / MANIFEST).read_text()))
    size = 0
    for name, expected in checksums.items():
        path = folder / name
        if not path.is_file():
            raise StoreError(
                "a file of the export is missing", where=str(path), hint="Copy the folder again."
            )
        if file_sha256(path) != expected:
            raise StoreError("differs from what was exported", where=str(path), hint="Copy the folder again.")
        size += path.stat().st_size
    return Exported(str(folder), len(checksums), size)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
