"""What a task must say: how samples are fed, what an attack wants, how answers are scored.

A task is one file and one line in ``TASKS``. It holds no model: a victim is built *for* a task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from durometer.registry import Registry
from durometer.types import Prediction, Sample


class Goal(Protocol):
    """What the attack of one sample wants; attacks see predictions only through it."""

    def score(self, prediction: Prediction) -> float:
        """Return what the attack lowers: the gold label's probability, or BLEU / 100; in [0, 1]."""
        ...

    def reached(self, prediction: Prediction) -> bool:
        """Whether the attack has succeeded with this prediction."""
        ...


class Task(Protocol):
    """One task of the study."""

    name: str
    kind: Literal["classification", "generation"]
    pair: bool  # whether a victim reads ``Sample.other`` too
    classes: tuple[str, ...]  # class names by label index; empty for generation
    headline: str  # key in ``measure`` and ``floor`` that tables show as the task's accuracy-like measure

    def goal(self, sample: Sample, original: Prediction) -> Goal:
        """Return the goal for a sample whose unmodified prediction is ``original``."""
        ...

    def attackable(self, sample: Sample, original: Prediction) -> str:
        """Return "" if the sample may be attacked, else the reason (``misclassified``, …)."""
        ...

    def score(self, sample: Sample, prediction: Prediction) -> float:
        """Return what one answer adds to ``headline``, in [0, 1]: right or wrong, or a BLEU."""
        ...

    def measure(self, samples: Sequence[Sample], predictions: Sequence[Prediction]) -> Mapping[str, float]:
        """Return the task's measures (accuracy, f1, …; BLEU, …) as fractions in [0, 1]."""
        ...

    def floor(self, train: Sequence[Sample], test: Sequence[Sample]) -> Mapping[str, float]:
        """Return what a bag of words reaches (``auc``, ``accuracy``, ``bleu``): what a model must beat.

        Each task says what it does where there is no training split.
        """
        ...


TASKS: Registry[type[Task]] = Registry(
    "task",
    {
        "clone": "durometer.tasks.clone:CloneDetection",
        "vulnerability": "durometer.tasks.vulnerability:VulnerabilityDetection",
        "summarization": "durometer.tasks.summarization:Summarization",
    },
)
