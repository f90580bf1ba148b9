"""Functions and the first sentence of their docstrings, from code that is on this machine already.

``source="stdlib"`` reads the standard library of the running interpreter, ``source="installed"`` the
packages beside this one; ``source="both"`` learns from both and tests on the standard library, so that what
is installed changes no test. Files are parsed, never imported. The docstring is not part of the function, and
the function's own name is kept: people read it too, and renaming it is the attack's switch. No package is
in two splits, and a function that has name and summary of a held-out one is not learnt from (packages carry
copies of modules).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from durometer.corpora.base import Corpus
from durometer.corpora.builtin_clones import split_by_group
from durometer.corpora.functions import Function, harvest, interpreter, source_tree
from durometer.corpora.summaries import first_paragraph
from durometer.errors import InputError
from durometer.types import Sample, content_hash

WORDS = re.compile(r"[A-Za-z]{2,}")
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
FEWEST_WORDS, MOST_WORDS = 3, 30
# Not after a single letter, as in "e.g. this".
SENTENCE_END = re.compile(r"(?<=[\w)`'\"][\w)`'\"])[.:](?:\s|$)")
# What a name and a sentence may share by chance, as stems.
COMMON = {"the", "and", "for", "with", "from", "that", "this", "not", "get", "set", "retu", "self"}
Documented = tuple[Function, str]
Source = Literal["stdlib", "installed", "both"]


def builtin_summaries(
    *,
    seed: int,
    source: Source = "stdlib",
    max_functions: int | None = None,
    documented: int | None = None,
    max_tokens: int = 256,
    named: bool = False,
    test_samples: int | None = None,
) -> Corpus:
    """Return (function, summary) samples split by top-level package, the same for the same arguments.

    Source: the running interpreter's standard library, or the installed packages, each under its licence.

    Args:
        seed: decides which package goes to which split.
        source: whose functions.
        max_functions: read only so many functions of each tree, documented or not (for quick runs).
        documented: read only so many documented functions of each tree.
        max_tokens: longest function in words and signs.
        named: keep only functions whose summary has a word of their name: an easier task, said in the notes.
        test_samples: keep only so many of the test split, spread over its packages.

    Raises:
        InputError: an unknown source, or too few documented functions.

    """
    size: dict[str, Any] = {"max_tokens": max_tokens, "max_functions": documented or max_functions}
    trees = [
        [
            (function, summary)
            for function in harvest(root, min_tokens=15, **size, seed=seed, documented=documented is not None)
            if (summary := summary_of(function.docstring))
            and (not named or stems(function.name) & stems(summary))
        ]
        for root in map(source_tree, ("stdlib", "installed") if source == "both" else (source,))
    ]
    splits = _divided(*trees, seed=seed, where=source)
    test = splits["test"]
    if test_samples is not None and test_samples < len(test):
        step = len(test) / test_samples
        splits["test"] = tuple(test[int(i * step)] for i in range(test_samples))
    usable = [function for tree in trees for function, _ in tree]
    notes = {
        "source": f"{source}, {interpreter()}",
        "functions": f"{len(usable)} documented (content {content_hash(*(f.source for f in usable))})",
    }
    if named:
        notes["summaries"] = "only those that have a word of the function's name"
    return Corpus("builtin-summaries", "summarization", splits, notes)


def _divided(
    tree: Sequence[Documented], more: Sequence[Documented] = (), *, seed: int, where: str
) -> dict[str, tuple[Sample, ...]]:
    """Split ``tree`` by package; ``more`` is for training only."""
    summaries = {id(function): summary for function, summary in (*tree, *more)}
    divided = split_by_group([function for function, _ in tree], seed)
    divided["train"] += [function for function, _ in more]
    held = {(f.name, summaries[id(f)]) for split in ("valid", "test") for f in divided[split]}
    divided["train"] = [f for f in divided["train"] if (f.name, summaries[id(f)]) not in held]
    for split, functions in divided.items():
        if len(functions) < 5:
            raise InputError(
                f"only {len(functions)} documented functions for the {split} split",
                where=where,
                hint="Raise max_functions, or install the sources.",
            )
    return {
        split: tuple(_sample(split, i, f, summaries[id(f)]) for i, f in enumerate(functions))
        for split, functions in divided.items()
    }


def summary_of(docstring: str) -> str:
    """Return the first sentence of a docstring on one line; "" where it is no sentence of 3 to 30 words."""
    paragraph = first_paragraph(docstring)
    sentence = SENTENCE_END.split(paragraph, maxsplit=1)[0].strip()
    if ">>>" in sentence or "->" in sentence or sentence.startswith((":", "@")):
        return ""
    return sentence if FEWEST_WORDS <= len(WORDS.findall(sentence)) <= MOST_WORDS else ""


def stems(text: str) -> set[str]:
    """Return the first four letters of each word of a name or a sentence that says something."""
    words = WORDS.findall(HUMP.sub(" ", text).replace("_", " "))
    return {word.lower()[:4] for word in words if len(word) > 2} - COMMON


def _sample(split: str, i: int, function: Function, summary: str) -> Sample:
    meta = {"path": function.path, "function": function.name}
    return Sample(
        f"{split}-{i}", function.source, "python", reference=summary, group=function.group, meta=meta
    )
