"""MHM: Metropolis–Hastings sampling of renames (Zhang et al., AAAI 2020)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from durometer.attacks.base import Search, Tools, first_reaching
from durometer.attacks.vocabulary import VOCABULARY_SIZE
from durometer.code import Program
from durometer.tasks.base import Goal


class MHM(BaseModel):
    """Metropolis–Hastings modifier: a random walk over renames that favours lower scores.

    Source: Zhang, Li, Li, Ma, Liu and Jin, "Generating adversarial examples for holding robustness of source
    code processing models", AAAI 2020; as adapted by ALERT (Yang et al., ICSE 2022).

    Each iteration picks one identifier uniformly, draws names from the vocabulary without replacement,
    drops invalid ones, and asks for the current program and the variants in one batch. The first variant
    that reaches the goal wins; else the variant with the lowest score p* is accepted with probability
    min(1, (1 − p*) / (1 − p)), p being the current program's score.

    Departures from the released code:
    - on acceptance it keeps the *last drawn* variant, not the best (the original repository too):
      ``keep="last"`` reproduces that, the default keeps the best, as the paper says;
    - it filters names by the keywords of C whatever the language, and accepts names that the snippet
      uses already; ours are always valid, and nothing reproduces that.
    An iteration whose names are all invalid costs no query.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs_vocabulary: ClassVar[bool] = True

    kind: Literal["mhm"] = "mhm"
    iterations: int = Field(default=100, ge=1)
    candidates_per_iteration: int = Field(default=30, ge=1)
    vocabulary_size: int = Field(default=VOCABULARY_SIZE, ge=1)
    keep: Literal["best", "last"] = "best"

    def search(self, program: Program, goal: Goal, tools: Tools, rng: np.random.Generator) -> Search:
        """Return the search; at most 2 + 31 · 100 queries, the first prediction included."""
        names = tools.names(program.snippet)
        vocabulary = tools.vocabulary[: self.vocabulary_size]
        count = min(self.candidates_per_iteration, len(vocabulary))
        yield [program]
        if not count:
            return None
        for _ in range(self.iterations):
            name = names[rng.integers(len(names))]
            drawn = [vocabulary[i] for i in rng.choice(len(vocabulary), count, replace=False)]
            variants = tools.variants(program, name, drawn)
            if not variants:
                continue
            answers = yield [program, *variants]
            winner = first_reaching([program, *variants], answers, goal)
            if winner is not None:
                return winner
            current, *scores = (goal.score(answer) for answer in answers)
            best = int(np.argmin(scores))
            if rng.random() < acceptance(current, scores[best]):
                program = variants[best if self.keep == "best" else -1]
        return None


def acceptance(current: float, proposed: float) -> float:
    """Return min(1, (1 − p*) / (1 − p)): the probability of moving from score p to score p*."""
    return 1.0 if proposed <= current else (1.0 - proposed) / (1.0 - current)
