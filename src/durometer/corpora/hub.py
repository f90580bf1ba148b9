"""Data sets of the Hugging Face hub, or of a folder in its layout, with a column mapping.

Nothing is fetched unless the user allows downloads: what is cached already is read without the network.
Loading scripts do not run (``datasets`` 4 has none), so that data stays data.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from durometer.corpora.base import Corpus
from durometer.corpora.columns import samples_of
from durometer.corpora.files import Damage
from durometer.corpora.splits import WORDS, divided_by_group, finished
from durometer.errors import InputError, RefusedError, extra
from durometer.types import Sample


def hub(
    path: str,
    *,
    split: str | None,
    task: str,
    columns: Mapping[str, str] | None = None,
    language: str | None = None,
    name: str | None = None,
    revision: str | None = None,
    allow_download: bool = False,
) -> Corpus:
    """Read a data set of the Hugging Face hub, or a folder in its layout, with a column mapping.

    Source: the hub, where downloads are allowed; the cache or a folder otherwise.

    Args:
        path: the data set's name (``owner/data-set``), or a folder of JSON lines, Parquet or CSV.
        split: only this split (``train``, ``valid`` or ``test``); all three otherwise.
        task: decides which fields a row must have.
        columns: our fields to the data set's, as for ``jsonl``.
        language: of all rows, where no column says it.
        name: which configuration of the data set.
        revision: branch, tag or commit.
        allow_download: fetch what is not in the cache.

    Raises:
        MissingExtraError: ``datasets`` is not installed.
        RefusedError: it is neither a folder nor cached, and downloads are not allowed.
        InputError: it cannot be loaded, has no such split, or a row lacks a field.

    """
    tables = _tables(path, name, revision, allow_download)
    splits: dict[str, list[Sample]] = {}
    for said, table in tables.items():
        key = WORDS.get(str(said).lower())
        wanted = key or (str(said) if len(tables) == 1 or split == said else None)
        if wanted and split in (None, said, key):
            where = Path(f"{path}#{said}")
            rows = _rows(table, where)
            splits.setdefault(wanted, []).extend(samples_of(rows, where, task, columns, language))
    if not splits:
        shown = ", ".join(map(str, tables))
        raise InputError(
            f"no split {split or 'train, valid or test'!r}", where=path, hint=f"Splits: {shown}."
        )
    (only, samples), *rest = splits.items()
    divided = divided_by_group(samples) if not rest and only not in WORDS.values() else splits
    return finished(
        "hub", task, divided, Damage(), source=f"{path}@{revision}" if revision else path, where=path
    )


def _rows(table: Iterable[Mapping[str, Any]], where: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    number = 0
    try:
        for number, row in enumerate(table, 1):
            yield number, row
    except UnicodeDecodeError as error:
        hint = "Write the file again in UTF-8, or read it with jsonl: or csv:, which keep such bytes."
        raise InputError(f"not UTF-8: {error.reason}", where=f"{where}:{number + 1}", hint=hint) from None


def _tables(path: str, name: str | None, revision: str | None, allow_download: bool) -> Mapping[str, Any]:
    local = Path(path).expanduser()
    if not local.is_dir() and (local.is_absolute() or path.startswith(".")):
        raise InputError("no such file or folder", where=path, hint="Give a folder, or owner/data-set.")
    if not local.is_dir() and not allow_download:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # counts only before the library is imported
    with extra("datasets", "a data set of the hub"):
        import datasets
    if not local.is_dir() and not allow_download:
        datasets.config.HF_HUB_OFFLINE = True
    source = str(local) if local.is_dir() else path
    try:
        tables: Mapping[str, Any] = datasets.load_dataset(source, name, revision=revision)
    except Exception as error:  # network, cache, layout and schema errors have no common base
        reason = " ".join(str(error.__cause__ or error).split())[:200] or "It holds no rows."
        if local.is_dir() or allow_download:
            raise InputError("cannot be loaded", where=path, hint=reason) from None
        raise RefusedError(
            "neither a folder nor in the cache, and downloads are not allowed",
            where=f"hub:{path}",
            hint="Pass --allow-download to eval, train or compress (they fill the cache), or give a study's "
            "corpus the option allow_download: true.",
        ) from None
    return tables
