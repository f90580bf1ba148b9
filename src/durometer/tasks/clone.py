"""Clone detection: do two snippets do the same? Class 1 is "clone" (BigCloneBench's reading).

Attacks edit the first snippet; the second stays fixed (ALERT, Yang et al., ICSE 2022). The floor is the
TF-IDF cosine of the two bags of words, its threshold fitted on the training split.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from durometer.corpora.overlap import fit_tfidf, pair_auc, pair_cosines, pair_texts
from durometer.tasks.base import Goal
from durometer.tasks.scoring import (
    LabelGoal,
    Measures,
    accuracy_at,
    best_threshold,
    binary_measures,
    gold_labels,
    majority,
    unattackable,
)
from durometer.types import Prediction, Sample


class CloneDetection:
    """Pairs of snippets, two classes."""

    name = "clone"
    kind: Literal["classification", "generation"] = "classification"
    pair = True
    classes: tuple[str, ...] = ("different", "clone")
    headline = "accuracy"

    def goal(self, sample: Sample, original: Prediction) -> Goal:
        """Return: make the predicted class differ from the original one."""
        return LabelGoal(original.label)

    def attackable(self, sample: Sample, original: Prediction) -> str:
        """Return ``misclassified`` if the original prediction is wrong, else ""."""
        return unattackable(sample, original)

    def measure(self, samples: Sequence[Sample], predictions: Sequence[Prediction]) -> Measures:
        """Return accuracy, precision, recall, f1, mcc and auc (absent on one-class data)."""
        return binary_measures(samples, predictions)

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
