"""Clone detection: do two snippets do the same? Class 1 is "clone" (BigCloneBench's reading).

Attacks edit the first snippet; the second stays fixed (ALERT, Yang et al., ICSE 2022). The floor is the
TF-IDF cosine of the two bags of words, its threshold fitted on the training split.
"""

from __future__ import annotations

from collections.abc import Sequence

from durometer.corpora.overlap import fit_tfidf, pair_auc, pair_cosines, pair_texts
from durometer.tasks.scoring import (
    BinaryClassification,
    Measures,
    accuracy_at,
    best_threshold,
    gold_labels,
    majority,
)
from durometer.types import Sample


class CloneDetection(BinaryClassification):
    """Pairs of snippets, two classes."""

    name = "clone"
    pair = True
    classes: tuple[str, ...] = ("different", "clone")

    def floor(self, train: Sequence[Sample], test: Sequence[Sample]) -> Measures:
        """Return ``auc``, ``accuracy`` (threshold fitted on ``train``) and ``majority`` on ``test``.

        Without training pairs the weights are fitted on ``test`` without its labels, and ``accuracy`` is
        left out.
        """
        labels = gold_labels(test)
        vectorizer = fit_tfidf(pair_texts(train or test))
        scores = pair_cosines(vectorizer, test)
        result = {"majority": majority(labels)}
        if len(set(labels)) == 2:
            result["auc"] = pair_auc(test, scores)
        if train:
            threshold = best_threshold(gold_labels(train), pair_cosines(vectorizer, train).tolist())
            result["accuracy"] = accuracy_at(threshold, labels, scores.tolist())
        return result
