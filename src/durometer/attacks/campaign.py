"""One victim, one data file, one attack: from names on a command line to a stream of outcomes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from durometer.attacks.base import DEFAULT_SEED, Attack, Tools, needs
from durometer.attacks.candidate_files import CandidateFile
from durometer.attacks.driver import drive
from durometer.attacks.strength import attack_from
from durometer.attacks.trial import Limits
from durometer.attacks.vocabulary import vocabulary
from durometer.corpora.spec import parse_spec
from durometer.errors import InputError
from durometer.tasks.base import TASKS, Task
from durometer.types import Outcome, Sample
from durometer.victims.base import made_by
from durometer.victims.oracle import Oracle


@dataclass(frozen=True)
class Campaign:
    """What to attack with what; plain values, so that it travels to worker processes.

    ``victim`` is a card (``.yaml``), a folder, a hub id in the local cache, or ``module:function`` (called
    with the task). ``hold_out_cwe`` leaves this weakness alone in the test split. Only ``device``, ``width``
    and ``allow_download`` have no influence on outcomes.
    """

    victim: str
    task: str
    data: str
    attack: Mapping[str, Any]
    candidates: str | None = None
    masked_lm: str | None = None
    cache: str | None = None
    seed: int = DEFAULT_SEED
    limit: int | None = None
    max_queries: int | None = None
    max_seconds: float | None = None
    rename_function_name: bool = False
    unchecked: bool = False
    device: str = "cpu"
    width: int = 1
    hold_out_cwe: str | None = None
    allow_download: bool = False

    @property
    def all_samples(self) -> list[Sample]:
        """Every sample of the data, once per id: the attacked set, whose words are the vocabulary.

        Raises:
            InputError: the data cannot be read, or has no such split (``test`` where none is named).

        """
        return self._read[0]

    @property
    def notes(self) -> Mapping[str, str]:
        """What is odd about the data."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[list[Sample], Mapping[str, str]]:
        spec = parse_spec(self.data)
        options = {"hold_out_cwe": self.hold_out_cwe} if self.hold_out_cwe else {}
        corpus = spec.read(self.task, options, allow_download=self.allow_download)
        splits = corpus.splits
        name = next(iter(splits)) if len(splits) == 1 else spec.split or "test"
        if name not in splits:
            raise InputError(
                f"no split {name!r}",
                where=self.data,
                hint=f"Name one after a #: {', '.join(splits)}.",
            )
        return list({sample.id: sample for sample in splits[name]}.values()), corpus.notes

    @property
    def samples(self) -> list[Sample]:
        """The first ``limit`` samples, in file order."""
        return self.all_samples[: self.limit]

    def names(self, watch: Callable[[Sequence[Sample]], Iterable[Sample]] = iter) -> Tools:
        """Return the names to try that come from files; plain values, which may travel to worker processes.

        ``watch`` is given the samples whose words are counted, which takes a while, and passes them on.

        Raises:
            InputError: the attack needs candidates and has none, or their file does not fit.

        """
        attack = attack_from(self.attack)
        tools = Tools(rename_function_name=self.rename_function_name, unchecked=self.unchecked)
        if needs(attack, "vocabulary"):
            tools = replace(tools, vocabulary=vocabulary(watch(self.all_samples)))
        if self.candidates is not None:
            tools = replace(tools, candidates=CandidateFile(Path(self.candidates), self.all_samples))
        elif self.masked_lm is None and needs(attack, "candidates"):
            raise InputError(
                f"{self.attack['kind']} needs substitute names, and none were given",
                hint="Give --candidates FILE (durometer candidates writes one) or --masked-lm FOLDER.",
            )
        return tools

    def open(self, names: Tools | None = None) -> Attacker:
        """Load victim, attack and tools; ``names`` may have been made before.

        Raises:
            InputError: something named does not exist, or the attack needs candidates and has none.
            RefusedError: a white-box attack on a victim without gradients.

        """
        attack, tools = attack_from(self.attack), names or self.names()
        task = TASKS.get(self.task)()
        oracle = Oracle(load(self.victim, task, self.device, allow_download=self.allow_download), task)
        if needs(attack, "gradients"):
            from durometer.attacks.gradients import gradient_source

            tools = replace(tools, gradients=gradient_source(oracle))
        if self.masked_lm is not None:
            from durometer.attacks.candidates import lend_masked_lm

            lent = lend_masked_lm(tools, Path(self.masked_lm), self.task, self.device, self.cache)
            tools = lent if self.candidates is None else replace(lent, candidates=tools.candidates)
        draws = f"{self.task} {self.attack['kind']}"  # those of a study's cell of the same seed
        limits = Limits(self.max_queries, self.max_seconds)
        return Attacker(attack, oracle, tools, self.seed, draws, limits, self.width)


@dataclass(frozen=True)
class Attacker:
    """One attack on one victim, loaded; ``draws`` names its random numbers."""

    attack: Attack
    oracle: Oracle
    tools: Tools
    seed: int
    draws: str
    limits: Limits
    width: int

    def outcomes(self, samples: Iterable[Sample]) -> Iterator[Outcome]:
        """Attack ``samples``; each outcome is independent of the others."""
        return drive(
            self.attack,
            samples,
            self.oracle,
            self.oracle.task,
            seed=self.seed,
            cell=self.draws,
            limits=self.limits,
            width=self.width,
            tools=self.tools,
        )


def load(victim: str, task: Task, device: str, *, allow_download: bool = False) -> Any:
    """Return the victim that ``victim`` names.

    Raises:
        ConfigurationError: ``module:function`` cannot be imported.
        VictimError: the function raised.
        InputError: no such card, folder or model.

    """
    if ":" in victim and os.sep not in victim and not victim.endswith((".yaml", ".yml")):
        return made_by(victim, task)
    from durometer.victims.load import load_victim

    return load_victim(victim, allow_download=allow_download, device=device, kind=task.kind)
