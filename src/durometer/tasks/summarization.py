"""Code summarization: one snippet in, one sentence out.

An attack lowers the smoothed sentence BLEU-4 of the answer against the reference. The papers call it a
success when that BLEU in percent, rounded to two decimals, is 0.00, which amounts to sharing no word
with the reference (spec: Awal et al. after Zhou et al., ACCENT): that is ``PAPER``, and the default. Any
other threshold in percent may be set; an answer below it is a success.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from durometer.corpora.overlap import fit_tfidf
from durometer.errors import InputError, VictimError
from durometer.tasks.base import Goal
from durometer.tasks.bleu import corpus_bleu, rouge_l, sentence_bleu
from durometer.types import Prediction, Sample

PAPER = 0.005  # percent: everything below rounds to 0.00


@dataclass(frozen=True, slots=True)
class BleuGoal:
    """Bring the sentence BLEU below ``threshold`` percent."""

    reference: str
    threshold: float

    def score(self, prediction: Prediction) -> float:
        """Return the answer's sentence BLEU as a fraction."""
        return sentence_bleu(answer(prediction), self.reference)

    def reached(self, prediction: Prediction) -> bool:
        """Whether the BLEU is below the threshold."""
        return 100.0 * self.score(prediction) < self.threshold


class Summarization:
    """One snippet, one generated text."""

    name = "summarization"
    kind: Literal["classification", "generation"] = "generation"
    pair = False
    classes: tuple[str, ...] = ()
    headline = "bleu"

    def __init__(self, threshold: float = PAPER) -> None:
        if not 0.0 < threshold <= 100.0:
            raise InputError(f"threshold {threshold} is not in (0, 100] percent", where="summarization")
        self.threshold = threshold

    def goal(self, sample: Sample, original: Prediction) -> Goal:
        """Return: bring the BLEU against the reference below the threshold."""
        return BleuGoal(_reference(sample), self.threshold)

    def attackable(self, sample: Sample, original: Prediction) -> str:
        """Return ``already_below_threshold`` if the original answer is, else ""."""
        return "already_below_threshold" if self.goal(sample, original).reached(original) else ""

    def score(self, sample: Sample, prediction: Prediction) -> float:
        """Return the answer's smoothed sentence BLEU-4."""
        return sentence_bleu(answer(prediction), _reference(sample))

    def measure(self, samples: Sequence[Sample], predictions: Sequence[Prediction]) -> Mapping[str, float]:
        """Return ``bleu`` (mean smoothed sentence BLEU-4), ``corpus_bleu`` and ``rouge_l``.

        Raises:
            InputError: no samples, or one without a reference.
            VictimError: a prediction without a text.

        """
        if not samples:
            raise InputError("no samples to measure on", hint="Check the split and the limit.")
        texts = [answer(prediction) for prediction in predictions]
        references = [_reference(sample) for sample in samples]
        pairs = list(zip(texts, references, strict=True))
        return {
            "bleu": sum(map(self.score, samples, predictions)) / len(pairs),
            "corpus_bleu": corpus_bleu(texts, references),
            "rouge_l": sum(rouge_l(*pair) for pair in pairs) / len(pairs),
        }

    def floor(self, train: Sequence[Sample], test: Sequence[Sample]) -> Mapping[str, float]:
        """Return what is reached without understanding: ``bleu`` is the better of two such readers.

        ``retrieval_bleu`` copies the summary of the training snippet with the nearest bag of words;
        ``constant_bleu`` answers everything with the training summary that suits the others best, of 100
        tried on 200 (smoothed BLEU pays for "Return the …" alone). Without training samples, each of
        ``test`` copies from those of other groups, if there are any.
        """
        known = train or test
        owners = np.array([] if train else [sample.group or sample.id for sample in test])
        if not test or len(set(owners)) == 1:
            return {}
        vectorizer = fit_tfidf([sample.code for sample in known])
        table = vectorizer.transform([sample.code for sample in known])
        copied: list[Prediction] = []
        for start in range(0, len(test), 256):
            rows = vectorizer.transform([sample.code for sample in test[start : start + 256]])
            likeness = (rows @ table.T).toarray()
            if len(owners):
                likeness[owners[start : start + 256, None] == owners] = -1.0
            copied += [Prediction(text=_reference(known[int(i)])) for i in likeness.argmax(axis=1)]
        constant = Prediction(text=commonest(sorted(map(_reference, known))))
        reached = {
            "retrieval_bleu": self.measure(test, copied)["bleu"],
            "constant_bleu": self.measure(test, [constant] * len(test))["bleu"],
        }
        return {"bleu": max(reached.values()), **reached}


def commonest(summaries: Sequence[str], *, tried: int = 100, against: int = 200) -> str:
    """Return the one of ``tried`` summaries with the highest mean BLEU against ``against`` of them."""
    candidates = summaries[:: -(-len(summaries) // tried)]
    references = summaries[:: -(-len(summaries) // against)]
    return max(candidates, key=lambda text: sum(sentence_bleu(text, other) for other in references))


def answer(prediction: Prediction) -> str:
    """Return the generated text.

    Raises:
        VictimError: there is none; a score that cannot be computed is an error, never a score.

    """
    if prediction.text is None:
        raise VictimError("a prediction without a text cannot be scored", where="summarization")
    return prediction.text


def _reference(sample: Sample) -> str:
    if not sample.reference:
        raise InputError("no reference text", where=f"sample {sample.id}")
    return sample.reference
