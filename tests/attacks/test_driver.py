"""The driver: statuses, budget, memo, laziness, verification, faults."""

from __future__ import annotations

from dataclasses import replace

import pytest
from toys import VOCABULARY, BagVictim, ToyGoal, ToyTask, samples

from durometer.attacks.base import Tools
from durometer.attacks.driver import Limits, drive
from durometer.attacks.wir_random import WirRandom
from durometer.errors import InputError, VictimError
from durometer.types import Prediction, Sample, Status
from durometer.victims.base import Traits

CODE = "def f(alpha, beta):\n    return alpha + beta\n"
SAMPLE = Sample(id="one", code=CODE, language="python", label=0)
WIR_RANDOM = WirRandom(candidates_per_identifier=10)
NAMES = [f"name{i}" for i in range(20)]


class Table(BagVictim):
    """Answers by which of NAMES the code contains; 0.9 without any."""

    def __init__(self, scores, slice_rows=8, **traits):
        super().__init__(traits=Traits(fingerprint="table", slice_rows=slice_rows, **traits))
        self.scores = scores

    def answer(self, sample):
        found = [score for name, score in self.scores.items() if name in sample.code]
        score = found[0] if found else 0.9
        return Prediction(probabilities=(score, 1.0 - score))


class Asks:
    """An attack that asks for given batches of (old, new) on the original; returns the first flip."""

    def __init__(self, *batches, answer=None):
        self.batches, self.answer, self.received = batches, answer, []

    def search(self, program, goal, tools, rng):
        for batch in self.batches:
            programs = [program.rename(*rename) if rename else program for rename in batch]
            answers = yield programs
            self.received.append(len(answers))
            for candidate, answer in zip(programs, answers, strict=False):
                if goal.reached(answer):
                    return candidate
        return self.answer(program) if self.answer else None


def one(attack, victim, sample=SAMPLE, **options):
    (outcome,) = drive(attack, [sample], victim, ToyTask(), seed=1, **options)
    return outcome


def rename_all(names, old="alpha"):
    return [(old, name) for name in names]


def test_success_is_recorded_whole():
    victim = Table({"name5": 0.3, "name9": 0.1, "name2": 0.8})
    outcome = one(Asks(rename_all(NAMES)), victim)
    assert outcome.status is Status.SUCCESS
    assert outcome.renames == {"alpha": "name5"}
    assert outcome.adversarial_code == CODE.replace("alpha", "name5")
    assert outcome.queries == 1 + len(NAMES)  # the whole batch, as published
    assert outcome.forwards == 1 + 6 + 1  # first prediction, up to the flip, confirmation
    assert outcome.trajectory == ((1, 0.9), (4, 0.8), (7, 0.3))
    assert (outcome.original_score, outcome.adversarial_score) == (0.9, 0.3)
    assert (outcome.identifiers, outcome.changed_tokens) == (2, 2)
    assert (outcome.label, outcome.fingerprint, outcome.original.label) == (0, "table", 0)


@pytest.mark.parametrize("rows", [1, 3, 8, 32])
def test_first_in_list_order_wins_whatever_the_slice(rows):
    victim = Table({"name5": 0.3, "name9": 0.1}, slice_rows=rows)
    attack = Asks(rename_all(NAMES))
    outcome = one(attack, victim)
    assert outcome.renames == {"alpha": "name5"}
    assert attack.received == [6]
    assert max(map(len, victim.calls)) <= rows
    assert not any("name6" in code for call in victim.calls for code in call) or rows > 1


def test_duplicates_are_queries_but_not_forwards():
    victim = Table({})
    outcome = one(Asks([("alpha", "x"), ("alpha", "x"), None], [("alpha", "x")]), victim)
    assert outcome.status is Status.FAILURE
    assert (outcome.queries, outcome.forwards) == (5, 2)
    assert sum(map(len, victim.calls)) == 2


def test_confirmation_bypasses_the_memo_and_travels_alone():
    victim = Table({"name1": 0.2})
    one(Asks([("alpha", "name1")]), victim)
    assert victim.calls[-1] == [CODE.replace("alpha", "name1")]
    assert victim.calls.count(victim.calls[-1]) == 2


def test_a_flip_that_does_not_repeat_alone_is_unstable():
    class Moody(Table):
        def answer(self, sample):
            asked_before = sum(sample.code in call for call in self.calls) > 1
            return Prediction(probabilities=(0.9, 0.1)) if asked_before else super().answer(sample)

    outcome = one(Asks([("alpha", "name1")]), Moody({"name1": 0.2}))
    assert outcome.status is Status.UNSTABLE
    assert outcome.adversarial is not None


def test_claim_without_a_flip_is_unstable():
    outcome = one(Asks(answer=lambda program: program.rename("alpha", "x")), Table({}))
    assert outcome.status is Status.UNSTABLE


@pytest.mark.parametrize(("new", "reason"), [("return", "reserved"), ("beta", "beta"), ("2x", "2x")])
def test_an_invalid_program_is_a_fault_of_the_attack_and_is_never_queried(new, reason):
    victim = Table({})
    outcome = one(Asks([("alpha", new)]), victim)
    assert outcome.status is Status.INVALID
    assert new in outcome.reason
    assert (outcome.queries, len(victim.calls)) == (1, 1)


def test_merging_two_names_is_invalid():
    class Merge:
        def search(self, program, goal, tools, rng):
            yield [program.rename("alpha", "x").rename("beta", "x")]

    assert one(Merge(), Table({})).status is Status.INVALID


def test_returning_a_probe_is_invalid():
    outcome = one(Asks(answer=lambda program: program.mask("alpha", 0)), Table({}))
    assert outcome.status is Status.INVALID


def test_probes_never_cut_a_batch_nor_count_as_best():
    class Probing:
        def search(self, program, goal, tools, rng):
            answers = yield [program, program.mask("alpha", 0), program.mask("alpha", 1)]
            assert len(answers) == 3

    outcome = one(Probing(), Table({"<unk>": 0.1}))
    assert outcome.status is Status.FAILURE
    assert outcome.trajectory == ((1, 0.9),)


def test_unchecked_mode_reports_an_invalid_flip_as_such():
    outcome = one(Asks([("alpha", "beta")]), Table({"beta, beta": 0.1}), tools=Tools(unchecked=True))
    assert outcome.status is Status.SUCCESS
    assert outcome.reason.startswith("unchecked: ")
    assert outcome.reason != "unchecked: valid"


class TestBudget:
    def test_hit_mid_batch(self):
        victim = Table({"name5": 0.3})
        outcome = one(Asks(rename_all(NAMES)), victim, limits=Limits(max_queries=4))
        assert outcome.status is Status.BUDGET
        assert "max_queries" in outcome.reason
        assert outcome.queries == 4
        assert sum(map(len, victim.calls)) == 4

    def test_flip_within_what_the_budget_still_allows(self):
        outcome = one(Asks(rename_all(NAMES)), Table({"name5": 0.3}), limits=Limits(max_queries=7))
        assert (outcome.status, outcome.queries) == (Status.SUCCESS, 7)

    def test_exactly_enough_is_a_failure_and_not_a_budget(self):
        outcome = one(Asks(rename_all(NAMES)), Table({}), limits=Limits(max_queries=21))
        assert (outcome.status, outcome.queries) == (Status.FAILURE, 21)

    def test_seconds(self):
        outcome = one(Asks(rename_all(NAMES)), Table({}), limits=Limits(max_seconds=1e-9))
        assert outcome.status is Status.BUDGET
        assert "max_seconds" in outcome.reason

    @pytest.mark.parametrize("limit", [{"max_queries": 0}, {"max_seconds": -1.0}])
    def test_must_be_positive(self, limit):
        with pytest.raises(InputError):
            Limits(**limit)


class TestSkipped:
    def test_misclassified(self):
        outcome = one(Asks(), Table({"alpha": 0.2}))
        assert (outcome.status, outcome.reason) == (Status.SKIPPED, "misclassified")
        assert (outcome.queries, outcome.original.label) == (1, 1)

    def test_nothing_to_rename(self):
        outcome = one(Asks(), Table({}), replace(SAMPLE, code="def f():\n    return 0\n"))
        assert (outcome.status, outcome.reason) == (Status.SKIPPED, "nothing to rename")

    def test_everything_beyond_the_truncation(self):
        victim = Table({})
        victim.visible_bytes = lambda sample: 5
        assert one(Asks(), victim).status is Status.SKIPPED
        victim.visible_bytes = lambda sample: len(sample.code)
        assert one(Asks(), victim).status is Status.FAILURE

    def test_a_function_whose_own_name_lies_beyond_the_truncation(self):
        victim, tools = Table({}), Tools(rename_function_name=True)
        row = replace(SAMPLE, code="# a long comment\ndef f():\n    return 0\n")
        assert one(Asks(), victim, row, tools=tools).status is Status.FAILURE
        victim.visible_bytes = lambda sample: 10
        assert one(Asks(), victim, row, tools=tools).status is Status.SKIPPED


class TestFaults:
    def test_exception_in_a_search_is_an_error_row_and_the_others_go_on(self):
        class Fragile:
            def search(self, program, goal, tools, rng):
                yield [program]
                if "power" in program.text:
                    raise ZeroDivisionError("made up")

        outcomes = list(drive(Fragile(), samples(), BagVictim(), ToyTask(), seed=1))
        errors = [outcome for outcome in outcomes if outcome.status is Status.ERROR]
        assert [(outcome.sample_id, outcome.reason) for outcome in errors] == [
            ("s5", "ZeroDivisionError: made up")
        ]
        assert len(outcomes) == len(samples())

    def test_unknown_language_is_an_error_row(self):
        outcome = one(Asks(), Table({}), replace(SAMPLE, language="klingon"))
        assert outcome.status is Status.ERROR
        assert "klingon" in outcome.reason

    def test_failing_goal_is_an_error_and_never_a_score(self):
        class Broken(ToyTask):
            def goal(self, sample, original):
                class Goal(ToyGoal):
                    def score(self, prediction):
                        raise ValueError("no reference")

                return Goal()

        (outcome,) = drive(Asks(), [SAMPLE], Table({}), Broken(), seed=1)
        assert (outcome.status, outcome.reason) == (Status.ERROR, "ValueError: no reference")

    def test_want_of_memory_is_no_outcome(self):
        class Hungry(BagVictim):
            def predict(self, inputs):
                if len(inputs) > 1 or inputs[0].id == "s5":
                    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to …")
                return super().predict(inputs)

        victim, tools = Hungry(traits=Traits(slice_rows=8)), Tools(vocabulary=VOCABULARY)
        outcomes = []
        with pytest.raises(MemoryError, match="allocate"):
            outcomes.extend(drive(WIR_RANDOM, samples(), victim, ToyTask(), seed=1, tools=tools))
        # What is too much together is asked alone; what is too much alone ends it.
        assert [outcome.sample_id for outcome in outcomes] == ["s0", "s1", "s2", "s3", "s4"]
        assert Status.ERROR not in {outcome.status for outcome in outcomes}

    @pytest.mark.parametrize("width", [1, 4])
    @pytest.mark.parametrize("rows", [1, 8])
    def test_victim_that_fails_on_one_sample_is_named_and_hurts_no_other(self, width, rows):
        class Dying(BagVictim):
            def predict(self, inputs):
                if any("power" in sample.code and "item" in sample.code for sample in inputs):
                    raise RuntimeError("index out of range")
                return super().predict(inputs)

        victim = Dying(traits=Traits(slice_rows=rows))
        attack = WIR_RANDOM
        tools = Tools(vocabulary=VOCABULARY)
        outcomes = {
            o.sample_id: o
            for o in drive(attack, samples(), victim, ToyTask(), seed=1, width=width, tools=tools)
        }
        healthy = {
            o.sample_id: o for o in drive(attack, samples(), BagVictim(), ToyTask(), seed=1, tools=tools)
        }
        assert outcomes["s5"].status is Status.ERROR
        assert outcomes["s5"].reason == "victim: predict raised RuntimeError: index out of range"
        for name, outcome in outcomes.items():
            if name != "s5":
                assert replace(outcome, fingerprint="toy") == healthy[name]

    def test_wrong_count_is_the_victims_fault(self):
        class Short(Table):
            def predict(self, inputs):
                return []

        assert one(Asks(), Short({})).reason == "victim: 0 predictions for 1 samples"

    def test_victim_error_keeps_its_words(self):
        class Odd(Table):
            def predict(self, inputs):
                raise VictimError("NaN in row 0")

        assert one(Asks(), Odd({})).reason == "victim: NaN in row 0"

    def test_interrupt_passes(self):
        class Interrupted(Table):
            def predict(self, inputs):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            one(Asks(), Interrupted({}))

    def test_width_must_be_positive(self):
        with pytest.raises(InputError):
            list(drive(Asks(), [SAMPLE], Table({}), ToyTask(), seed=1, width=0))


def test_batch_dependent_victims_are_asked_one_row_at_a_time():
    victim = BagVictim(traits=Traits(batch_dependent=True, slice_rows=8))
    list(drive(WIR_RANDOM, samples(), victim, ToyTask(), seed=1, width=4, tools=Tools(vocabulary=VOCABULARY)))
    assert {len(call) for call in victim.calls} == {1}


def test_width_merges_samples_into_one_call():
    victim = BagVictim(traits=Traits(slice_rows=32))
    list(drive(WIR_RANDOM, samples(), victim, ToyTask(), seed=1, width=8, tools=Tools(vocabulary=VOCABULARY)))
    functions = [{code.split("(")[0] for code in call} for call in victim.calls]
    assert max(map(len, functions)) >= 4


def test_samples_are_read_lazily():
    def endless():
        while True:
            yield SAMPLE

    assert next(drive(Asks(), endless(), Table({}), ToyTask(), seed=1)).status is Status.FAILURE
