"""What every registered attack must hold, on real code and a victim that is blind to all but words."""

from __future__ import annotations

import ast
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "attacks"))
from toys import VOCABULARY, BagVictim, ToyTask, gold, samples

from durometer.attacks import campaign, gradients
from durometer.attacks.base import ATTACKS, Tools
from durometer.attacks.campaign import Campaign
from durometer.attacks.candidate_files import write_rows
from durometer.attacks.driver import Limits, drive
from durometer.code import parse, prove
from durometer.study.campaign import CampaignRun
from durometer.types import Outcome, Status
from durometer.victims.base import Traits

TOOLS = Tools(
    vocabulary=VOCABULARY,
    candidates=lambda snippet: {
        name: (*(f"{name}_{i}" for i in range(6)), *VOCABULARY[i : i + 6], "return", " spaced")
        for i, name in enumerate(snippet.renameable)
    },
    gradients=lambda sample: lambda program, variants: [gold(variant.text) for variant in variants],
)


def run(name, chosen=None, *, rows=8, width=1, seed=3, **options) -> dict[str, Outcome]:
    victim = BagVictim(traits=Traits(fingerprint="toy", slice_rows=rows))
    attack = ATTACKS.get(name)()
    outcomes = drive(
        attack, samples() if chosen is None else chosen, victim, ToyTask(), seed=seed, width=width,
        **{"cell": name, "tools": TOOLS, "limits": Limits(max_queries=600), **options},
    )  # fmt: skip
    return {outcome.sample_id: outcome for outcome in outcomes}


@pytest.fixture(scope="module", params=list(ATTACKS))
def attack(request):
    return request.param


@pytest.fixture(scope="module")
def reference(attack):
    return run(attack)


@pytest.mark.parametrize("options", [{"rows": 1}, {"rows": 32}, {"width": 4}, {"width": 4, "rows": 1}])
def test_outcomes_do_not_depend_on_slices_or_width(attack, reference, options):
    assert run(attack, **options) == reference


def test_outcomes_do_not_depend_on_order_or_company(attack, reference):
    assert run(attack, samples()[::-1]) == reference
    assert run(attack, samples()[3:6]) == {key: reference[key] for key in ("s3", "s4", "s5")}


@pytest.fixture(scope="module")
def two_processes():
    """Fresh interpreters: other hash seeds, nothing remembered."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def share(name: str, numbers: list[int]) -> dict[str, Outcome]:
    chosen = samples()
    return run(name, [chosen[number] for number in numbers])


def test_outcomes_do_not_depend_on_processes(attack, reference, two_processes):
    count = len(reference)
    shares = [list(range(0, count, 2)), list(range(1, count, 2))[::-1]]
    parts = [two_processes.submit(share, attack, numbers) for numbers in shares]
    first, second = (part.result() for part in parts)
    assert {**first, **second} == reference


class Interrupted:
    """A victim that is interrupted at a certain call."""

    def __init__(self, last_call=None):
        self.victim, self.last_call = BagVictim(), last_call

    def predict(self, inputs):
        if self.last_call is not None and len(self.victim.calls) == self.last_call:
            raise KeyboardInterrupt
        return self.victim.predict(inputs)


def attack_in(folder, plan):
    attempt = CampaignRun(plan, folder)
    attempt.attack()
    return attempt.finish()


def test_the_bytes_are_the_same_after_a_restart(attack, tmp_path, monkeypatch):
    """``durometer attack`` on every attack: stopped half-way, its last line torn, and started again."""
    monkeypatch.setattr(gradients, "gradient_source", lambda victim: TOOLS.gradients)
    lines = [
        json.dumps({"id": s.id, "code": s.code, "label": s.label, "language": s.language}) for s in samples()
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(lines))
    rows = [(s.snippet_id, TOOLS.candidates(parse(s.code, s.language))) for s in samples()]
    write_rows(tmp_path / "candidates.jsonl.gz", rows)
    plan = Campaign(
        victim="toy:victim", task="vulnerability", data=f"jsonl:{tmp_path / 'data.jsonl'}#all",
        candidates=str(tmp_path / "candidates.jsonl.gz"), attack={"kind": attack}, seed=3, max_queries=200,
    )  # fmt: skip
    whole = Interrupted()
    monkeypatch.setattr(campaign, "load", lambda *_, **__: whole)
    summary = attack_in(tmp_path / "whole", plan)
    assert summary["attacked"] > 5
    monkeypatch.setattr(campaign, "load", lambda *_, **__: Interrupted(len(whole.victim.calls) // 2))
    with pytest.raises(KeyboardInterrupt):
        attack_in(tmp_path / "halves", plan)
    assert not list(tmp_path.glob("halves/under-attack-*"))
    (part,) = tmp_path.glob("halves/parts/part-*.jsonl")
    recorded = part.read_bytes().splitlines(keepends=True)
    assert 0 < len(recorded) < len(samples())
    part.write_bytes(b"".join(recorded) + recorded[-1][:40])
    monkeypatch.setattr(campaign, "load", lambda *_, **__: Interrupted())
    attack_in(tmp_path / "halves", plan)
    names = [tmp_path / name / "outcomes.parquet" for name in ("whole", "halves")]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_a_second_run_repeats_the_first(attack, reference):
    assert run(attack) == reference


def test_every_success_is_proven_and_flips_alone(attack, reference):
    found = [outcome for outcome in reference.values() if outcome.status is Status.SUCCESS]
    assert found, "the toy victim is breakable by every attack"
    for outcome in found:
        ast.parse(outcome.adversarial_code)
        verdict = prove(outcome.original_code, outcome.adversarial_code, "python", allow_function_name=False)
        assert verdict.valid
        assert dict(verdict.renames) == dict(outcome.renames)
        assert gold(outcome.adversarial_code) < 0.5


def test_all_samples_are_accounted_for(attack, reference):
    assert set(reference) == {sample.id for sample in samples()}
    assert not {outcome.status for outcome in reference.values()} & {
        Status.ERROR,
        Status.INVALID,
        Status.UNSTABLE,
    }
    assert reference["s7"].status is Status.SKIPPED


def test_counts_are_consistent(attack, reference):
    for outcome in reference.values():
        assert 1 <= outcome.queries <= 600
        assert outcome.forwards <= outcome.queries + 1
        queries = [q for q, _ in outcome.trajectory]
        scores = [score for _, score in outcome.trajectory]
        assert queries == sorted(queries)
        assert scores == sorted(scores, reverse=True)


def test_a_tight_budget_is_respected(attack):
    for outcome in run(attack, limits=Limits(max_queries=9)).values():
        assert outcome.queries <= 9
        assert outcome.status in (Status.BUDGET, Status.SKIPPED, Status.SUCCESS, Status.FAILURE)


def test_function_name_is_renamed_only_on_request(attack, reference):
    names = {sample.id: sample.code.split("(")[0].removeprefix("def ") for sample in samples()}
    assert all(names[key] not in outcome.renames for key, outcome in reference.items())
    renamed = run(attack, tools=replace(TOOLS, rename_function_name=True))
    assert renamed["s7"].status is not Status.SKIPPED


def test_an_attack_without_names_to_try_ends_in_failure(attack):
    statuses = {outcome.status for outcome in run(attack, tools=Tools(gradients=TOOLS.gradients)).values()}
    assert statuses <= {Status.FAILURE, Status.SKIPPED}


def test_configuration_is_frozen_and_named(attack):
    configuration = ATTACKS.get(attack)()
    assert configuration.kind == attack
    assert type(configuration)(**configuration.model_dump()) == configuration
