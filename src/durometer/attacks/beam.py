"""BeamAttack: beam search over renames, statement group by statement group (Du et al., FSE 2023)."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from durometer.attacks.base import Search, Tools, first_reaching
from durometer.attacks.statements import METHOD, OTHER, RELEASED_ORDER, statement_groups
from durometer.code import Program
from durometer.tasks.base import Goal
from durometer.types import Prediction

WEIGHTS: Mapping[str, Mapping[str, float]] = {  # percent, from the paper's pre-study
    "clone": {"for": 26.05, "try": 23.89, "if": 23.37, METHOD: 17.90, "throw": 13.39, "return": 11.26},
    "vulnerability": {"if": 21.07, METHOD: 19.81, "for": 18.40, "try": 15.24, "return": 10.60, "throw": 7.37},
    "summarization": {
        METHOD: 88.81,
        "for": 35.14,
        "if": 32.40,
        "try": 30.77,
        "return": 29.77,
        "throw": 27.12,
    },
}
WIDTHS: Mapping[str, int] = {"clone": 2, "vulnerability": 3, "summarization": 5}


class Node(NamedTuple):
    """A program of the beam and its score (lower is better)."""

    program: Program
    score: float


class BeamAttack(BaseModel):
    """Beam search that visits the names of the most influential kinds of statement first.

    Source: Du, Wen, Wei, Wang and Jin, "An extensive study on adversarial attack against pre-trained models
    of code", ESEC/FSE 2023, section 5. ``preset`` chooses the paper's weights and width; ``auto`` takes those
    of the task under attack (those of clone detection for a task that the paper does not know).

    In the first group the beam starts at the original and is extended by each name of the group until
    nothing changes or names run out; each later group gets ceil(names · weight / largest weight) rounds.
    If nothing reached the goal, the node with most renames is refined: each renamed name in turn tries its
    other candidates and its original name, and the first that does not raise the score is taken.

    Departures from the released code:
    - groups are visited by falling weight; the released code has a fixed order: ``group_order="released"``;
    - a name that a node renamed already is not renamed again in that node, but one that no node of
      the beam improved by is offered again in later groups, as released;
    - a program stays in the beam as long as it is among the best (the original, until enough others improve
      on it) and is extended again in each round; the queries are asked before, and count again;
    - without a masked language model (``Tools.similarity``) the candidates keep their order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs_candidates: ClassVar[bool] = True

    kind: Literal["beam"] = "beam"
    candidates_per_identifier: int = Field(default=30, ge=1)
    preset: Literal["auto", "clone", "vulnerability", "summarization"] = "auto"
    width: int | None = Field(default=None, ge=1)
    group_order: Literal["weight", "released"] = "weight"
    refine: bool = True

    def search(self, program: Program, goal: Goal, tools: Tools, rng: np.random.Generator) -> Search:
        """Return the search; its cost has no useful bound: set ``max_queries``."""
        preset = self.preset if self.preset != "auto" else tools.task if tools.task in WEIGHTS else "clone"
        weights, width = WEIGHTS[preset], self.width or WIDTHS[preset]
        weight = {**weights, OTHER: min(weights.values())}
        largest = max(weights.values())
        groups = statement_groups(program.snippet, tools.names(program.snippet))
        order = [group for group in RELEASED_ORDER if group in groups]
        if self.group_order == "weight":
            order.sort(key=lambda group: -weight[group])
        candidates = _candidates(program, tools)
        (answer,) = yield [program]
        beam = [Node(program, goal.score(answer))]
        for position, group in enumerate(order):
            names = groups[group]
            unused = sum(any(name not in node.program.renames for node in beam) for name in names)
            rounds = unused if position == 0 else math.ceil(unused * weight[group] / largest)
            for _ in range(rounds):
                extended = yield from self._extend(beam, names, candidates, goal, tools)
                if isinstance(extended, Program):
                    return extended
                best = _best([*beam, *extended], width)
                if best == beam:
                    break
                beam = best
        if not self.refine:
            return None
        return (
            yield from self._refined(
                max(beam, key=lambda node: len(node.program.renames)), candidates, goal, tools
            )
        )

    def _extend(
        self,
        beam: Sequence[Node],
        names: Sequence[str],
        candidates: Mapping[str, Sequence[str]],
        goal: Goal,
        tools: Tools,
    ) -> Generator[Sequence[Program], Sequence[Prediction], list[Node] | Program]:
        """Extend each node by each name that it has not renamed; return a program that reached the goal."""
        found: list[Node] = []
        for node in beam:
            for name in names:
                if name in node.program.renames:
                    continue
                result = yield from self._perturb(node.program, name, candidates, goal, tools)
                if isinstance(result, Program):
                    return result
                found.extend(result)
        return found

    def _perturb(
        self, program: Program, name: str, candidates: Mapping[str, Sequence[str]], goal: Goal, tools: Tools
    ) -> Generator[Sequence[Program], Sequence[Prediction], list[Node] | Program]:
        """Query the program, then its variants most similar first; return those that lower the score."""
        variants = tools.variants(program, name, candidates.get(name, ()))
        variants = _by_similarity(program, variants, tools)[: self.candidates_per_identifier]
        if not variants:
            return []
        (answer,) = yield [program]
        current = goal.score(answer)
        answers = yield variants
        winner = first_reaching(variants, answers, goal)
        if winner is not None:
            return winner
        nodes = [Node(v, goal.score(answer)) for v, answer in zip(variants, answers, strict=True)]
        return [node for node in nodes if node.score < current]

    def _refined(
        self, node: Node, candidates: Mapping[str, Sequence[str]], goal: Goal, tools: Tools
    ) -> Search:
        """Try to shrink the perturbation of ``node``; return a program that reached the goal on the way."""
        program, score = node
        for name in node.program.renames:
            others = tools.variants(program, name, candidates.get(name, ()))
            batch = [*others[: self.candidates_per_identifier], program.rename(name, name)]
            answers = yield batch
            winner = first_reaching(batch, answers, goal)
            if winner is not None:
                return winner
            for variant, answer in zip(batch, answers, strict=True):
                if goal.score(answer) <= score:
                    program, score = variant, goal.score(answer)
                    break
        return None


def _candidates(program: Program, tools: Tools) -> Mapping[str, tuple[str, ...]]:
    """Merge the masked language model's substitutes with its fills of masked windows, without repeats."""
    substitutes, fills = tools.candidates(program.snippet), tools.fills(program.snippet)
    return {
        name: tuple(dict.fromkeys((*substitutes.get(name, ()), *fills.get(name, ()))))
        for name in tools.names(program.snippet)
    }


def _by_similarity(program: Program, variants: list[Program], tools: Tools) -> list[Program]:
    if tools.similarity is None or not variants:
        return variants
    similarities = tools.similarity(program, variants)
    order = sorted(range(len(variants)), key=lambda i: -similarities[i])
    return [variants[i] for i in order]


def _best(nodes: Sequence[Node], width: int) -> list[Node]:
    """Return the ``width`` lowest scores; the earlier node wins a tie, and equal programs count once."""
    distinct: dict[frozenset[tuple[str, str]], Node] = {}
    for node in nodes:
        distinct.setdefault(frozenset(node.program.renames.items()), node)
    return sorted(distinct.values(), key=lambda node: node.score)[:width]
