"""MHM walks as the paper says; its acceptance rule is tested against the binomial law."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare
from scripts import GoldBelowHalf, play, snippet, table

from durometer.attacks.base import Tools
from durometer.attacks.mhm import MHM, acceptance

VOCABULARY = ("red", "green", "blue")


class Loaded(np.random.Generator):
    """Picks identifiers and accepts as told; draws names in order."""

    def __init__(self, picks, coins=()) -> None:
        super().__init__(np.random.PCG64(0))
        self.picks, self.coins = iter(picks), iter(coins)

    def integers(self, high):
        return next(self.picks) % high

    def choice(self, population, count, replace=True):
        assert not replace
        return np.arange(count)

    def random(self):
        return next(self.coins)


def run(script, rng, iterations=2, vocabulary=VOCABULARY, **config):
    attack = MHM(iterations=iterations, **config)
    return play(attack.search(snippet().original, GoldBelowHalf(), Tools(vocabulary=vocabulary), rng), script)


def batch(name, current=(), names=VOCABULARY):
    current = dict(current)
    return [current, *({**current, name: new} for new in names)]


def test_first_variant_that_flips_wins():
    scores = {(("beta", "green"),): 0.3, (("beta", "blue"),): 0.1}
    transcript, answer = run(table(scores), Loaded([1]))
    assert transcript == [[{}], batch("beta")]
    assert dict(answer.renames) == {"beta": "green"}


def test_nothing_accepted_walks_on_from_the_original():
    transcript, answer = run(table({}, default=0.9), Loaded([0, 2], [1.0, 1.0]))
    # equal scores are accepted with probability 1, whatever the coin below 1 says; 1.0 never comes up
    assert transcript == [[{}], batch("alpha"), batch("total")]
    assert answer is None


def test_improvement_then_flip():
    scores = {(("alpha", "green"),): 0.6, (("alpha", "green"), ("beta", "red")): 0.2}
    transcript, answer = run(table(scores), Loaded([0, 1], [0.5]))
    assert transcript[2] == batch("beta", {"alpha": "green"}, ("red", "blue"))
    assert dict(answer.renames) == {"alpha": "green", "beta": "red"}


def test_a_renamed_identifier_may_be_renamed_again():
    scores = {(("alpha", "green"),): 0.6}
    transcript, _ = run(table(scores), Loaded([0, 0], [0.5, 0.999]))
    assert transcript[2] == [{"alpha": "green"}, {"alpha": "red"}, {"alpha": "blue"}]


def test_worse_best_variant_is_rejected_by_a_high_coin_and_accepted_by_a_low_one():
    worse = {(): 0.6, (("alpha", "red"),): 0.8, (("alpha", "green"),): 0.7, (("alpha", "blue"),): 0.9}
    # (1 − 0.7) / (1 − 0.6) = 0.75
    rejected, _ = run(table(worse), Loaded([0, 1], [0.76, 0.999]))
    accepted, _ = run(table(worse), Loaded([0, 1], [0.74, 0.999]))
    assert rejected[2][0] == {}
    assert accepted[2][0] == {"alpha": "green"}


def test_keep_last_reproduces_the_released_code():
    scores = {(("alpha", "red"),): 0.6, (("alpha", "blue"),): 0.85}
    transcript, _ = run(table(scores), Loaded([0, 1], [0.0, 0.999]), keep="last")
    assert transcript[2][0] == {"alpha": "blue"}


def test_iteration_without_valid_names_costs_no_query():
    transcript, answer = run(table({}), Loaded([0, 1]), vocabulary=("return", "total"))
    assert transcript == [[{}]]
    assert answer is None


def test_query_bound():
    transcript, _ = run(table({}), np.random.default_rng(0), iterations=7)
    assert 1 + sum(map(len, transcript)) <= 2 + 4 * 7


@pytest.mark.parametrize(("current", "proposed"), [(0.6, 0.7), (0.51, 0.95), (0.9, 0.6), (1.0, 1.0)])
def test_acceptance_frequency_follows_the_rule(current, proposed):
    expected = 1.0 if proposed <= current else (1 - proposed) / (1 - current)
    scores = table({(): current, (("alpha", "red"),): proposed})
    only_alpha = Tools(vocabulary=("red",), hidden=frozenset({"beta", "total"}))
    source, attack, rng = snippet().original, MHM(iterations=2), np.random.default_rng(7)
    trials, accepted = 500, 0
    for _ in range(trials):
        transcript, _ = play(attack.search(source, GoldBelowHalf(), only_alpha, rng), scores)
        accepted += len(transcript) == 2  # a rejected move asks for the same two programs again
    assert acceptance(current, proposed) == pytest.approx(expected)
    assert binomtest(accepted, trials, expected).pvalue > 1e-3


def test_names_and_substitutes_are_drawn_uniformly():
    """A rejected walk stays at the original: every batch shows one name and the substitutes drawn for it."""
    vocabulary = ("red", "green", "blue", "grey", "pink")
    scores = table({(): 0.6}, default=1.0)  # every move is refused: (1 − 1) / (1 − 0.6) = 0
    transcript, _ = run(
        scores, np.random.default_rng(3), iterations=900, vocabulary=vocabulary, candidates_per_iteration=2
    )
    names, drawn = Counter(), Counter()
    for _, *variants in transcript[1:]:
        assert len(variants) == 2
        (name,) = {name for variant in variants for name in variant}
        names[name] += 1
        drawn[frozenset(variant[name] for variant in variants)] += 1
    assert len(drawn) == 10
    assert chisquare(list(names.values())).pvalue > 1e-3
    assert chisquare(list(drawn.values())).pvalue > 1e-3
