"""WIR-Random: word-importance ranking with candidates drawn at random (Zeng et al., ISSTA 2022)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from durometer.attacks.base import Search, Tools
from durometer.attacks.greedy import greedy
from durometer.attacks.vocabulary import VOCABULARY_SIZE
from durometer.code import Program
from durometer.tasks.base import Goal


class WirRandom(BaseModel):
    """ALERT's greedy stage with random names: the baseline that shows what good candidates are worth.

    Source: Zeng et al., "An extensive study on pre-trained models for program understanding and
    generation", ISSTA 2022, as used by Awal, Rochan and Roy (arXiv 2508.03949).

    Identifiers in falling importance; for each, ``candidates_per_identifier`` names drawn without
    replacement from the vocabulary, invalid ones dropped, tried on the current program in one batch. The
    first that reaches the goal wins; else the one that lowers the score most, if any does, is kept.

    Departures from the released code:
    - names that are invalid (reserved, taken, already in the snippet) are dropped, not queried; the
      released code queries and reports them;
    - the mask replaces one occurrence in the source text, not one token of the tokenised text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs_vocabulary: ClassVar[bool] = True

    kind: Literal["wir_random"] = "wir_random"
    candidates_per_identifier: int = Field(default=30, ge=1)
    vocabulary_size: int = Field(default=VOCABULARY_SIZE, ge=1)

    def search(self, program: Program, goal: Goal, tools: Tools, rng: np.random.Generator) -> Search:
        """Return the search; at most 2 + (1 + occurrences) + 30 n queries, the first prediction included."""
        vocabulary = tools.vocabulary[: self.vocabulary_size]
        count = min(self.candidates_per_identifier, len(vocabulary))

        def variants(current: Program, name: str) -> list[Program]:
            drawn = rng.choice(len(vocabulary), count, replace=False) if count else ()
            return tools.variants(current, name, [vocabulary[i] for i in drawn])

        result = yield from greedy(program, goal, tools, variants)
        return result.program if result.reached else None
