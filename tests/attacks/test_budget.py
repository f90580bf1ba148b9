"""A budget that ends in the middle of a batch: exactly the programs that it pays for are asked, in order."""

from __future__ import annotations

import pytest
from scripts import SNIPPET, probes, starts
from toys import BagVictim, ToyTask

from durometer.attacks.alert import Alert
from durometer.attacks.base import Tools
from durometer.attacks.beam import BeamAttack
from durometer.attacks.driver import Limits, drive
from durometer.attacks.mhm import MHM
from durometer.attacks.whitebox import WhiteBox
from durometer.attacks.wir_random import WirRandom
from durometer.types import Prediction, Sample, Status
from durometer.victims.base import Traits

SAMPLE = Sample(id="one", code=SNIPPET, language="python", label=0)
TOOLS = Tools(
    vocabulary=("red", "green", "blue"),
    candidates=lambda _: {"alpha": ("red", "green"), "beta": ("blue", "grey"), "total": ("sum",)},
    gradients=lambda sample: lambda program, variants: [len(variant.text) for variant in variants],
)
ATTACKS = [Alert(trials_per_generation=8), BeamAttack(), MHM(), WirRandom(), WhiteBox()]


class Table(BagVictim):
    """Scores by what the code contains; asked one row at a time, so that the order is told."""

    def __init__(self, scores):
        super().__init__(traits=Traits(fingerprint="table", slice_rows=1))
        self.scores = scores

    def answer(self, sample):
        score = next((score for text, score in self.scores.items() if text in sample.code), 0.9)
        return Prediction(probabilities=(score, 1 - score))

    @property
    def asked(self):
        return [code for call in self.calls for code in call]


class Written:
    """An attack whose every program is written down."""

    def __init__(self, attack):
        self.attack, self.programs = attack, []

    def search(self, program, goal, tools, rng):
        search = self.attack.search(program, goal, tools, rng)
        programs = next(search)
        try:
            while True:
                self.programs += [one.text for one in programs]
                programs = search.send((yield programs))
        except StopIteration as stop:
            return stop.value


def run(attack, scores, limit):
    victim, written = Table(scores), Written(attack)
    (outcome,) = drive(
        written, [SAMPLE], victim, ToyTask(), seed=1, tools=TOOLS, limits=Limits(max_queries=limit)
    )
    return outcome, victim.asked, written.programs


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.kind)
@pytest.mark.parametrize("limit", [2, 5, 10, 12, 14])
@pytest.mark.parametrize("scores", [{}, {"green": 0.8, "blue": 0.7}], ids=["flat", "falling"])
def test_what_is_asked_is_what_is_paid_for(attack, limit, scores):
    outcome, asked, written = run(attack, scores, limit)
    if outcome.status is Status.BUDGET:
        assert outcome.queries == limit
        assert len(written) >= limit - 1  # the first prediction is a query, too
    else:  # the white box and the beam may give up before
        assert outcome.status is Status.FAILURE
        assert outcome.queries <= limit
    paid = [SNIPPET, *written][: outcome.queries]
    assert asked == list(dict.fromkeys(paid))


MASKS = [
    probe for name in ("alpha", "beta", "total") for probe in probes(SNIPPET, name, starts(SNIPPET, name))
]


def test_alert_in_the_middle_of_a_name():
    outcome, asked, _ = run(Alert(), {}, 2 + 1 + len(MASKS) + 1)  # two firsts, the ranking, one candidate
    assert asked == [SNIPPET, *MASKS, SNIPPET.replace("alpha", "red")]
    assert outcome.status is Status.BUDGET


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.kind)
def test_a_flip_that_the_budget_still_pays_for_counts(attack):
    free, _, written = run(attack, {"green": 0.2}, None)
    assert free.status is Status.SUCCESS
    flips = 2 + next(i for i, text in enumerate(written) if "green" in text)
    assert run(attack, {"green": 0.2}, flips)[0].status is Status.SUCCESS
    outcome, asked, _ = run(attack, {"green": 0.2}, flips - 1)
    assert outcome.status is Status.BUDGET
    assert not any("green" in text for text in asked)
