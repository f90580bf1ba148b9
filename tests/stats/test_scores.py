from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import brier_score_loss

from durometer.errors import InputError
from durometer.stats.scores import calibration, confidence_gap, score_drop


def predictions(probabilities, labels):
    predicted = [int(p > 0.5) for p in probabilities]
    return pl.DataFrame(
        {
            "sample_id": [str(i) for i in range(len(labels))],
            "snippet_id": [str(i) for i in range(len(labels))],
            "label": labels,
            "predicted": predicted,
            "correct": [p == y for p, y in zip(predicted, labels, strict=True)],
            "probability": probabilities,
        }
    )


def test_a_calibrated_victim_has_no_gap_and_an_overconfident_one_has():
    rng = np.random.default_rng(1)
    truth = rng.random(20_000)
    labels = (rng.random(20_000) < truth).astype(int)
    fair = calibration(predictions(truth, labels))
    assert abs(fair.gap.value) < 0.01
    assert fair.expected_calibration_error < 0.02
    assert fair.brier == pytest.approx(brier_score_loss(labels, truth))
    sure = calibration(predictions(np.where(truth > 0.5, 0.99, 0.01), labels))
    assert sure.gap.low > 0.2
    assert sure.expected_calibration_error == pytest.approx(sure.gap.value)


def test_calibration_needs_probabilities():
    with pytest.raises(InputError, match="probability"):
        calibration(predictions([0.2, 0.7], [0, 1]).with_columns(probability=pl.lit(None, pl.Float64)))


def test_the_confidence_gap_is_over_proven_successes(outcomes):
    frame = outcomes(
        {"snippet_id": "a", "original_probability": 0.9, "adversarial_probability": 0.4},
        {"snippet_id": "b", "original_probability": 0.8, "adversarial_probability": 0.1},
        {"snippet_id": "c", "status": "invalid", "original_probability": 0.9, "adversarial_probability": 0.0},
    )
    gap = confidence_gap(frame)
    assert gap.value == pytest.approx(0.6)
    assert gap.n == 2


def test_the_score_drop_counts_attacked_samples_without_success_as_zero(outcomes):
    frame = outcomes(
        {"snippet_id": "a", "original_score": 40.0, "adversarial_score": 0.0},
        {"snippet_id": "b", "original_score": 30.0, "adversarial_score": None, "status": "failure"},
        {"snippet_id": "c", "original_score": 20.0, "adversarial_score": 5.0, "status": "invalid"},
        {"snippet_id": "d", "original_score": 20.0, "status": "skipped"},
    )
    assert score_drop(frame).value == pytest.approx(40 / 3)
