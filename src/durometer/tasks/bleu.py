"""How a generated summary is scored against one reference: BLEU-4 and ROUGE-L, as fractions in [0, 1].

``sentence_bleu`` is CodeXGLUE's ``bleu.py`` (code-to-text; Lin and Och, 2004, smoothing), number for number,
its oddities included: orders 2 to 4 get +1 above and below, unigrams nothing; the brevity penalty is
exp(min(0, 1 − (r + 1) / (c + 1))), so it differs from the standard exp(1 − r / c) for short answers; an
empty answer scores exp(−r), not 0. ``corpus_bleu`` is the standard one (Papineni et al., 2002), unsmoothed,
as sacreBLEU computes it on the same tokens.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Sequence

ORDERS = 4
# What splitPuncts and NIST mteval-v11a's tokenizer do one after the other: words, signs, and the underscore,
# a word character to the first and a sign to the second.
TOKEN = re.compile(r"[^\W_]+|_|[^\s\w]")


def bleu_tokens(text: str) -> list[str]:
    """Return the tokens that CodeXGLUE's BLEU counts: lower-cased, punctuation split."""
    return TOKEN.findall(text.lower())


def sentence_bleu(candidate: str, reference: str) -> float:
    """Return CodeXGLUE's smoothed sentence BLEU-4 as a fraction."""
    answer, wanted = bleu_tokens(candidate), bleu_tokens(reference)
    tiny = sys.float_info.min
    total = 0.0
    for order in range(1, ORDERS + 1):
        matches, guesses = _matches(answer, wanted, order)
        smooth = 1 if order > 1 else 0
        total += math.log(matches + smooth + tiny) - math.log(guesses + smooth + tiny)
    penalty = min(0.0, 1.0 - (len(wanted) + 1) / (len(answer) + 1))
    return math.exp(total / ORDERS + penalty)


def corpus_bleu(candidates: Sequence[str], references: Sequence[str]) -> float:
    """Return standard corpus BLEU-4 over the same tokens, 0 where an order has no match."""
    matches, guesses = [0] * ORDERS, [0] * ORDERS
    length = wanted_length = 0
    for candidate, reference in zip(candidates, references, strict=True):
        answer, wanted = bleu_tokens(candidate), bleu_tokens(reference)
        length, wanted_length = length + len(answer), wanted_length + len(wanted)
        for order in range(1, ORDERS + 1):
            found, possible = _matches(answer, wanted, order)
            matches[order - 1] += found
            guesses[order - 1] += possible
    if 0 in matches:
        return 0.0
    precision = sum(math.log(m / g) for m, g in zip(matches, guesses, strict=True)) / ORDERS
    return math.exp(precision + min(0.0, 1.0 - wanted_length / length))


def rouge_l(candidate: str, reference: str) -> float:
    """Return the F1 of the longest common subsequence of tokens (Lin, 2004, with β = 1)."""
    from rapidfuzz.distance import LCSseq

    answer, wanted = bleu_tokens(candidate), bleu_tokens(reference)
    if not answer or not wanted:
        return 0.0
    return 2.0 * LCSseq.similarity(answer, wanted) / (len(answer) + len(wanted))


def _matches(answer: Sequence[str], wanted: Sequence[str], order: int) -> tuple[int, int]:
    given, known = _ngrams(answer, order), _ngrams(wanted, order)
    return sum(min(count, known[gram]) for gram, count in given.items()), sum(given.values())


def _ngrams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))
