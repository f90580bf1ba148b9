"""What an attack is: a generator that yields programs to be scored and receives their predictions.

An attack never sees a model, a cache, a budget, a device or a file; the driver does all of that once.
Contract of the exchange:

- ``programs = yield``-ed as a sequence; the answer is the predictions in the same order;
- every program is the original under a valid rename (``Program.rename`` checked by
  ``Program.check``), or a *probe* (``Program.mask``), which is scored and never an answer;
- once a non-probe reaches the goal, the driver may cut the answer short after it (lazy evaluation):
  the last prediction received is then the one that reached it, and the search returns that program;
- ``return program`` claims success, ``return None`` says that the search found nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from durometer.code import Program, Snippet
from durometer.registry import Registry
from durometer.tasks.base import Goal
from durometer.types import Prediction

Search = Generator[Sequence[Program], Sequence[Prediction], Program | None]


def no_candidates(snippet: Snippet) -> Mapping[str, tuple[str, ...]]:
    """Offer nothing: the default of a study without a candidate source."""
    return {}


@dataclass(frozen=True)
class Tools:
    """What a search may use besides the programs: names to try, made before the attack starts.

    ``candidates`` gives each renameable identifier of a snippet its ordered substitutes (masked-LM
    or file); ``vocabulary`` is MHM's and WIR-Random's list of frequent identifiers, most frequent first;
    ``rename_function_name`` offers the function's own name too (off by default, spec section 0).
    """

    candidates: Callable[[Snippet], Mapping[str, tuple[str, ...]]] = no_candidates
    vocabulary: tuple[str, ...] = ()
    rename_function_name: bool = False
    extra: Mapping[str, object] = field(default_factory=dict)


class Attack(Protocol):
    """One attack; its configuration is a frozen pydantic model with a literal ``kind``."""

    def search(self, program: Program, goal: Goal, tools: Tools, rng: np.random.Generator) -> Search:
        """Return the search over renamings of ``program`` (the unmodified original)."""
        ...


ATTACKS: Registry[type[Attack]] = Registry(
    "attack",
    {
        "wir_random": "durometer.attacks.wir_random:WirRandom",
        "mhm": "durometer.attacks.mhm:MHM",
    },
)
