"""Word-importance ranking, shared by ALERT and WIR-Random (ALERT, Yang et al., ICSE 2022, section 3.3).

Departures from the released code:
- it masks one token of a text whose comments are gone and whose tokens are joined by blanks; we mask one
  occurrence of the name in the source, so that all else stays what the victim answered on;
- its mask becomes the tokenizer's unknown id; ours is the text ``<unk>``, which a victim reads as text unless
  its framing says ``special_tokens: true``;
- importance there is the drop of the label that *that* text gets, so that where dropping comments flips the
  answer, names are visited in the wrong order; ours is the drop of the goal's score.
What each is worth on the published student: ``benchmarks/released_greedy.py``.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from durometer.code import Program
from durometer.tasks.base import Goal
from durometer.types import Prediction


def ranking(
    program: Program, names: Sequence[str], goal: Goal
) -> Generator[Sequence[Program], Sequence[Prediction], list[tuple[str, float]]]:
    """Ask for ``program`` and each occurrence masked in turn; return (name, importance), falling.

    The importance of a name is the sum, over its occurrences, of the drop of the goal's score; a tie
    keeps the order of ``names``. Costs 1 + (number of occurrences) queries, all in one batch.
    """
    counts = {name: len(program.snippet.occurrences(name)) for name in names}
    owners = [name for name in names for _ in range(counts[name])]
    answers = yield [program, *(program.mask(name, index) for name in names for index in range(counts[name]))]
    current, *scores = (goal.score(answer) for answer in answers)
    importance = dict.fromkeys(names, 0.0)
    for name, score in zip(owners, scores, strict=True):
        importance[name] += current - score
    return sorted(importance.items(), key=lambda item: -item[1])
