"""What tasks with two classes share: goal, measures, and the pieces of their floors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from durometer.errors import InputError
from durometer.tasks.base import Goal
from durometer.types import Prediction, Sample

Measures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class LabelGoal:
    """Make the victim answer another class than ``label``; the score is ``label``'s probability."""

    label: int

    def score(self, prediction: Prediction) -> float:
        """Return the probability of the original class."""
        return prediction.probabilities[self.label]

    def reached(self, prediction: Prediction) -> bool:
        """Whether another class is the most probable one."""
        return prediction.label != self.label


class BinaryClassification:
    """What tasks with two classes share: the goal of an attack, who may be attacked, the measures."""

    kind: Literal["classification", "generation"] = "classification"
    headline = "accuracy"

    def goal(self, sample: Sample, original: Prediction) -> Goal:
        """Return: make the predicted class differ from the original one."""
        return LabelGoal(original.label)

    def attackable(self, sample: Sample, original: Prediction) -> str:
        """Return ``misclassified`` if the victim is wrong from the start, else ""."""
        return "" if original.label == sample.label else "misclassified"

    def score(self, sample: Sample, prediction: Prediction) -> float:
        """Return 1 for a right answer, 0 for a wrong one."""
        return float(prediction.label == sample.label)

    def measure(self, samples: Sequence[Sample], predictions: Sequence[Prediction]) -> Measures:
        """Return accuracy, precision, recall, f1, mcc and auc (absent on one-class data)."""
        return binary_measures(samples, predictions)


def binary_measures(samples: Sequence[Sample], predictions: Sequence[Prediction]) -> dict[str, float]:
    """Return accuracy, precision, recall, f1 and mcc, and auc where both classes are present.

    Precision, recall, F1 and MCC are 0 where their denominator is, as scikit-learn has it.

    Raises:
        InputError: no sample, a sample without a label, or as many predictions as samples are missing.

    """
    from sklearn import metrics

    gold = gold_labels(samples)
    if len(predictions) != len(samples):
        raise InputError(f"{len(predictions)} predictions for {len(samples)} samples")
    answers = [prediction.label for prediction in predictions]
    scores = [prediction.probabilities[1] for prediction in predictions]
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        gold, answers, average="binary", zero_division=0.0
    )
    result = {
        "accuracy": metrics.accuracy_score(gold, answers),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "mcc": _matthews(*metrics.confusion_matrix(gold, answers, labels=[0, 1]).ravel().tolist()),
    }
    if len(set(gold)) == 2:
        result["auc"] = metrics.roc_auc_score(gold, scores)
    return {name: float(value) for name, value in result.items()}


def _matthews(tn: int, fp: int, fn: int, tp: int) -> float:
    """Return Matthews' correlation from counts; scikit-learn's own warns on one-class data."""
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / math.sqrt(product) if product else 0.0


def gold_labels(samples: Sequence[Sample]) -> list[int]:
    """Return the gold classes.

    Raises:
        InputError: no sample at all, or one without a binary label.

    """
    if not samples:
        raise InputError("no samples to measure on", hint="Check the split and the limit.")
    for sample in samples:
        if sample.label not in (0, 1):
            raise InputError(f"label {sample.label!r} is not 0 or 1", where=f"sample {sample.id}")
    return [int(sample.label or 0) for sample in samples]


def best_threshold(labels: Sequence[int], scores: Sequence[float]) -> float:
    """Return the threshold (score ≥ threshold is class 1) of highest accuracy; the lowest of several."""
    ordered = sorted(zip(scores, labels, strict=True))
    right = sum(labels)  # everything is class 1 below the lowest score
    best, threshold = right, ordered[0][0]
    for i, (score, label) in enumerate(ordered):
        right += 1 if label == 0 else -1
        following = ordered[i + 1][0] if i + 1 < len(ordered) else float("inf")
        if right > best and following > score:
            best, threshold = right, following
    return threshold


def accuracy_at(threshold: float, labels: Sequence[int], scores: Sequence[float]) -> float:
    """Return the accuracy of ``score ≥ threshold`` as class 1."""
    pairs = list(zip(labels, scores, strict=True))
    return sum((score >= threshold) == (label == 1) for label, score in pairs) / len(pairs)


def majority(labels: Sequence[int]) -> float:
    """Return the accuracy of always answering the commoner class of ``labels``."""
    ones = sum(labels) / len(labels)
    return max(ones, 1.0 - ones)
