"""One sample under attack: validity, memo, budget, lazy evaluation, verification, the record.

A trial is itself a generator: it yields the rows that it needs computed and receives predictions for a
non-empty *prefix* of them, as long as the driver likes. It never sees the victim, so its outcome cannot
depend on how rows were batched, sliced or merged with other samples' rows.

Trade-off accepted: ``Outcome.forwards`` counts the distinct rows that the search needed (up to the first
program that reached the goal), not the rows that a slice computed ahead in vain; those depend on the
slice size, and an outcome must not. The oracle counts every computed row.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from durometer.attacks.base import Attack, Tools
from durometer.code import Program, Snippet, distances, parse, prove
from durometer.errors import InputError, VictimError, out_of_memory
from durometer.tasks.base import Goal, Task
from durometer.types import Outcome, Prediction, Sample, Status

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Budget of one sample; reaching it is the status ``budget``, never ``failure``.

    ``max_seconds`` makes outcomes depend on the clock, the load and the batching: with it, runs do not
    repeat to the bit. It is off by default, and ``max_queries`` is what comparisons should use.
    """

    max_queries: int | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("max_queries", "max_seconds"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InputError(f"{name} must be positive, got {value}", where=name)


@dataclass(frozen=True)
class Request:
    """Rows that a trial needs; ``alone`` means: in a call of their own, next to no other row."""

    rows: Sequence[Sample]
    alone: bool = False


Steps = Generator[Request, Sequence[Prediction], Outcome]


class BudgetReachedError(Exception):
    """The search asked for more than its limits allow."""


class InvalidRequestError(Exception):
    """The search asked for a program that is not a valid rename: a fault of the attack."""


@dataclass
class Trial:
    """The state of one attacked sample; ``run`` is the generator that drives it."""

    sample: Sample
    attack: Attack
    task: Task
    tools: Tools
    rng: np.random.Generator
    limits: Limits = Limits()
    fingerprint: str = "unknown"
    visible_bytes: Callable[[Sample], int] | None = None

    queries: int = 0
    forwards: int = 0
    trajectory: list[tuple[int, float]] = field(default_factory=list)
    snippet: Snippet | None = None
    goal: Goal | None = None
    original: Prediction = field(default_factory=Prediction)
    _memo: dict[str, Prediction] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)
    _valid: set[tuple[str, str]] = field(default_factory=set)

    def run(self) -> Steps:
        """Yield requests, receive predictions, return the outcome; exceptions become ``error`` outcomes.

        Raises:
            MemoryError: the machine has too little memory, which is no outcome.

        """
        self._started = time.monotonic()
        try:
            return (yield from self._attack())
        except BudgetReachedError as reached:
            return self._outcome(Status.BUDGET, str(reached))
        except InvalidRequestError as fault:
            return self._outcome(Status.INVALID, str(fault))
        except Exception as error:
            if out_of_memory(error):
                raise MemoryError(str(error)) from error
            log.debug("sample %s", self.sample.id, exc_info=True)
            return self._outcome(Status.ERROR, explain(error))

    def _attack(self) -> Steps:
        self.snippet = snippet = parse(self.sample.code, self.sample.language)
        self.queries = 1
        (self.original,), _ = yield from self._evaluate([snippet.original])
        reason = self.task.attackable(self.sample, self.original)
        if reason:
            return self._outcome(Status.SKIPPED, reason)
        self.goal = goal = self.task.goal(self.sample, self.original)
        self.trajectory = [(1, goal.score(self.original))]
        visible = None if self.visible_bytes is None else self.visible_bytes(self.sample)
        gradients = self.tools.gradients
        tools = replace(
            self.tools,
            task=self.task.name,
            hidden=hidden_names(snippet, visible),
            first_order=None if gradients is None else gradients(self.sample),
        )
        if not tools.names(snippet):
            return self._outcome(Status.SKIPPED, "nothing to rename")
        claimed = yield from self._search(snippet.original, goal, tools)
        if claimed is None:
            return self._outcome(Status.FAILURE)
        return (yield from self._verify(claimed, goal))

    def _search(
        self, original: Program, goal: Goal, tools: Tools
    ) -> Generator[Request, Sequence[Prediction], Program | None]:
        """Run the attack's generator, answering each request from the memo and the victim."""
        offered = frozenset(tools.names(original.snippet))
        search = self.attack.search(original, goal, tools, self.rng)
        try:
            programs = next(search)
            while True:
                if not tools.unchecked:
                    self._admit(programs, offered)
                before = self.queries
                asked = programs[: self._spend(len(programs))]
                answers, reached = yield from self._evaluate(asked, before)
                if len(asked) < len(programs) and not reached:
                    raise BudgetReachedError(f"max_queries ({self.limits.max_queries}) reached")
                programs = search.send(answers)
        except StopIteration as stop:
            claimed: Program | None = stop.value
            return claimed
        finally:
            search.close()

    def _spend(self, count: int) -> int:
        """Charge ``count`` queries, as far as the budget goes; return how many may be asked."""
        seconds, limit = self.limits.max_seconds, self.limits.max_queries
        if seconds is not None and time.monotonic() - self._started >= seconds:
            raise BudgetReachedError(f"max_seconds ({seconds:g}) reached")
        granted = count if limit is None else min(count, limit - self.queries)
        if count and granted <= 0:
            raise BudgetReachedError(f"max_queries ({limit}) reached")
        self.queries += granted
        return granted

    def _admit(self, programs: Sequence[Program], offered: frozenset[str]) -> None:
        """Refuse a program that is not the original under an injective valid rename of offered names."""
        for program in programs:
            if program.snippet is not self.snippet:
                raise InvalidRequestError("the attack asked for a program of another snippet")
            renames = program.renames
            if len(set(renames.values())) < len(renames):
                raise InvalidRequestError(f"the attack asked for a merge of names: {dict(renames)}")
            for rename in renames.items():
                if rename in self._valid:
                    continue
                fault = program.snippet.original.check(*rename) if rename[0] in offered else "not offered"
                if fault is not None:
                    raise InvalidRequestError(f"the attack asked for {rename[0]} -> {rename[1]}: {fault}")
                self._valid.add(rename)

    def _evaluate(
        self, programs: Sequence[Program], before: int = 0
    ) -> Generator[Request, Sequence[Prediction], tuple[list[Prediction], bool]]:
        """Return the predictions up to the first program that reaches the goal, and whether one does.

        Probes never end it. ``before`` is the number of queries made before this batch.
        """
        texts = [program.text for program in programs]
        answers: list[Prediction] = []
        reached = False
        while len(answers) < len(texts) and not reached:
            position = len(answers)
            answer = self._memo.get(texts[position])
            if answer is None:
                missing = [text for text in dict.fromkeys(texts[position:]) if text not in self._memo]
                rows = [replace(self.sample, code=text) for text in missing]
                self._memo.update(zip(missing, (yield Request(rows)), strict=False))
                continue
            if texts[position] not in self._used:
                self._used.add(texts[position])
                self.forwards += 1
            answers.append(answer)
            reached = self._note(programs[position], answer, before + position + 1)
        return answers, reached

    def _note(self, program: Program, answer: Prediction, queries: int) -> bool:
        """Extend the trajectory where the best score improves; return whether the goal is reached."""
        if self.goal is None or program.is_probe:
            return False
        score, reached = self.goal.score(answer), self.goal.reached(answer)
        if score < self.trajectory[-1][1] or reached:
            self.trajectory.append((queries, min(score, self.trajectory[-1][1])))
        return reached

    def _verify(self, program: Program, goal: Goal) -> Steps:
        """Prove the claimed program from its text, then ask the victim again, alone and past the memo."""
        if program.is_probe:
            return self._outcome(Status.INVALID, "the attack returned a probe")
        verdict = prove(
            self.sample.code,
            program.text,
            self.sample.language,
            allow_function_name=self.tools.rename_function_name,
        )
        faults = ", ".join(verdict.reasons)
        if not verdict.valid and not self.tools.unchecked:
            reason = f"{faults}: {verdict.detail}" if verdict.detail else faults
            return self._outcome(Status.INVALID, reason, program=program)
        row = replace(self.sample, code=program.text)
        (answer,) = yield Request([row], alone=True)
        self.forwards += 1
        if not goal.reached(answer):
            reason = "the goal was not reached when queried alone"
            return self._outcome(Status.UNSTABLE, reason, program=program, answer=answer)
        reason = f"unchecked: {faults or 'valid'}" if self.tools.unchecked else ""
        return self._outcome(Status.SUCCESS, reason, program=program, answer=answer)

    def _outcome(
        self,
        status: Status,
        reason: str = "",
        *,
        program: Program | None = None,
        answer: Prediction | None = None,
    ) -> Outcome:
        sample, snippet = self.sample, self.snippet
        change: dict[str, Any] = {}
        if program is not None:
            apart = distances(sample.code, program.text, sample.language)
            change = {
                "renames": dict(program.renames),
                "changed_tokens": apart.changed_tokens,
                "edit_distance": apart.edit_distance,
                "adversarial_code": program.text,
            }
        return Outcome(
            sample_id=sample.id,
            snippet_id=sample.snippet_id,
            status=status,
            reason=reason,
            label=sample.label,
            original=self.original,
            adversarial=answer,
            original_score=self.trajectory[0][1] if self.trajectory else None,
            adversarial_score=None if self.goal is None or answer is None else self.goal.score(answer),
            queries=self.queries,
            forwards=self.forwards,
            identifiers=0 if snippet is None else len(self.tools.names(snippet)),
            tokens=0 if snippet is None else len(snippet.tokens),
            original_code=sample.code,
            trajectory=tuple(self.trajectory),
            fingerprint=self.fingerprint,
            **change,
        )


def hidden_names(snippet: Snippet, visible_bytes: int | None) -> frozenset[str]:
    """Return the names, the function's own among them, that occur only beyond ``visible_bytes`` bytes."""
    if visible_bytes is None:
        return frozenset()
    return frozenset(
        name
        for name in snippet.changeable
        if all(start >= visible_bytes for start in snippet.occurrences(name))
    )


def explain(error: Exception) -> str:
    """Return one line that names the culprit: the victim, the input, or a bug of ours."""
    if isinstance(error, VictimError):
        return f"victim {error.where}: {error.what}" if error.where else f"victim: {error.what}"
    if isinstance(error, InputError):
        return str(error).replace("\n", " ")
    return f"{type(error).__name__}: {error}"
