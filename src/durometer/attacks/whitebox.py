"""A white-box baseline: candidates ranked by the victim's own gradient, verified by real queries."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from durometer.attacks.base import Search, Tools, first_reaching
from durometer.attacks.vocabulary import VOCABULARY_SIZE
from durometer.code import Program
from durometer.errors import RefusedError
from durometer.tasks.base import Goal


class WhiteBox(BaseModel):
    """HotFlip-style rename attack: a lower bound on what an attacker with the weights can do.

    Source: first-order ranking as in HotFlip (Ebrahimi et al., ACL 2018), over renames as in Yefet, Alon and
    Yahav (OOPSLA 2020). Each round ranks every valid rename of every name not yet renamed by
    the estimated change of the gold label's log-probability, queries the ``queries_per_round`` most
    promising ones in one batch, and keeps the best if it lowers the score; if none does, the search ends.

    Departures from HotFlip: names are whole identifiers, so the difference of *mean* sub-token
    embeddings stands for the replacement, and nothing is believed that a query has not confirmed.
    Backward passes are not queries; there is one per round.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs_gradients: ClassVar[bool] = True
    needs_vocabulary: ClassVar[bool] = True

    kind: Literal["whitebox"] = "whitebox"
    queries_per_round: int = Field(default=30, ge=1)
    vocabulary_size: int = Field(default=VOCABULARY_SIZE, ge=1)
    pool_per_identifier: int = Field(default=500, ge=1)

    def search(self, program: Program, goal: Goal, tools: Tools, rng: np.random.Generator) -> Search:
        """Return the search; at most 2 + n · 30 queries for n names.

        Raises:
            RefusedError: the driver was given no gradients (``Tools.gradients``).

        """
        if tools.first_order is None:
            raise RefusedError("a white-box attack needs a victim with gradients")
        names = tools.names(program.snippet)
        table = tools.candidates(program.snippet)
        vocabulary = tools.vocabulary[: self.vocabulary_size]
        (answer,) = yield [program]
        score = goal.score(answer)
        for _ in names:
            variants = [
                variant
                for name in names
                if name not in program.renames
                for variant in tools.variants(
                    program,
                    name,
                    dict.fromkeys((*table.get(name, ()), *vocabulary[: self.pool_per_identifier])),
                )
            ]
            if not variants:
                return None
            estimates = np.asarray(tools.first_order(program, variants))
            order = np.argsort(estimates, kind="stable")[: self.queries_per_round]
            batch = [variants[i] for i in order]
            answers = yield batch
            winner = first_reaching(batch, answers, goal)
            if winner is not None:
                return winner
            scores = [goal.score(answer) for answer in answers]
            best = int(np.argmin(scores))
            if scores[best] >= score:
                return None
            program, score = batch[best], scores[best]
        return None
