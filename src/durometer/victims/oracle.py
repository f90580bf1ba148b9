"""The one door to a victim: checks every answer, counts every row, keeps the time."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from durometer.errors import VictimError, out_of_memory
from durometer.types import Prediction, Sample
from durometer.victims.base import Traits, Victim, traits_of

if TYPE_CHECKING:
    from durometer.tasks.base import Task

TOLERANCE = 1e-4  # on the sum of probabilities: float32 softmax over many classes


def ask(victim: Victim, samples: Sequence[Sample], where: str = "") -> list[Prediction]:
    """Return one prediction per sample, in order.

    Raises:
        VictimError: the victim raised, or answered with another count; ``where`` says who.
        MemoryError: the machine has too little memory, which says nothing about the victim.

    """
    try:
        predictions = list(victim.predict(samples))
    except VictimError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise VictimError(f"predict raised {type(error).__name__}: {error}", where=where) from error
    if len(predictions) != len(samples):
        raise VictimError(
            f"{len(predictions)} predictions for {len(samples)} samples",
            where=where,
            hint="predict must return one prediction per input, in order.",
        )
    return predictions


class Oracle:
    """A victim on a task, whose answers can be trusted to be well formed.

    ``forwards`` counts rows asked of the victim, ``seconds`` the time it took, and ``tokenize_seconds``
    the part of it that the victim spent tokenising, if it says so.
    """

    def __init__(self, victim: Victim, task: Task) -> None:
        self.victim = victim
        self.task = task
        self.name = str(getattr(victim, "name", type(victim).__name__))
        self.forwards = 0
        self.seconds = 0.0

    @property
    def traits(self) -> Traits:
        """The victim's traits."""
        return traits_of(self.victim)

    @property
    def tokenize_seconds(self) -> float:
        """Seconds spent tokenising so far; 0 for victims that do not keep count."""
        return float(getattr(getattr(self.victim, "text", None), "seconds", 0.0))

    @property
    def forward_seconds(self) -> float:
        """Seconds spent in the victim without tokenisation."""
        return self.seconds - self.tokenize_seconds

    def predict(self, samples: Sequence[Sample]) -> list[Prediction]:
        """Return the victim's checked predictions, in order.

        Raises:
            VictimError: as ``ask``; or an answer has a wrong number of classes, NaN, or probabilities outside
                [0, 1] or that do not sum to 1.
            MemoryError: as ``ask``.

        """
        if not samples:
            return []
        start = time.perf_counter()
        try:
            predictions = ask(self.victim, samples, self.name)
        finally:
            self.seconds += time.perf_counter() - start
        self.forwards += len(samples)
        for sample, prediction in zip(samples, predictions, strict=True):
            fault = self._fault(prediction)
            if fault:
                raise VictimError(f"{fault} (sample {sample.id!r})", where=self.name)
        return predictions

    def _fault(self, prediction: object) -> str:
        """Return what is wrong with one prediction, or ""."""
        if not isinstance(prediction, Prediction):
            return f"a {type(prediction).__name__} instead of a Prediction"
        if self.task.kind == "generation":
            return "" if prediction.text is not None else "no text in a generation task"
        expected, values = len(self.task.classes), prediction.probabilities
        if len(values) != expected:
            return f"{len(values)} probabilities for {expected} classes"
        if not all(math.isfinite(value) for value in values):
            return "a probability is not a number"
        if min(values) < -TOLERANCE or abs(sum(values) - 1) > TOLERANCE:
            return (
                f"probabilities {[round(v, 4) for v in values]} do not sum to 1: logits instead of softmax?"
            )
        return ""
