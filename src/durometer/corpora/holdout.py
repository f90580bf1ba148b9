"""Leave one weakness out: train on all CWEs but one, test on that one.

It asks for more than recognising a weakness's usual API, which the splits of Juliet and OWASP reward.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from durometer.corpora.base import Corpus
from durometer.errors import InputError


def hold_out_cwe(corpus: Corpus, cwe: str) -> Corpus:
    """Return the corpus with every sample of ``cwe`` (``CWE-78`` or ``78``) in ``test``, and no other there.

    Samples of other CWEs that were for testing are for training now; samples without a CWE are left out.

    Raises:
        InputError: the data has no such CWE, or no other one.

    """
    wanted = _number(cwe)
    everything = [sample for samples in corpus.splits.values() for sample in samples]
    counts = Counter(_number(sample.meta.get("cwe", "")) for sample in everything)
    counts.pop("", None)
    if wanted not in counts or len(counts) < 2:
        known = ", ".join(sorted(counts, key=lambda name: (len(name), name))) or "none"
        raise InputError(
            f"cannot hold out CWE {cwe}: the data has {known}",
            where=corpus.name,
            hint="Use data with at least two CWEs in a cwe field (owasp, juliet, builtin-cwe).",
        )
    splits = {
        split: [sample for sample in samples if _number(sample.meta.get("cwe", "")) not in ("", wanted)]
        for split, samples in corpus.splits.items()
    }
    splits["train"] = [*splits.get("train", ()), *splits.pop("test", ())]
    splits["test"] = [sample for sample in everything if _number(sample.meta.get("cwe", "")) == wanted]
    notes = {**corpus.notes, "held_out": f"CWE-{wanted}: {counts[wanted]} samples, all of them for testing"}
    return replace(corpus, splits=splits, notes=notes)


def _number(cwe: str) -> str:
    return "".join(re.findall(r"\d+", cwe)).lstrip("0")
