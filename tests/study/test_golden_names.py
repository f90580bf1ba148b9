"""Upgrades must not run finished work again: names of nodes, and the defaults they leave out, are pinned.

A test that fails here says that a change gives finished work another name, or another content under its old
name. Give a new option a default that means what was meant before. Where a default must change, raise the
kind's number in ``plan.VERSIONS`` (its artefacts are then made again, and ``run`` says why) and record the
new default in ``golden_names.json``.
"""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from durometer.attacks.base import ATTACKS
from durometer.compress.base import COMPRESSIONS
from durometer.study.config import AttackConfig, StepConfig, StudyConfig
from durometer.study.essence import essential, essential_attack, essential_step
from durometer.study.plan import plan_study
from durometer.victims.presets import PRESETS, EncoderPreset, TrainConfig

GOLDEN = json.loads(Path(__file__).with_name("golden_names.json").read_text())
STUDY = """\
seeds: [1]
tasks: [{task: toy, corpus: toy}]
victims: [{name: a, preset: tiny}, {name: b, preset: small, training: {epochs: 3}}]
variants: [int8, {kind: magnitude_prune, sparsity: 0.3}]
attacks: [mhm, {kind: wir_random, vocabulary_size: 100}]
limits: {samples: 10}
"""


class Grown(BaseModel):
    """A configuration to which a later version added ``extra``."""

    kind: str = "grown"
    amount: float = 0.5
    extra: int = 3


def models():
    yield from ((f"attack {kind}", ATTACKS.get(kind)) for kind in ATTACKS)
    yield from ((f"compression {kind}", COMPRESSIONS.get(kind)) for kind in COMPRESSIONS)
    yield from (("shape", EncoderPreset), ("training", TrainConfig))


def defaults():
    found = {}
    for name, model in models():
        if name in GOLDEN["defaults"]:
            fields = {
                key: field.get_default(call_default_factory=True) for key, field in model.model_fields.items()
            }
            found[name] = json.loads(json.dumps(fields, default=str))
    return found


def test_defaults_that_names_leave_out_do_not_change():
    now = defaults()
    for name, recorded in GOLDEN["defaults"].items():
        kept = {field: now[name].get(field) for field in recorded}
        assert kept == recorded, f"a default of {name} changed"
    assert {
        name: plan.model_dump(mode="json", exclude_defaults=True) for name, (_, plan) in PRESETS.items()
    } == (GOLDEN["plans"])
    assert {
        name: shape.model_dump(mode="json", exclude_defaults=True) for name, (shape, _) in PRESETS.items()
    } == (GOLDEN["shapes"])


def test_names_of_a_studys_nodes_do_not_change(monkeypatch):
    monkeypatch.setattr("platform.python_version", lambda: "3.11.0")  # generated data depends on it
    nodes = plan_study(StudyConfig.parse(STUDY)).nodes.values()
    pinned = [n.name for n in nodes if n.kind in ("tools", "victim", "variant", "cell")]
    assert pinned == GOLDEN["nodes"]


def test_an_option_that_a_later_version_adds_changes_no_name():
    assert essential(Grown, {"amount": 0.7}) == {"amount": 0.7}
    assert essential(Grown, {"amount": 0.5, "extra": 3}) == {}
    assert essential(Grown, {"extra": 4}) == {"extra": 4}


@pytest.mark.parametrize("kind", list(GOLDEN["attacks"]))
def test_writing_defaults_out_changes_no_name(kind):
    full = ATTACKS.get(kind)().model_dump(mode="json", exclude={"kind"})
    assert essential_attack(AttackConfig(kind=kind, options=full)) == {"kind": kind}
    assert essential_attack(AttackConfig(kind=kind)) == {"kind": kind}


def test_steps_are_named_by_what_differs():
    step = StepConfig(kind="magnitude_prune", options={"sparsity": 0.3, "scope": "global"})
    assert essential_step(step) == {"kind": "magnitude_prune", "sparsity": 0.3}
