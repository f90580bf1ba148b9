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

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from durometer.code import Program, Snippet
from durometer.registry import Registry
from durometer.tasks.base import Goal
from durometer.types import Prediction, Sample

Search = Generator[Sequence[Program], Sequence[Prediction], Program | None]

# For a program and variants of it that differ in one name: the estimated change of the gold label's
# log-probability for each.
FirstOrder = Callable[[Program, Sequence[Program]], Sequence[float]]

DEFAULT_SEED = 123456  # of all four released attacks (spec section 6)


def no_candidates(snippet: Snippet) -> Mapping[str, tuple[str, ...]]:
    """Offer nothing: the default of a study without a candidate source."""
    return {}


@dataclass(frozen=True)
class Tools:
    """What a search may use besides the programs: names to try, made before the attack starts.

    ``candidates`` gives each renameable identifier of a snippet its ordered substitutes (masked-LM
    or file), ``fills`` those of BeamAttack's masked windows; ``similarity`` scores variants of a program
    against it (BeamAttack; None keeps the order of the candidates); ``vocabulary`` is MHM's and
    WIR-Random's list of frequent identifiers, most frequent first; ``rename_function_name`` offers the
    function's own name too (off by default, spec section 0). ``unchecked`` switches the validity filter
    off, for comparison with published figures only.
    ``gradients`` makes first-order estimates for a sample's programs (white-box attacks only).
    Set by the driver for each sample: ``task``, the name of the task; ``hidden``, names that the victim's
    truncation keeps it from seeing; ``first_order``, the estimates of ``gradients``.
    """

    candidates: Callable[[Snippet], Mapping[str, tuple[str, ...]]] = no_candidates
    fills: Callable[[Snippet], Mapping[str, tuple[str, ...]]] = no_candidates
    similarity: Callable[[Program, Sequence[Program]], Sequence[float]] | None = None
    vocabulary: tuple[str, ...] = ()
    rename_function_name: bool = False
    gradients: Callable[[Sample], FirstOrder] | None = None
    first_order: FirstOrder | None = None
    task: str = ""
    hidden: frozenset[str] = frozenset()
    unchecked: bool = False

    def names(self, snippet: Snippet) -> tuple[str, ...]:
        """Return the names of ``snippet`` that an attack may rename, in order of first appearance."""
        offered = snippet.changeable if self.rename_function_name else snippet.renameable
        names = set(offered) - self.hidden
        return tuple(name for name in snippet.identifiers if name in names)

    def variants(self, program: Program, old: str, new_names: Iterable[str]) -> list[Program]:
        """Return ``program`` with ``old`` renamed to each of ``new_names`` in turn, invalid ones dropped."""
        return [
            program.rename(old, new)
            for new in new_names
            if new != program.name_of(old) and (self.unchecked or program.check(old, new) is None)
        ]


def first_reaching(programs: Sequence[Program], answers: Sequence[Prediction], goal: Goal) -> Program | None:
    """Return the first program (list order, probes apart) whose answer reaches the goal.

    ``answers`` may be shorter than ``programs``: the driver cuts it after such a program.
    """
    for program, answer in zip(programs, answers, strict=False):
        if not program.is_probe and goal.reached(answer):
            return program
    return None


class Attack(Protocol):
    """One attack; its configuration is a frozen pydantic model with a literal ``kind``."""

    def search(self, program: Program, goal: Goal, tools: Tools, rng: np.random.Generator) -> Search:
        """Return the search over renamings of ``program`` (the unmodified original)."""
        ...


def needs(attack: Attack, what: Literal["vocabulary", "candidates", "gradients"]) -> bool:
    """Whether ``attack`` says (``needs_vocabulary``, …; no by default) that it cannot do without."""
    return bool(getattr(attack, f"needs_{what}", False))


ATTACKS: Registry[type[Attack]] = Registry(
    "attack",
    {
        "wir_random": "durometer.attacks.wir_random:WirRandom",
        "mhm": "durometer.attacks.mhm:MHM",
        "alert": "durometer.attacks.alert:Alert",
        "beam": "durometer.attacks.beam:BeamAttack",
        "union": "durometer.attacks.strength:Union",
        "restarts": "durometer.attacks.strength:Restarts",
        "whitebox": "durometer.attacks.whitebox:WhiteBox",
    },
)
