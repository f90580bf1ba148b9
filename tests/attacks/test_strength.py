"""Union and restarts: generators over generators, in one budget, with streams of their own."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scripts import GoldBelowHalf, play, snippet, table

from durometer.attacks.base import Tools
from durometer.attacks.strength import Restarts, Union, attack_from
from durometer.errors import ConfigurationError, UnknownNameError

TOOLS = Tools(vocabulary=("red", "green", "blue"), candidates=lambda _: {"total": ("sum",)})
MHM = {"kind": "mhm", "iterations": 2}
WIR = {"kind": "wir_random", "candidates_per_identifier": 1}


def run(attack, script, seed=0):
    search = attack.search(snippet().original, GoldBelowHalf(), TOOLS, np.random.default_rng(seed))
    return play(search, script)


def test_union_tries_each_attack_in_turn():
    alone, _ = run(Union(attacks=(WIR,)), table({}))
    both, answer = run(Union(attacks=(WIR, MHM)), table({}))
    assert answer is None
    assert both[: len(alone)] == alone
    assert len(both) == len(alone) + 3


def test_union_stops_at_the_first_success():
    transcript, answer = run(
        Union(attacks=({"kind": "alert", "genetic": False}, MHM)), table({(("total", "sum"),): 0.1})
    )
    assert dict(answer.renames) == {"total": "sum"}
    assert transcript[-1] == [{"total": "sum"}]


def test_restarts_repeat_with_fresh_numbers():
    transcript, answer = run(Restarts(attack=WIR, times=3), table({}))
    assert answer is None
    starts = [i for i, batch in enumerate(transcript) if batch == [{}]]
    assert len(starts) == 3
    tries = [str(transcript[a:b]) for a, b in zip(starts, [*starts[1:], None], strict=True)]
    assert len(set(tries)) > 1


def test_restarts_of_one_budget_end_at_success():
    _, answer = run(
        Restarts(attack=MHM, times=2),
        table({(("beta", "red"),): 0.1, (("alpha", "red"),): 0.1, (("total", "red"),): 0.1}),
    )
    assert answer is not None


def test_configurations_are_checked_when_they_are_made():
    with pytest.raises(UnknownNameError, match="Did you mean"):
        attack_from({"kind": "allert"})
    with pytest.raises(ConfigurationError, match="iteration"):
        attack_from({"kind": "mhm", "iteration": 3})
    with pytest.raises((ConfigurationError, ValidationError)):
        Union(attacks=({"kind": "mhm", "iterations": 0},))
