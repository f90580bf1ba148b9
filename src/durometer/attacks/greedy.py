"""The greedy pass that ALERT and WIR-Random share (ALERT, Yang et al., ICSE 2022, section 3.3).

Source: identifiers in falling importance, each once; all candidates of one identifier in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

import numpy as np

from durometer.attacks.base import Tools, first_reaching
from durometer.attacks.importance import ranking
from durometer.code import Program
from durometer.tasks.base import Goal
from durometer.types import Prediction


class GreedyResult(NamedTuple):
    """How the pass ended: the last program kept, and whether it reaches the goal."""

    program: Program
    reached: bool
    original_score: float


def greedy(
    program: Program, goal: Goal, tools: Tools, variants: Callable[[Program, str], list[Program]]
) -> Generator[Sequence[Program], Sequence[Prediction], GreedyResult]:
    """Ask for the original, rank its names, then try ``variants(current program, name)`` for each.

    The first variant that reaches the goal ends the pass; else the one that lowers the score most, if any
    does, becomes the current program. Costs 1 + (1 + occurrences) queries and those of the variants.
    """
    (answer,) = yield [program]
    original_score = score = goal.score(answer)
    ranked = yield from ranking(program, tools.names(program.snippet), goal)
    for name, _ in ranked:
        batch = variants(program, name)
        if not batch:
            continue
        answers = yield batch
        winner = first_reaching(batch, answers, goal)
        if winner is not None:
            return GreedyResult(winner, True, original_score)
        scores = [goal.score(answer) for answer in answers]
        best = int(np.argmin(scores))
        if scores[best] < score:
            program, score = batch[best], scores[best]
    return GreedyResult(program, False, original_score)
