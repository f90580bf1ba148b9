"""WIR-Random asks for exactly the programs that the paper's search asks for."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scripts import SNIPPET, GoldBelowHalf, play, probes, snippet, starts, table

from durometer.attacks.base import Tools
from durometer.attacks.wir_random import WirRandom

VOCABULARY = ("red", "green", "blue")
MASKS = [
    probe for name in ("alpha", "beta", "total") for probe in probes(SNIPPET, name, starts(SNIPPET, name))
]


class Ordered(np.random.Generator):
    """Draws in order, so that the transcript can be written down."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def choice(self, population, count, replace=True):
        assert not replace
        return np.arange(count)


def run(script, vocabulary=VOCABULARY, **config):
    search = WirRandom(**config).search(
        snippet().original, GoldBelowHalf(), Tools(vocabulary=vocabulary), Ordered()
    )
    return play(search, script)


def mask_scores(**drops):
    """Each masked occurrence of a name lowers the score by the given amount."""
    owner = {
        probe: name
        for name in ("alpha", "beta", "total")
        for probe in probes(SNIPPET, name, starts(SNIPPET, name))
    }
    return lambda what: 0.9 - drops.get(owner[what], 0.0)


def script(drops, scores):
    masks, programs = mask_scores(**drops), table(scores)
    return lambda what: masks(what) if isinstance(what, str) else programs(what)


def step(name, kept=()):
    return [{**dict(kept), name: new} for new in VOCABULARY]


def test_nothing_improves_so_every_identifier_is_tried_once_on_the_original():
    transcript, answer = run(table({}))
    assert transcript == [[{}], [{}, *MASKS], step("alpha"), step("beta"), step("total")]
    assert answer is None


def test_identifiers_come_in_falling_importance_summed_over_occurrences():
    transcript, _ = run(script({"alpha": 0.1, "beta": 0.3, "total": 0.2}, {}))
    assert transcript[2:] == [step("beta"), step("total"), step("alpha")]


def test_first_candidate_that_flips_ends_the_search():
    transcript, answer = run(table({(("alpha", "red"),): 0.4}))
    assert transcript[2:] == [step("alpha")]
    assert dict(answer.renames) == {"alpha": "red"}


def test_flip_in_list_order_beats_a_later_lower_score():
    _, answer = run(table({(("alpha", "green"),): 0.4, (("alpha", "blue"),): 0.1}))
    assert dict(answer.renames) == {"alpha": "green"}


def test_largest_drop_is_kept_and_a_later_identifier_flips():
    scores = {
        (("alpha", "green"),): 0.7,
        (("alpha", "blue"),): 0.8,
        (("alpha", "green"), ("beta", "blue")): 0.2,
    }
    transcript, answer = run(table(scores))
    kept = [{"alpha": "green", "beta": new} for new in ("red", "blue")]  # green is taken
    assert transcript[2:] == [step("alpha"), kept]
    assert dict(answer.renames) == {"alpha": "green", "beta": "blue"}


def test_equal_score_is_no_improvement():
    scores = {(("alpha", "red"),): 0.9}
    transcript, answer = run(table(scores))
    assert transcript[3] == step("beta")
    assert answer is None


def test_invalid_names_are_dropped_and_cost_no_query():
    transcript, _ = run(table({}), vocabulary=("return", "total", "f", "red"))
    assert transcript[2:] == [[{"alpha": "red"}], [{"beta": "red"}], [{"total": "red"}]]


def test_unchecked_mode_keeps_them():
    search = WirRandom().search(
        snippet().original, GoldBelowHalf(), Tools(vocabulary=("return", "red"), unchecked=True), Ordered()
    )
    transcript, _ = play(search, table({}))
    assert transcript[2] == [{"alpha": "return"}, {"alpha": "red"}]


def test_hidden_names_are_not_offered():
    search = WirRandom().search(
        snippet().original,
        GoldBelowHalf(),
        Tools(vocabulary=VOCABULARY, hidden=frozenset({"alpha", "total"})),
        Ordered(),
    )
    transcript, _ = play(search, table({}))
    assert transcript[1:] == [[{}, *probes(SNIPPET, "beta", starts(SNIPPET, "beta"))], step("beta")]


def test_function_name_is_offered_on_request():
    search = WirRandom().search(
        snippet().original,
        GoldBelowHalf(),
        Tools(vocabulary=VOCABULARY, rename_function_name=True),
        Ordered(),
    )
    transcript, _ = play(search, table({}))
    assert step("f") in transcript


def test_empty_vocabulary_gives_up_after_ranking():
    transcript, answer = run(table({}), vocabulary=())
    assert len(transcript) == 2
    assert answer is None


def test_query_bound():
    transcript, _ = run(table({}), candidates_per_identifier=2)
    assert sum(map(len, transcript)) == 1 + (1 + len(MASKS)) + 2 * 3


def test_configuration_refuses_unknown_fields():
    with pytest.raises(ValidationError):
        WirRandom(candidate=3)
