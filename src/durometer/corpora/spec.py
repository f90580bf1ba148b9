"""How the command line names a corpus, with the options of its reader or generator.

``FORMAT:PATH[:option=value,…][#split]`` or ``builtin-NAME[:option=value,…][#split]``. An option that a reader
of tables does not know is the name of a column: ``csv:mine.csv:code=source,label=flawed,language=c``. Study
files keep the options in fields of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from durometer.corpora.base import BUILTIN, CORPORA, Corpus
from durometer.corpora.holdout import hold_out_cwe
from durometer.corpora.options import DEFAULTS, call, options_of
from durometer.errors import InputError, UnknownNameError

OPTION = re.compile(r"\w+=")


@dataclass(frozen=True, slots=True)
class CorpusSpec:
    """A parsed name. ``split`` is None where none was given; ``path`` is empty for a built-in corpus."""

    format: str
    path: str
    split: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        flat = {**self.options, **self.options.get("columns", {})}
        given = ",".join(f"{key}={value}" for key, value in flat.items() if key != "columns")
        rest = ":".join(filter(None, (self.format, self.path, given)))
        return rest + (f"#{self.split}" if self.split else "")

    def read(
        self, task: str, options: Mapping[str, Any] | None = None, *, allow_download: bool = False
    ) -> Corpus:
        """Read the corpus with its reader, or generate it.

        ``options`` are the reader's or the generator's own, and ``hold_out_cwe`` for any (see ``holdout``);
        ``allow_download`` lets ``hub:`` use the network.

        Raises:
            UnknownNameError: no reader of this name.
            InputError: the data cannot be used (says file and line), it is for another task, or an option
                is unknown or of the wrong type.

        """
        given = {**self.options, **(options or {})}
        held_out = given.pop("hold_out_cwe", None)
        if held_out is not None:
            whole = replace(self, split=None, options={}).read(task, given, allow_download=allow_download)
            return self._chosen(hold_out_cwe(whole, str(held_out)))
        if self.format == "hub" and allow_download:
            given["allow_download"] = True
        if self.format in BUILTIN:
            return self._generated(task, given)
        return call(self.format, self.path, split=self.split, task=task, options=given)

    def _generated(self, task: str, options: Mapping[str, Any]) -> Corpus:
        if self.path:
            raise InputError(
                f"a built-in corpus has no path {self.path!r}",
                where=self.format,
                hint="On the command line write builtin-NAME:pairs=400,seed=2, in a study file "
                "`options: {pairs: 400, seed: 2}`.",
            )
        corpus = call(self.format, options=options)
        if corpus.task != task:
            raise InputError(f"a corpus for the task {corpus.task}, not {task}", where=self.format)
        return self._chosen(corpus)

    def _chosen(self, corpus: Corpus) -> Corpus:
        if self.split is None:
            return corpus
        if self.split not in corpus.splits:
            raise InputError(
                f"no split {self.split!r}", where=self.format, hint=f"Splits: {', '.join(corpus.splits)}."
            )
        return replace(corpus, splits={self.split: corpus.splits[self.split]})


def parse_spec(text: str) -> CorpusSpec:
    """Parse the name of a corpus; the split is what follows the last ``#`` if it holds no slash.

    Options of a reader follow the last colon, if something there is ``name=``.

    Raises:
        InputError: format or path is missing, or an option is not ``name=value``.
        UnknownNameError: no reader or generator of this name.

    """
    name, colon, rest = text.partition(":")
    plain, mark, split = name.partition("#")
    if plain in BUILTIN:
        rest, mark, split = rest.partition("#") if colon else ("", mark, split)
        return CorpusSpec(plain, "", split or None, {**DEFAULTS.get(plain, {}), **_options(rest, text)})
    if not colon or not name or not rest:
        raise InputError(
            f"{text!r} names no corpus",
            hint="Write FORMAT:PATH[#split], as in bigclonebench:DIR#test, or the name of a built-in corpus. "
            f"Formats: {', '.join(CORPORA)}. Built-in: {', '.join(BUILTIN)}.",
        )
    if name not in CORPORA:
        known = CORPORA.unknown(name)
        raise UnknownNameError(known.what, hint=f"{known.hint} Built-in: {', '.join(BUILTIN)}.")
    path, mark, split = rest.rpartition("#")
    if not mark or "/" in split:
        path, mark, split = rest, "", ""
    plain, colon, given = path.rpartition(":")
    if OPTION.match(given) and colon:
        path = plain
    if not path or (mark and not split):
        raise InputError(f"{text!r} has an empty path or split", hint="Write FORMAT:PATH[#split].")
    return CorpusSpec(name, path, split or None, _reader_options(name, given, text) if path == plain else {})


def _reader_options(name: str, given: str, where: str) -> dict[str, Any]:
    options = {key: str(value) for key, value in _options(given, where).items()}
    known = options_of(name)
    columns = {key: value for key, value in options.items() if key not in known} if "columns" in known else {}
    kept = {key: value for key, value in options.items() if key not in columns}
    return {**kept, "columns": columns} if columns else kept


def _options(text: str, where: str) -> dict[str, int | str]:
    options: dict[str, int | str] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not key or not equals or not value:
            raise InputError(f"{part!r} is no option", where=where, hint="Write name=value, as in seed=1.")
        options[key.strip()] = int(value) if value.strip().isdecimal() else value.strip()
    return options
