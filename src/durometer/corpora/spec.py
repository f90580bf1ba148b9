"""``FORMAT:PATH[#split]``: how a corpus is named on the command line and in study files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from durometer.corpora.base import CORPORA, Corpus
from durometer.errors import InputError


@dataclass(frozen=True, slots=True)
class CorpusSpec:
    """A parsed name. ``split`` is None where none was given."""

    format: str
    path: str
    split: str | None = None

    def __str__(self) -> str:
        return f"{self.format}:{self.path}" + (f"#{self.split}" if self.split else "")

    def read(self, task: str, options: Mapping[str, Any] | None = None) -> Corpus:
        """Read the corpus with its reader.

        Raises:
            UnknownNameError: no reader of this name.
            InputError: the data cannot be used; says file and line.

        """
        return CORPORA.get(self.format)(self.path, split=self.split, task=task, **(options or {}))


def parse_spec(text: str) -> CorpusSpec:
    """Parse ``FORMAT:PATH[#split]``; the split is what follows the last ``#`` if it holds no slash.

    Raises:
        InputError: format or path is missing.
        UnknownNameError: no reader of this name.

    """
    name, colon, rest = text.partition(":")
    if not colon or not name or not rest:
        raise InputError(
            f"{text!r} names no corpus",
            hint=f"Write FORMAT:PATH[#split], as in bigclonebench:DIR#test. Formats: {', '.join(CORPORA)}.",
        )
    if name not in CORPORA:
        raise CORPORA.unknown(name)
    path, mark, split = rest.rpartition("#")
    if not mark or "/" in split:
        return CorpusSpec(name, rest)
    if not path or not split:
        raise InputError(f"{text!r} has an empty path or split", hint="Write FORMAT:PATH[#split].")
    return CorpusSpec(name, path, split)
