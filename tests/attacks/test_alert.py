"""ALERT asks for exactly the programs that the paper's search asks for; its operators keep their laws."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare
from scripts import SNIPPET, GoldBelowHalf, play, probes, snippet, starts, table

from durometer.attacks.alert import Alert, crossover, mutate
from durometer.attacks.base import Tools

CANDIDATES = {"alpha": ("red", "green"), "beta": ("green", "blue", "return"), "total": ("total", "f", " x")}
MASKS = [
    probe for name in ("alpha", "beta", "total") for probe in probes(SNIPPET, name, starts(SNIPPET, name))
]
ALPHA = [{"alpha": "red"}, {"alpha": "green"}]
BETA = [{"beta": "green"}, {"beta": "blue"}]


class Draws(np.random.Generator):
    """Draws what it is told to."""

    def __init__(self, *numbers, coins) -> None:
        super().__init__(np.random.PCG64(0))
        self.numbers, self.coins = [n for some in numbers for n in some], list(coins)

    def integers(self, high):
        number = self.numbers.pop(0)
        assert number < high
        return number

    def random(self):
        return self.coins.pop(0)

    @property
    def spent(self):
        return not self.numbers and not self.coins


def run(script, *, seed=0, tools=None, rng=None, **config):
    tools = tools or Tools(candidates=lambda _: CANDIDATES)
    attack = Alert(**config)
    rng = rng or np.random.default_rng(seed)
    search = attack.search(snippet().original, GoldBelowHalf(), tools, rng)
    return play(search, script)


class TestGreedy:
    def test_nothing_improves(self):
        transcript, answer = run(table({}), genetic=False)
        assert transcript == [[{}], [{}, *MASKS], ALPHA, BETA]
        assert answer is None

    def test_first_candidate_flips(self):
        transcript, answer = run(table({(("alpha", "red"),): 0.1}))
        assert transcript[2:] == [ALPHA]
        assert dict(answer.renames) == {"alpha": "red"}

    def test_improvement_then_flip_and_a_taken_name_is_not_offered_again(self):
        scores = {(("alpha", "green"),): 0.7, (("alpha", "green"), ("beta", "blue")): 0.3}
        transcript, answer = run(table(scores))
        assert transcript[2:] == [ALPHA, [{"alpha": "green", "beta": "blue"}]]
        assert dict(answer.renames) == {"alpha": "green", "beta": "blue"}

    def test_only_the_first_thirty_valid_candidates_are_tried(self):
        many = {"alpha": ("return", *(f"n{i}" for i in range(40)))}
        transcript, _ = run(table({}), genetic=False, tools=Tools(candidates=lambda _: many))
        assert transcript[2] == [{"alpha": f"n{i}"} for i in range(30)]

    def test_without_candidates_nothing_is_tried(self):
        transcript, answer = run(table({}), tools=Tools())
        assert len(transcript) == 2
        assert answer is None

    def test_duplicate_candidates_are_tried_as_listed(self):
        transcript, _ = run(
            table({}), genetic=False, tools=Tools(candidates=lambda _: {"alpha": ("red", "red")})
        )
        assert transcript[2] == [{"alpha": "red"}, {"alpha": "red"}]


class TestGenetic:
    def test_population_is_greedys_choice_for_each_name_alone(self):
        scores = {(("alpha", "red"),): 0.8, (("alpha", "red"), ("beta", "green")): 0.7}
        transcript, _ = run(table(scores), seed=1)
        assert transcript[4] == [{"alpha": "red"}, {"beta": "green"}]

    def test_names_without_a_choice_stand_as_they_are(self):
        transcript, _ = run(table({}))
        assert transcript[4] == [{}, {}]

    def test_a_start_member_that_flips_wins_at_once(self):
        scores = {
            (("alpha", "red"),): 0.8,
            (("alpha", "red"), ("beta", "blue")): 0.7,
            (("beta", "blue"),): 0.2,
        }
        # greedy meets beta -> blue only on top of alpha -> red
        transcript, answer = run(table(scores))
        assert dict(answer.renames) == {"beta": "blue"}
        assert len(transcript) == 5

    def test_a_combination_that_greedy_cannot_reach_is_found(self):
        # greedy keeps alpha -> red and stands still; the flip lies beyond beta -> blue alone
        scores = {
            (("alpha", "red"),): 0.85,
            (("beta", "blue"),): 0.84,
            (("alpha", "green"), ("beta", "blue")): 0.2,
        }
        transcript, answer = run(table(scores, default=0.9))
        assert dict(answer.renames) == {"alpha": "green", "beta": "blue"}
        assert len(transcript) > 5

    def test_the_exact_programs_of_two_generations(self):
        """Greedy keeps alpha -> red and stands still; two trials a generation, every draw written down."""
        scores = {
            (("alpha", "red"),): 0.8,
            (("alpha", "green"),): 0.85,
            (("beta", "blue"),): 0.86,
            (("alpha", "green"), ("beta", "blue")): 0.3,
        }
        # members: 0 as it is (0.9), 1 alpha -> red (0.8), 2 as it is, for greedy kept nothing for beta (0.9)
        draws = Draws(
            [0, 0, 1, 1],  # member 0 is mutated: its second name to the second candidate, blue
            [2, 2, 0, 1],  # member 2: alpha -> green. Both children are better than the worst, 0 and then 2
            [1, 1, 0, 1, 0],  # member 1 crossed with itself is a copy, so it is mutated: beta -> green
            [0, 2, 1],  # beta of the new member 0, alpha of the new member 2
            coins=[0.9, 0.9, 0.1, 0.1],
        )
        transcript, answer = run(table(scores), rng=draws, trials_per_generation=2)
        assert transcript[2:] == [
            ALPHA,
            [{"alpha": "red", "beta": "green"}, {"alpha": "red", "beta": "blue"}],
            [{"alpha": "red"}, {}],
            [{"beta": "blue"}, {"alpha": "green"}],
            [{"alpha": "red", "beta": "green"}, {"alpha": "green", "beta": "blue"}],
        ]
        assert dict(answer.renames) == {"alpha": "green", "beta": "blue"}
        assert draws.spent

    def test_generations_and_trials_are_bounded(self):
        transcript, answer = run(table({}))
        assert answer is None
        generations = transcript[5:]
        assert len(generations) == max(5 * (2 + 1), 10)
        assert all(len(batch) <= 64 for batch in generations)

    def test_few_names_still_get_ten_generations(self):
        transcript, _ = run(table({}), tools=Tools(candidates=lambda _: {"alpha": ("red", "green")}))
        assert len(transcript[4:]) == 10  # greedy 3 batches, population 1
        assert all(len(batch) == 64 for batch in transcript[4:])

    def test_collisions_are_dropped(self):
        transcript, _ = run(table({}))
        for batch in transcript[5:]:
            for program in batch:
                assert len(set(program.values())) == len(program)

    def test_better_children_replace_the_worst(self):
        # blue lowers the score a little, so later generations are full of it
        scores = {
            (("beta", "blue"),): 0.8,
            (("alpha", "red"), ("beta", "blue")): 0.75,
            (("alpha", "green"), ("beta", "blue")): 0.7,
        }
        transcript, _ = run(table(scores, default=0.9))
        last = Counter(program.get("beta") for program in transcript[-1])
        assert last["blue"] > 40


FIRST = {"a": "a1", "b": "b1", "c": "c1", "d": "d1"}
SECOND = {"a": "a2", "b": "b2", "c": "c2", "d": "d2"}


class TestOperators:
    @pytest.mark.parametrize("point", range(4))
    def test_crossover_at_a_point(self, point):
        child = crossover(FIRST, SECOND, point)
        assert [value[1] for value in child.values()] == ["2"] * point + ["1"] * (4 - point)
        assert list(child) == list(FIRST)

    def test_mutation_is_uniform_over_names_and_candidates_and_copies(self):
        rng, parent = np.random.default_rng(11), dict(FIRST)
        candidates = {name: [f"{name}x", f"{name}y", f"{name}z"] for name in parent}
        seen: Counter[str] = Counter()
        for _ in range(2400):
            child = mutate(parent, candidates, rng)
            changed = [name for name in parent if child[name] != parent[name]]
            assert len(changed) == 1
            seen[child[changed[0]]] += 1
        assert parent == FIRST
        assert len(seen) == 12
        assert chisquare(list(seen.values())).pvalue > 1e-3

    def test_share_of_crossovers(self):
        attack, rng = Alert(), np.random.default_rng(5)
        candidates = {name: ["m"] for name in FIRST}
        crossed = 0
        for _ in range(2000):
            child = attack._child([FIRST, SECOND], candidates, rng)
            origins = {value[1:] for value in child.values()}
            crossed += origins == {"1", "2"}
        # a cross shows both parents: distinct parents (1/2) and a point inside (3/4)
        assert binomtest(crossed, 2000, 0.7 * 0.5 * 0.75).pvalue > 1e-3

    def test_parents_and_points_are_uniform(self):
        """The last gene is the first parent's; how many genes are the second's tells the point."""
        attack, rng = Alert(crossover_probability=1), np.random.default_rng(8)
        population = [{name: f"{name}{i}" for name in FIRST} for i in range(5)]
        candidates = {name: ["m"] for name in FIRST}
        first, second, points = Counter(), Counter(), Counter()
        for _ in range(4000):
            child = attack._child(population, candidates, rng)
            if "m" in child.values():  # a copy of a parent: mutated
                points[0] += 1
                continue
            genes = [value[1] for value in child.values()]
            first[genes[-1]] += 1
            second[genes[0]] += 1
            points[genes.count(genes[0])] += 1
        assert chisquare(list(first.values())).pvalue > 1e-3
        assert chisquare(list(second.values())).pvalue > 1e-3
        # parents differ in 4 of 5 cases, and point 0 copies the first one
        crossed = 4000 * 0.8 / 4
        expected = [4000 - 3 * crossed, crossed, crossed, crossed]
        assert chisquare([points[i] for i in range(4)], expected).pvalue > 1e-3

    def test_a_better_child_replaces_one_worst_member_and_a_worse_one_none(self):
        """One trial a generation, each a mutation, whose child shows what its parent was."""
        scores = {
            (("beta", "blue"),): 0.8,
            (("alpha", "red"), ("beta", "blue")): 0.85,
            (("alpha", "green"), ("beta", "blue")): 0.95,
        }
        # members: 0 and 1 as they are (0.9), 2 beta -> blue, greedy's choice (0.8)
        draws = Draws(
            [2, 2, 0, 0],  # member 2 and alpha -> red, 0.85: replaces 0, the first of the two worst
            [0, 0, 0, 1],  # member 0, which is that child, with alpha -> green, 0.95: worse than all
            [0, 0, 1, 0],  # member 0 is still that child,
            [1, 1, 1, 0],  # member 1 as it was,
            [2, 2, 0, 1],  # and member 2, too
            coins=[0.9] * 5,
        )
        transcript, _ = run(
            table(scores),
            rng=draws,
            trials_per_generation=1,
            generations_per_chromosome=1,
            least_generations=5,
        )
        assert transcript[4:] == [
            [{}, {"beta": "blue"}],
            [{"alpha": "red", "beta": "blue"}],
            [{"alpha": "green", "beta": "blue"}],
            [{"alpha": "red", "beta": "green"}],
            [{"beta": "green"}],
            [{"alpha": "green", "beta": "blue"}],
        ]
        assert draws.spent
