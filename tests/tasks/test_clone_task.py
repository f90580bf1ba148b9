from __future__ import annotations

import pytest

from durometer.errors import InputError
from durometer.tasks.clone import CloneDetection
from durometer.tasks.scoring import accuracy_at, best_threshold, majority
from durometer.types import Prediction, Sample


def sample(i: int, label: int | None, code: str = "a", other: str = "b") -> Sample:
    return Sample(str(i), code, "python", label, other)


def says(p: float) -> Prediction:
    return Prediction((1 - p, p))


def test_goal_lowers_the_original_label() -> None:
    task = CloneDetection()
    goal = task.goal(sample(0, 1), says(0.8))
    assert goal.score(says(0.7)) == pytest.approx(0.7)
    assert not goal.reached(says(0.51))
    assert goal.reached(says(0.49))
    # A tie is answered with the lower class by everybody: it counts as class 0.
    assert goal.reached(says(0.5))


def test_only_right_answers_are_attackable() -> None:
    task = CloneDetection()
    assert task.attackable(sample(0, 1), says(0.9)) == ""
    assert task.attackable(sample(0, 0), says(0.9)) == "misclassified"


def test_measures_by_hand() -> None:
    # gold 1 1 1 0 0 0, answers 1 1 0 1 0 0: TP 2, FN 1, FP 1, TN 2
    gold = [1, 1, 1, 0, 0, 0]
    scores = [0.9, 0.8, 0.2, 0.7, 0.1, 0.3]
    result = CloneDetection().measure([sample(i, g) for i, g in enumerate(gold)], list(map(says, scores)))
    assert result["accuracy"] == pytest.approx(4 / 6)
    assert result["precision"] == pytest.approx(2 / 3)
    assert result["recall"] == pytest.approx(2 / 3)
    assert result["f1"] == pytest.approx(2 / 3)
    assert result["mcc"] == pytest.approx((2 * 2 - 1) / 9)
    assert result["auc"] == pytest.approx(7 / 9)


def test_one_class_data_has_no_auc_and_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    result = CloneDetection().measure([sample(i, 1) for i in range(3)], [says(0.9)] * 3)
    assert "auc" not in result
    assert result["accuracy"] == 1.0
    assert not recwarn.list


def test_bad_input_is_explained() -> None:
    with pytest.raises(InputError, match="no samples"):
        CloneDetection().measure([], [])
    with pytest.raises(InputError, match="label None"):
        CloneDetection().measure([sample(0, None)], [says(0.5)])
    with pytest.raises(InputError, match="0 predictions for 1"):
        CloneDetection().measure([sample(0, 1)], [])


def test_floor_of_an_easy_and_of_a_hopeless_set() -> None:
    words = ["alpha beta", "gamma delta", "one two", "red green", "up down", "left right"]
    easy = [sample(i, 1, w, w) for i, w in enumerate(words)]
    easy += [sample(10 + i, 0, words[i], words[i - 1]) for i in range(len(words))]
    floor = CloneDetection().floor(easy, easy)
    assert floor["auc"] == 1.0
    assert floor["accuracy"] == 1.0
    assert floor["majority"] == 0.5
    hopeless = [sample(i, i % 2, "x y", "x y") for i in range(10)]
    floor = CloneDetection().floor(hopeless, hopeless)
    assert floor["auc"] == pytest.approx(0.5)
    assert floor["accuracy"] == pytest.approx(0.5)


def test_floor_without_training_pairs_gives_no_accuracy() -> None:
    test = [sample(0, 1, "a b", "a b"), sample(1, 0, "a b", "c d")]
    assert set(CloneDetection().floor([], test)) == {"auc", "majority"}


def test_threshold_is_the_best_on_its_data() -> None:
    labels, scores = [0, 0, 1, 1, 0], [0.1, 0.4, 0.35, 0.8, 0.2]
    best = max(accuracy_at(t, labels, scores) for t in [*scores, 9.0])
    assert accuracy_at(best_threshold(labels, scores), labels, scores) == best
    assert majority([1, 1, 0]) == pytest.approx(2 / 3)
