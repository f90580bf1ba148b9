"""ALERT: natural renames, greedily and then by a genetic algorithm (Yang et al., ICSE 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from durometer.attacks.base import Search, Tools, first_reaching
from durometer.attacks.greedy import GreedyResult, greedy
from durometer.code import Program
from durometer.tasks.base import Goal

Chromosome = Mapping[str, str]  # original name -> name, all names that have candidates


class Alert(BaseModel):
    """Natural attack on pre-trained models of code.

    Source: Yang, Shi, He and Lo, "Natural attack for pre-trained models of code", ICSE 2022, section 3.

    Greedy: names in falling importance; for each, its first ``candidates_per_identifier`` valid substitutes
    are tried on the current program in one batch. Genetic, if greedy failed: a population of maps from name
    to name, starting with the identity and, for each name, greedy's choice for it alone; fitness is the
    drop of the goal's score.

    Departures from the released code:
    - it tries every candidate of a name in the greedy pass, not the first 30 as the paper says: a large
      ``candidates_per_identifier`` does the same;
    - how names are ranked: see ``durometer.attacks.importance``;
    - a substitute is checked first (scope, collisions, reserved words) and costs no query if it fails; the
      released code filters words, not programs, and replaces text: 97.5 % of its 521 published genetic
      successes on Google Code Jam are corrupted;
    - mutation never edits a member of the population in place, and population and fitness lists have the
      same length (the identity has fitness 0);
    - a pair of equal parents is mutated, and counts as a trial; the released code drops that trial;
    - one child in a batch replaces one worst member at a time, in list order, as released.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs_candidates: ClassVar[bool] = True

    kind: Literal["alert"] = "alert"
    candidates_per_identifier: int = Field(default=30, ge=1)
    genetic: bool = True
    crossover_probability: float = Field(default=0.7, ge=0, le=1)
    trials_per_generation: int = Field(default=64, ge=1)
    generations_per_chromosome: int = Field(default=5, ge=1)
    least_generations: int = Field(default=10, ge=1)

    def search(self, program: Program, goal: Goal, tools: Tools, rng: np.random.Generator) -> Search:
        """Return the search; at most 2 + (1 + occurrences) + 30 n + n + 64 · max(5 (n + 1), 10) queries."""
        offered = tools.names(program.snippet)
        table = tools.candidates(program.snippet)
        candidates = {
            name: [variant.name_of(name) for variant in tools.variants(program, name, table.get(name, ()))]
            for name in offered
        }

        def variants(current: Program, name: str) -> list[Program]:
            return tools.variants(current, name, candidates[name])[: self.candidates_per_identifier]

        result = yield from greedy(program, goal, tools, variants)
        if result.reached or not self.genetic:
            return result.program if result.reached else None
        usable = {name: names for name, names in candidates.items() if names}
        return (yield from self._genetic(program, goal, tools, rng, usable, result))

    def _genetic(
        self,
        original: Program,
        goal: Goal,
        tools: Tools,
        rng: np.random.Generator,
        candidates: Mapping[str, Sequence[str]],
        greedy_result: GreedyResult,
    ) -> Search:
        if not candidates:
            return None
        identity: Chromosome = {name: name for name in candidates}
        choice = greedy_result.program.renames
        population = [{**identity, name: choice.get(name, name)} for name in candidates]
        programs = [original.rename_many(member) for member in population]
        answers = yield programs
        winner = first_reaching(programs, answers, goal)
        if winner is not None:
            return winner
        population.insert(0, dict(identity))
        scores = [greedy_result.original_score, *(goal.score(answer) for answer in answers)]
        for _ in range(max(self.generations_per_chromosome * len(population), self.least_generations)):
            bred = [self._child(population, candidates, rng) for _ in range(self.trials_per_generation)]
            children = [
                (child, made) for child in bred if (made := _make(original, child, tools)) is not None
            ]
            if not children:
                continue
            programs = [made for _, made in children]
            answers = yield programs
            winner = first_reaching(programs, answers, goal)
            if winner is not None:
                return winner
            for (child, _), answer in zip(children, answers, strict=True):
                worst = int(np.argmax(scores))
                if goal.score(answer) < scores[worst]:
                    population[worst], scores[worst] = dict(child), goal.score(answer)
        return None

    def _child(
        self,
        population: Sequence[Chromosome],
        candidates: Mapping[str, Sequence[str]],
        rng: np.random.Generator,
    ) -> Chromosome:
        first = population[int(rng.integers(len(population)))]
        second = population[int(rng.integers(len(population)))]
        if rng.random() >= self.crossover_probability:
            return mutate(first, candidates, rng)
        child = crossover(first, second, int(rng.integers(len(first))))
        return mutate(child, candidates, rng) if child in (first, second) else child


def crossover(first: Chromosome, second: Chromosome, point: int) -> Chromosome:
    """Return the one-point child: the genes before ``point`` from ``second``, the others from ``first``."""
    return {
        name: (second if index < point else first)[name] for index, name in enumerate(first)
    }  # both parents have the same names in the same order


def mutate(
    chromosome: Chromosome, candidates: Mapping[str, Sequence[str]], rng: np.random.Generator
) -> Chromosome:
    """Return a copy with one random name given a random candidate of its own list."""
    name = list(chromosome)[rng.integers(len(chromosome))]
    return {**chromosome, name: candidates[name][int(rng.integers(len(candidates[name])))]}


def _make(original: Program, chromosome: Chromosome, tools: Tools) -> Program | None:
    """Return the program of a chromosome, or None if two of its names collide."""
    if len(set(chromosome.values())) < len(chromosome) and not tools.unchecked:
        return None
    return original.rename_many(chromosome)
