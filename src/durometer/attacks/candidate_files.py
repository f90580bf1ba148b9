"""Precomputed candidates on disk: ALERT's file format, and a content-addressed cache.

A file is JSON lines, gzip if its name ends in ``.gz``: one row per snippet with
``substitutes: {identifier: [candidate, …]}`` and a key: ``snippet_id`` (ours), ``idx`` (ALERT's Devign files)
or ``id1``, ``id2`` (ALERT's pair files; the candidates are those of the first snippet).

A snippet that a file does not cover is an error, not an empty list: a sample must never look
robust because nothing was tried on it.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from durometer.code import Snippet
from durometer.corpora.files import NO_UTF8, lines
from durometer.durable import replacing
from durometer.errors import InputError, not_utf8
from durometer.types import Sample, content_hash

Candidates = Mapping[str, tuple[str, ...]]
Source = Callable[[Snippet], Candidates]


class CandidateFile:
    """A file of candidates, bound to the samples that it was made for."""

    def __init__(self, path: Path, samples: Iterable[Sample]) -> None:
        """Read ``path`` and match its rows to ``samples``.

        Raises:
            InputError: no such file, a malformed row (with its line), or no row matches any sample.

        """
        self.path = path
        rows = dict(read_rows(path))
        self._by_snippet: dict[str, Candidates] = {}
        for sample in samples:
            key = next((key for key in keys_of(sample) if key in rows), None)
            if key is not None:
                self._by_snippet.setdefault(sample.snippet_id, rows[key])
        if not self._by_snippet:
            raise InputError(
                "none of its rows belongs to a sample of the data",
                where=str(path),
                hint="Rows are matched by snippet_id, idx, or id1 and id2.",
            )

    def __call__(self, snippet: Snippet) -> Candidates:
        """Return the candidates of ``snippet``.

        Raises:
            InputError: the file has none for it.

        """
        try:
            return self._by_snippet[snippet.snippet_id]
        except KeyError:
            raise InputError("no candidates for this snippet", where=str(self.path)) from None


def read_rows(path: Path) -> Iterator[tuple[str, Candidates]]:
    """Yield (key, candidates) of each row; see ``keys_of`` for keys.

    Raises:
        InputError: the file cannot be read, or a row is malformed; names the line.

    """
    for number, line in lines(path):
        if line.strip():
            yield _row(line, f"{path}, line {number}")


def _row(line: str, where: str) -> tuple[str, Candidates]:
    if NO_UTF8.search(line):
        raise not_utf8(line.encode("utf-8", "surrogateescape")[:100], where)
    try:
        row = json.loads(line)
        substitutes = {
            str(name): tuple(str(candidate) for candidate in names)
            for name, names in row["substitutes"].items()
        }
        return row_key(row), substitutes
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"not a row of candidates: {error}",
            where=where,
            hint='Expected {"snippet_id" | "idx" | "id1", "id2": …, "substitutes": {name: [candidate, …]}}.',
        ) from error


def row_key(row: Mapping[str, Any]) -> str:
    """Return the key of a row: ``snippet:…``, ``idx:…`` or ``pair:id1,id2``."""
    if "snippet_id" in row:
        return f"snippet:{row['snippet_id']}"
    if "idx" in row:
        return f"idx:{row['idx']}"
    return f"pair:{row['id1']},{row['id2']}"


def keys_of(sample: Sample) -> Iterator[str]:
    """Yield the keys under which a file may keep this sample's candidates, most certain first."""
    yield f"snippet:{sample.snippet_id}"
    if sample.other is not None:
        yield f"pair:{sample.meta.get('first')},{sample.meta.get('second')}"
    yield f"idx:{sample.id.partition('@')[0]}"  # readers number repeated ids: 12, 12@2, …


def write_rows(path: Path, rows: Iterable[tuple[str, Candidates]]) -> int:
    """Write (snippet id, candidates) rows, whole or not at all; return how many.

    The bytes depend on the rows alone (no time stamp inside the gzip header).
    """
    count = 0
    with replacing(path) as temporary, temporary.open("wb") as raw:
        packed = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if path.suffix == ".gz" else raw
        with io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as out:
            for snippet_id, substitutes in rows:
                row = {"snippet_id": snippet_id, "substitutes": dict(substitutes)}
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
    return count


def cached(source: Source, folder: Path | str | None, fingerprint: str) -> Source:
    """Return ``source`` with its answers kept in ``folder`` (if any), by snippet and ``fingerprint``.

    ``fingerprint`` must name everything else that the answers depend on (model, settings). Files are
    written once, by rename, so that processes may share the folder.
    """
    if folder is None:
        return source

    def look_up(snippet: Snippet) -> Candidates:
        path = Path(folder) / f"{content_hash(fingerprint, snippet.snippet_id)}.jsonl"
        if path.is_file():
            return next(iter(read_rows(path)))[1]
        answer = source(snippet)
        write_rows(path, [(snippet.snippet_id, answer)])
        return answer

    return look_up
