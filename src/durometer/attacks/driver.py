"""The one driver of every attack: many trials in lockstep, one stream of rows to the victim.

Each sample is a :class:`~durometer.attacks.trial.Trial`, which decides what it needs; the driver decides
only which rows travel together. Outcomes therefore do not depend on width, slice size, order or workers,
given a victim whose rows do not depend on their neighbours (others say ``batch_dependent`` and are asked
one row at a time).

``width`` 1 suits a CPU, where merging samples does not pay (architecture note: 10.3 s alone, 11.8 s
merged); a GPU wants 8 to 64, so that greedy's small requests fill a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from durometer.attacks.base import Attack, Tools, needs
from durometer.attacks.trial import Limits, Request, Steps, Trial
from durometer.errors import InputError, RefusedError
from durometer.rng import stream
from durometer.tasks.base import Task
from durometer.types import Outcome, Prediction, Sample
from durometer.victims.base import Victim, traits_of
from durometer.victims.oracle import ask

__all__ = ["Limits", "drive"]

UNLIMITED, NO_TOOLS = Limits(), Tools()


def drive(
    attack: Attack,
    samples: Iterable[Sample],
    oracle: Victim,
    task: Task,
    *,
    seed: int,
    cell: str = "",
    limits: Limits = UNLIMITED,
    width: int = 1,
    tools: Tools = NO_TOOLS,
) -> Iterator[Outcome]:
    """Attack each sample and yield its outcome as soon as it is known.

    Args:
        attack: the search; its random stream is that of (``seed``, ``cell``, sample id).
        samples: read lazily, ``width`` at a time; outcomes come in this order when ``width`` is 1.
        oracle: the checked victim; anything that it raises becomes the ``error`` outcome of the samples
            whose rows raise it when asked alone, and the other samples go on. An optional method
            ``visible_bytes(sample)`` says how many leading UTF-8 bytes of ``sample.code`` its truncation
            leaves: names that occur only beyond are not offered.
        task: what the goal is and which samples are attackable.
        seed: the run's seed.
        cell: names the cell, so that two attacks of a study do not share random numbers.
        limits: budget per sample.
        width: number of samples that are searched in lockstep.
        tools: candidates and vocabulary for the search.

    Raises:
        InputError: ``width`` is not positive.
        RefusedError: a white-box attack without gradients.
        MemoryError: the machine has too little memory; no outcome, since that says nothing about a victim.

    """
    if width < 1:
        raise InputError(f"width must be at least 1, got {width}", where="width")
    if needs(attack, "gradients") and tools.gradients is None:
        raise RefusedError(
            "this attack needs the victim's gradients, and none were given",
            hint="Gradients come from durometer.attacks.gradients.gradient_source(victim).",
        )
    traits = traits_of(oracle)
    visible_bytes = next(iter(_optional(oracle, "visible_bytes")), None)
    waiting = iter(samples)
    active: list[_Lane] = []
    while True:
        while len(active) < width:
            sample = next(waiting, None)
            if sample is None:
                break
            trial = Trial(
                sample,
                attack,
                task,
                tools,
                stream(seed, cell, sample.id),
                limits,
                traits.fingerprint,
                visible_bytes,
            )
            lane = _Lane(trial.run())
            lane.advance(())
            if lane.outcome is None:
                active.append(lane)
            else:
                yield lane.outcome
        if not active:
            return
        share = 1 if traits.batch_dependent else -(-traits.slice_rows // len(active))
        _round(oracle, active, share, merge=not traits.batch_dependent)
        for lane in active:
            if lane.outcome is not None:
                yield lane.outcome
        active = [lane for lane in active if lane.outcome is None]


@dataclass(eq=False)
class _Lane:
    """A running trial and the request that it waits for, or its outcome."""

    steps: Steps
    request: Request | None = None
    outcome: Outcome | None = None

    def advance(self, answers: Sequence[Prediction], fault: Exception | None = None) -> None:
        try:
            if fault is not None:
                self.request = self.steps.throw(fault)
            elif self.request is None:
                self.request = next(self.steps)
            else:
                self.request = self.steps.send(answers)
        except StopIteration as stop:
            self.outcome = stop.value

    @property
    def confirms(self) -> bool:
        """Whether the trial waits for the row that confirms its success."""
        return self.request is not None and self.request.alone

    def next_rows(self, share: int) -> Sequence[Sample]:
        return () if self.request is None else self.request.rows[:share]


def _round(oracle: Victim, lanes: Sequence[_Lane], share: int, *, merge: bool) -> None:
    """Compute up to ``share`` rows of every lane, merged into one call where that is allowed."""
    together = [lane for lane in lanes if merge and not lane.confirms]
    for group in [together, *([lane] for lane in lanes if lane not in together)]:
        rows = [row for lane in group for row in lane.next_rows(share)]
        if not rows:
            continue
        if group[0].confirms:
            for forget in _optional(oracle, "forget"):  # so that a confirmation is computed anew
                forget()
        try:
            answers: Sequence[Prediction] = ask(oracle, rows)
        except Exception:
            # Some row is at fault, or they are too many for the memory. Asking each lane's first row alone
            # finds the guilty one, and makes the outcome independent of who was in the batch.
            for lane in group:
                _first_alone(oracle, lane)
            continue
        for lane in group:
            count = len(lane.next_rows(share))
            mine, answers = answers[:count], answers[count:]
            lane.advance(mine)


def _first_alone(oracle: Victim, lane: _Lane) -> None:
    try:
        answers = ask(oracle, lane.next_rows(1))
    except MemoryError:
        raise
    except Exception as fault:
        lane.advance((), fault)
    else:
        lane.advance(answers)


def _optional(oracle: Victim, method: str) -> list[Callable[..., Any]]:
    """Return the optional ``method`` of the victim, and of the victim that the oracle guards."""
    owners = (oracle, getattr(oracle, "victim", None))
    return [found for owner in owners if callable(found := getattr(owner, method, None))]
