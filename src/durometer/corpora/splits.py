"""Which rows are for training and which for testing: by file name, or by whole groups."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from durometer.corpora.base import Corpus
from durometer.corpora.files import Damage, existing
from durometer.corpora.leakage import leakage
from durometer.errors import InputError
from durometer.types import Sample, content_hash

SPLITS = ("train", "valid", "test")
WORDS = {
    "train": "train",
    "valid": "valid",
    "dev": "valid",
    "validation": "valid",
    "val": "valid",
    "test": "test",
}
SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".txt", ".txt.gz", ".csv", ".csv.gz", ".parquet")
# Of a corpus that comes in one piece, by the hash of the group: 70, 10 and 20 percent.
TRAIN_BELOW, VALID_BELOW = 0.70, 0.80

ReadRows = Callable[[Path, Damage], Sequence[Sample]]


def split_of(name: str) -> str | None:
    """Return the split that a file name says (``test_0_1366.jsonl`` → ``test``), or None."""
    for word in re.split(r"[^a-z]+", name.lower()):
        if word in WORDS:
            return WORDS[word]
    return None


def split_files(folder: Path, split: str | None, suffixes: Sequence[str] = SUFFIXES) -> dict[str, Path]:
    """Return split → file of a folder; ``test.txt`` goes before ``test_sampled.txt``.

    ``split`` picks one split, or one file by its exact stem.

    Raises:
        InputError: there is no such file.

    """
    found: dict[str, Path] = {}
    names = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    candidates = [n for n in sorted(names, key=lambda n: (len(n), n)) if n.endswith(tuple(suffixes))]
    for name in candidates:
        said = split_of(name)
        if said and split == name.partition(".")[0]:
            return {said: names[name]}
        if said and split in (None, said) and said not in found:
            found[said] = names[name]
    if not found:
        wanted = f"file for the split {split!r}" if split else "train, valid or test file"
        shown = ", ".join(candidates) or "none that fits"
        raise InputError(
            f"no {wanted}", where=str(folder), hint=f"Files: {shown}. Name one, or call it test{suffixes[0]}."
        )
    return {name: found[name] for name in SPLITS if name in found}


def read_splits(name: str, path: str, split: str | None, task: str, read: ReadRows) -> Corpus:
    """Return the corpus of a file or a folder with a file for each split.

    A file whose name says a split is that split. Any other file is divided by the hash of each sample's
    group; ``#all`` takes it whole, as ``test``.

    Raises:
        InputError: nothing there, no such split, or no sample left.

    """
    place, damage = existing(path), Damage()
    if place.is_dir():
        splits = {key: read(file, damage) for key, file in split_files(place, split).items()}
    else:
        samples, said = read(place, damage), split_of(place.name)
        if split == "all":
            splits = {"test": samples}
        elif said:
            splits = {said: samples}
        else:
            splits = divided_by_group(samples)
        if split not in (None, "all", *splits):
            raise InputError(
                f"no split {split!r}", where=str(place), hint=f"Splits: {', '.join(splits)}, all."
            )
        if split in splits:
            splits = {split: splits[split]}
    return finished(name, task, splits, damage, source=place.name, where=place)


def divided_by_group(samples: Sequence[Sample]) -> dict[str, Sequence[Sample]]:
    """Divide samples into train, valid and test by the hash of their group (id where it is empty)."""
    result: dict[str, list[Sample]] = {split: [] for split in SPLITS}
    for sample in samples:
        draw = int(content_hash("split", sample.group or sample.id), 16) / 16**16
        result["train" if draw < TRAIN_BELOW else "valid" if draw < VALID_BELOW else "test"].append(sample)
    return {split: members for split, members in result.items() if members}


def finished(
    name: str,
    task: str,
    splits: Mapping[str, Sequence[Sample]],
    damage: Damage,
    *,
    source: str,
    where: object,
) -> Corpus:
    """Return the corpus with unique ids in each split and notes on everything unusual.

    A repeated id gets ``@2``, ``@3`` … behind it: some published files have them.

    Raises:
        InputError: no sample is left.

    """
    if not any(splits.values()):
        found = "; ".join(f"{reason}: {count}" for reason, count in damage.notes().items())
        hint = found or "Nothing is in there: check the path, and that the file is complete."
        raise InputError("no usable rows", where=str(where), hint=hint)
    notes = {"source": source, **damage.notes()}
    unique: dict[str, tuple[Sample, ...]] = {}
    for split, samples in splits.items():
        unique[split] = _unique_ids(samples, notes, split)
        classes = {sample.label for sample in samples}
        if len(classes) == 1 and None not in classes:
            notes[f"only one class in {split}"] = f"label {classes.pop()}"
    notes |= leakage(unique).notes()
    return Corpus(name, task, unique, notes)


def _unique_ids(samples: Sequence[Sample], notes: dict[str, str], split: str) -> tuple[Sample, ...]:
    """Give repeated ids a number behind them, and note how many rows and how many mere ids repeat."""
    seen: dict[str, list[Sample]] = {}
    result, rows, ids = [], 0, 0
    for sample in samples:
        earlier = seen.setdefault(sample.id, [])
        if earlier:
            same = any(
                (e.code, e.other, e.label) == (sample.code, sample.other, sample.label) for e in earlier
            )
            rows, ids = rows + same, ids + (not same)
            result.append(dataclasses.replace(sample, id=f"{sample.id}@{len(earlier) + 1}"))
        else:
            result.append(sample)
        earlier.append(sample)
    if rows:
        notes[f"repeated rows in {split}"] = str(rows)
    if ids:
        notes[f"different rows with one id in {split}"] = str(ids)
    return tuple(result)
