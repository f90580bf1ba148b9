"""Functions and the first sentence of their docstrings, from code that is on this machine already.

``source="stdlib"`` reads the standard library of the running interpreter, ``source="installed"`` the packages
beside this one. Files are parsed, never imported. The docstring is not part of the function, and the
function's own name is kept: people read it too, and renaming it is the attack's switch.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path
from typing import Literal

from durometer.corpora.base import Corpus
from durometer.corpora.builtin_clones import SPLITS, split_by_group
from durometer.corpora.functions import Function, harvest, standard_library
from durometer.corpora.summaries import first_paragraph
from durometer.errors import InputError
from durometer.types import Sample, content_hash

WORDS = re.compile(r"[A-Za-z]{2,}")
FEWEST_WORDS, MOST_WORDS = 3, 30
# Not after a single letter, as in "e.g. this".
SENTENCE_END = re.compile(r"(?<=[\w)`'\"][\w)`'\"])[.:](?:\s|$)")
Source = Literal["stdlib", "installed"]


def builtin_summaries(
    *,
    seed: int,
    source: Source = "stdlib",
    max_functions: int | None = None,
    max_tokens: int = 256,
    test_samples: int | None = None,
) -> Corpus:
    """Return (function, summary) samples split by top-level package, the same for the same arguments.

    Args:
        seed: decides which package goes to which split.
        source: whose functions.
        max_functions: read only so many functions, documented or not (for quick runs).
        max_tokens: longest function in words and signs.
        test_samples: keep only so many of the test split, spread over its packages.

    Raises:
        InputError: an unknown source, or too few documented functions.

    """
    roots: dict[str, Path] = {"stdlib": standard_library(), "installed": Path(sysconfig.get_path("purelib"))}
    if source not in roots:
        raise InputError(
            f"unknown source {source!r}", where="builtin summaries", hint=f"Known: {', '.join(roots)}."
        )
    functions = harvest(
        roots[source], min_tokens=15, max_tokens=max_tokens, max_functions=max_functions, seed=seed
    )
    summaries = {id(function): summary_of(function.docstring) for function in functions}
    usable = [function for function in functions if summaries[id(function)]]
    divided = split_by_group(usable, seed)
    splits = {
        split: tuple(_sample(split, i, f, summaries[id(f)]) for i, f in enumerate(divided[split]))
        for split in SPLITS
    }
    for split, samples in splits.items():
        if len(samples) < 5:
            raise InputError(
                f"only {len(samples)} documented functions for the {split} split",
                where=str(roots[source]),
                hint="Raise max_functions, or install the sources.",
            )
    test = splits["test"]
    if test_samples is not None and test_samples < len(test):
        step = len(test) / test_samples
        splits["test"] = tuple(test[int(i * step)] for i in range(test_samples))
    version = ".".join(map(str, sys.version_info[:3]))
    notes = {
        "source": f"{source}, {sys.implementation.name} {version}",
        "functions": f"{len(usable)} documented (content {content_hash(*(f.source for f in usable))})",
    }
    return Corpus("builtin-summaries", "summarization", splits, notes)


def summary_of(docstring: str) -> str:
    """Return the first sentence of a docstring on one line; "" where it is no sentence of 3 to 30 words."""
    paragraph = first_paragraph(docstring)
    sentence = SENTENCE_END.split(paragraph, maxsplit=1)[0].strip()
    if ">>>" in sentence or "->" in sentence or sentence.startswith((":", "@")):
        return ""
    return sentence if FEWEST_WORDS <= len(WORDS.findall(sentence)) <= MOST_WORDS else ""


def _sample(split: str, i: int, function: Function, summary: str) -> Sample:
    meta = {"path": function.path, "function": function.name}
    return Sample(
        f"{split}-{i}", function.source, "python", reference=summary, group=function.group, meta=meta
    )
