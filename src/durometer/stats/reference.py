r"""The paper's six metrics, to the digit, and the same six in the sound reading, over one list of records.

``reference_metrics`` follows ``evaluation/eval.py`` released with BeamAttack (Du et al., "An Extensive
Study on Adversarial Attack against Pre-trained Models of Code", FSE 2023). What it really computes, checked
against its published result files:

- A is every row of the file, S the rows that claim success. C ⊆ S are those whose original and adversarial
  program have the same number of javalang tokens. An adversarial program that the lexer refuses is not in
  C.
- Before comparing, an adversarial token that is exactly a quote, a line feed and a quote is taken back to the
  two-character escape: the released attacks turn every ``"\n"`` into a raw line feed. Longer literals that
  were broken in the same way stay broken, and count as edits.
- ASR is C / A, but AMQ averages over S.
- ICR: renames of C whose two names differ, over the identifiers of **A**.
- TCR: among the first 510 tokens of the *original*, those that spell a renamed name (fields and methods of
  that spelling included, whether the attack changed them or not), over the tokens of **A** (column
  ``Program Length``, not truncated).
- AED: character Levenshtein over the first 510 token pairs, mean over C.
- ACS: mean over C of a similarity that the caller computes (it needs a language model).

The released script stops with a traceback when the lexer refuses an *original*, or when C is empty; here
such a row is outside C, and an empty mean is None.

``sound_metrics`` reads the same records as :mod:`durometer.stats.measures` does: V, the proven successes, is
both numerator and denominator, all tokens count, and a changed token is one that changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from durometer.errors import InputError

TRUNCATION = 510  # tokens: 512 positions of the encoder less the two special ones
Encode = Callable[[Sequence[str]], npt.NDArray[np.floating]]
METRICS = ("asr", "amq", "icr", "tcr", "acs", "aed")
_BROKEN_LINE_FEED, _LINE_FEED = '"\n"', '"\\n"'


@dataclass(frozen=True, slots=True)
class ReferenceRecord:
    """One attacked sample as result files hold it.

    ``original_tokens`` and ``adversarial_tokens`` are the texts of code tokens, None where there is no
    program or the lexer refuses it. ``renames`` lists (old, new) as recorded, identities included.
    ``identifiers`` and ``tokens`` are sizes of the original, known for failures too. ``valid`` says whether
    the success was proven to be the same program; ``similarity`` is the cosine that ACS averages, in each
    reading.
    """

    success: bool
    queries: int
    identifiers: int
    tokens: int
    renames: Sequence[tuple[str, str]] = ()
    original_tokens: Sequence[str] | None = None
    adversarial_tokens: Sequence[str] | None = None
    valid: bool = False
    similarity_reference: float | None = None
    similarity_sound: float | None = None


def reference_metrics(records: Sequence[ReferenceRecord]) -> dict[str, float | None]:
    """Return the six metrics of the FSE 2023 evaluation; rates in percent, None where undefined.

    Besides :data:`METRICS`: ``asr_raw`` (|S| / |A|), ``icr_successes`` and ``tcr_successes`` (the same
    numerators over C alone, which the script does not print).
    """
    counted = [r for r in records if r.success and has_same_length(r)]
    names = [[old for old, new in record.renames if old != new] for record in counted]
    renamed = sum(map(len, names))
    changed, edits = 0, 0
    for record, old_names in zip(counted, names, strict=True):
        before, after = reference_tokens(record)
        spelled = set(old_names)
        changed += sum(token in spelled for token in before)
        edits += _edits(before, after)
    successes = [record for record in records if record.success]
    return {
        "asr": _percent(len(counted), len(records)),
        "amq": _ratio(sum(record.queries for record in successes), len(successes)),
        "icr": _percent(renamed, sum(record.identifiers for record in records)),
        "tcr": _percent(changed, sum(record.tokens for record in records)),
        "acs": _mean([record.similarity_reference for record in counted]),
        "aed": _ratio(edits, len(counted)),
        "asr_raw": _percent(len(successes), len(records)),
        "icr_successes": _percent(renamed, sum(record.identifiers for record in counted)),
        "tcr_successes": _percent(changed, sum(record.tokens for record in counted)),
    }


def has_same_length(record: ReferenceRecord) -> bool:
    """Whether the script counts a success: both programs have tokens, and as many."""
    before, after = record.original_tokens, record.adversarial_tokens
    return before is not None and after is not None and len(before) == len(after)


def reference_tokens(record: ReferenceRecord) -> tuple[list[str], list[str]]:
    """Return the tokens of both programs as the script compares them: the first 510, line feeds restored."""
    before = list(record.original_tokens or ())[:TRUNCATION]
    after = list(record.adversarial_tokens or ())[:TRUNCATION]
    return before, [_LINE_FEED if token == _BROKEN_LINE_FEED else token for token in after]


def sound_metrics(records: Sequence[ReferenceRecord]) -> dict[str, float | None]:
    """Return the six metrics over proven successes; rates in percent, None where undefined.

    Besides :data:`METRICS`: ``amq_attacked`` (mean queries over all records) and ``valid_percent`` (proven
    among claimed successes). Records whose tokens are unknown are left out of TCR and AED, top and bottom.

    Raises:
        InputError: a success marked valid changes the number of tokens.

    """
    successes = [record for record in records if record.success]
    proven = [record for record in successes if record.valid]
    renamed = sum(old != new for record in proven for old, new in record.renames)
    pairs = [
        (record.original_tokens, record.adversarial_tokens)
        for record in proven
        if record.original_tokens is not None and record.adversarial_tokens is not None
    ]
    for before, after in pairs:
        if len(before) != len(after):
            raise InputError(
                f"a success marked valid has {len(before)} tokens before and {len(after)} after",
                hint="a renaming never changes the number of tokens: mark it invalid",
            )
    changed = sum(b != a for before, after in pairs for b, a in zip(before, after, strict=True))
    return {
        "asr": _percent(len(proven), len(records)),
        "amq": _ratio(sum(record.queries for record in proven), len(proven)),
        "icr": _percent(renamed, sum(record.identifiers for record in proven)),
        "tcr": _percent(changed, sum(len(before) for before, _ in pairs)),
        "acs": _mean([record.similarity_sound for record in proven]),
        "aed": _ratio(sum(_edits(before, after) for before, after in pairs), len(pairs)),
        "amq_attacked": _ratio(sum(record.queries for record in records), len(records)),
        "valid_percent": _percent(len(proven), len(successes)),
    }


def code_similarities(
    originals: Sequence[str],
    adversarials: Sequence[str],
    encode: Encode,
) -> npt.NDArray[np.float64]:
    """Return the cosine of each pair under any encoder, shape (pairs,): what ACS averages.

    ``encode`` maps n programs to vectors of shape (n, dimension). The sound ACS wants mean-pooled last
    hidden states; the reference one flattens the vocabulary logits of ``codebert-base-mlm`` on at most 510
    whole tokens. A vector of zeros has no cosine: NaN.

    Raises:
        InputError: the encoder gives no vector a program.

    """
    before = np.asarray(encode(originals), dtype=np.float64)
    after = np.asarray(encode(adversarials), dtype=np.float64)
    if before.shape != after.shape or before.ndim != 2:
        raise InputError(
            f"the encoder gave shapes {before.shape} and {after.shape}",
            hint="it must return one vector a program: shape (n, dimension)",
        )
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    products = (before * after).sum(axis=1)
    cosines: npt.NDArray[np.float64] = np.full(len(before), np.nan)
    np.divide(products, norms, out=cosines, where=norms > 0)
    return cosines


def _edits(before: Sequence[str], after: Sequence[str]) -> int:
    return sum(Levenshtein.distance(b, a) for b, a in zip(before, after, strict=True))


def _ratio(above: float, below: float) -> float | None:
    return above / below if below else None


def _percent(above: float, below: float) -> float | None:
    return 100 * above / below if below else None


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of ``values``; None when there are none or one of them was not computed."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
