"""Corpora as artefacts: one JSON line per sample and split, readable without the reader that made them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from durometer.corpora.base import Corpus
from durometer.durable import explained
from durometer.types import Sample


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
