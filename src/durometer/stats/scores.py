"""How sure a victim is, and how much an attack takes from it: calibration, confidence gap, drop of score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from durometer.errors import InputError
from durometer.stats.bootstrap import Estimate, estimate_mean
from durometer.stats.measures import ATTACKED, BROKEN, require

_BINS = 15

SCORE_DROP = (
    pl.when(BROKEN).then(pl.col("original_score") - pl.col("adversarial_score")).otherwise(0.0).fill_null(0.0)
)
"""What an attack takes from the goal's score; a sample without a proven example keeps its score."""


@dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy, on clean predictions of a binary task."""

    confidence: Estimate  # mean probability of the predicted class
    gap: Estimate  # mean of (probability of the predicted class − right or wrong): positive is overconfident
    brier: float  # mean squared error of the probability of class 1
    expected_calibration_error: float  # 15 bins of equal width (Guo et al. 2017, section 2)


def calibration(predictions: pl.DataFrame) -> Calibration:
    """Return the calibration of ``predictions`` (columns of ``PREDICTIONS_SCHEMA``; binary tasks).

    Raises:
        InputError: there is no sample, or one without a probability.

    """
    require(predictions, ("snippet_id", "label", "predicted", "correct", "probability"))
    if predictions["probability"].null_count() or len(predictions) == 0:
        raise InputError("calibration needs the probability of class 1 for every sample")
    of_one = predictions["probability"].to_numpy()
    sure = np.where(predictions["predicted"].to_numpy() == 1, of_one, 1 - of_one)
    right = predictions["correct"].cast(pl.Float64).to_numpy()
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    differences = np.bincount(bins, weights=sure - right, minlength=_BINS)
    clusters = predictions["snippet_id"].to_numpy()
    return Calibration(
        confidence=estimate_mean(sure, clusters),
        gap=estimate_mean(sure - right, clusters),
        brier=float(((of_one - predictions["label"].to_numpy()) ** 2).mean()),
        expected_calibration_error=float(np.abs(differences).sum() / len(sure)),
    )


def confidence_gap(outcomes: pl.DataFrame) -> Estimate:
    """Return by how much proven successes lower the probability of the class first predicted, on average."""
    require(outcomes, ("status", "reason", "snippet_id", "original_probability", "adversarial_probability"))
    rows = outcomes.filter(BROKEN & pl.col("adversarial_probability").is_not_null())
    drops = rows["original_probability"] - rows["adversarial_probability"]
    return estimate_mean(drops.to_numpy(), rows["snippet_id"].to_numpy())


def score_drop(outcomes: pl.DataFrame) -> Estimate:
    """Return the mean drop of the goal's score over attacked samples (for summarization: of sentence BLEU).

    An attacked sample without a proven adversarial program keeps its score: its drop is 0.
    """
    require(outcomes, ("status", "reason", "snippet_id", "original_score", "adversarial_score"))
    rows = outcomes.filter(ATTACKED & pl.col("original_score").is_not_null()).select(
        "snippet_id", drop=SCORE_DROP
    )
    return estimate_mean(rows["drop"].to_numpy(), rows["snippet_id"].to_numpy())
