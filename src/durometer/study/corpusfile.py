"""Corpora as artefacts: one JSON line per sample and split, readable without the reader that made them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from durometer.corpora.base import CORPORA, Corpus
from durometer.errors import InputError
from durometer.registry import Registry
from durometer.study.durable import explained
from durometer.types import Sample

BUILTIN: Registry[Callable[..., Corpus]] = Registry(
    "built-in corpus",
    {
        "builtin-clones": "durometer.corpora.builtin_clones:builtin_clones",
        "builtin-cwe": "durometer.corpora.builtin_cwe:builtin_cwe",
        "builtin-summaries": "durometer.corpora.builtin_summaries:builtin_summaries",
    },
)


def known_corpora() -> list[str]:
    """Return the names that a study's ``corpus:`` may start with."""
    return [*BUILTIN, *CORPORA]


def load_corpus(name: str, path: str, split: str, task: str, options: Mapping[str, Any]) -> Corpus:
    """Generate a built-in corpus, or read one with its reader.

    Raises:
        InputError: it cannot be read (with file and line), or an option is unknown.

    """
    try:
        if name in BUILTIN:
            return BUILTIN.get(name)(**options)
        return CORPORA.get(name)(path, split=split or None, task=task, **options)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise InputError(str(error).partition("() ")[2], where=f"options of the corpus {name}") from None


def write_corpus(corpus: Corpus, folder: Path) -> None:
    """Write every split, the ids of the test split, and what people must know about the data."""
    for split, samples in corpus.splits.items():
        with explained(folder), open(folder / f"{split}.jsonl", "w", encoding="utf-8") as file:
            for sample in samples:
                record = {
                    "id": sample.id,
                    "language": sample.language,
                    "code": sample.code,
                    "other": sample.other,
                    "label": sample.label,
                    "reference": sample.reference,
                    "group": sample.group,
                    "meta": dict(sample.meta),
                }
                file.write(json.dumps(record) + "\n")
    about = {
        "name": corpus.name,
        "task": corpus.task,
        "content_hash": corpus.content_hash,
        "sizes": {split: len(samples) for split, samples in corpus.splits.items()},
        "notes": dict(corpus.notes),
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1))
    (folder / "test_ids.json").write_text(json.dumps([s.id for s in corpus.splits.get("test", ())]))


def read_samples(folder: Path, split: str, ids: Iterable[str] | None = None) -> Iterator[Sample]:
    """Yield the samples of a split in their order, or only those with the given ids, in the ids' order."""
    path = folder / f"{split}.jsonl"
    with explained(path), open(path, encoding="utf-8") as file:
        if ids is None:
            yield from (Sample(**json.loads(line)) for line in file)
            return
        order = list(ids)
        wanted = set(order)
        found = {}
        for line in file:
            record = json.loads(line)
            if record["id"] in wanted:
                found[record["id"]] = record
        yield from (Sample(**found[name]) for name in order)


def read_corpus(folder: Path) -> Corpus:
    """Return the whole corpus of an artefact."""
    about = json.loads((folder / "about.json").read_text())
    splits = {split: tuple(read_samples(folder, split)) for split in about["sizes"]}
    return Corpus(about["name"], about["task"], splits, about["notes"])
