"""Study files: what they mean, and what they say when they mean nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durometer.attacks.base import ATTACKS
from durometer.compress.base import COMPRESSIONS
from durometer.errors import ConfigurationError, InputError
from durometer.study.config import (
    CandidateConfig,
    Limits,
    MachineOptions,
    StudyConfig,
    TaskConfig,
    VictimConfig,
)
from durometer.study.plan import plan_study
from durometer.study.presets import preset

MINIMAL = """\
tasks: [{task: toy, corpus: toy}]
victims: [{python: "toy_study:victim"}]
attacks: [mhm]
"""
GRID = """\
version: 1
name: grid
seeds: [1, 2]
tasks:
  - {task: clone, corpus: builtin-clones, options: {pairs: 100, seed: 1}}
victims:
  - {name: encoder, preset: tiny}
variants:
  - int8
  - {kind: magnitude_prune, sparsity: [0.1, 0.5]}
  - [{kind: magnitude_prune, sparsity: 0.5}, int8]
  - {name: student, recipe: [distill], seed: 3}
attacks:
  - mhm
  - {kind: mhm, name: long walk, iterations: [100, 200]}
limits: {samples: 10, max_queries: 500}
exclude: [{attack: mhm, variant: [int8, student]}]
"""


def refused(text, kind=ConfigurationError):
    with pytest.raises(kind) as caught:
        StudyConfig.parse(text, "study.yaml")
    return str(caught.value)


def test_shorthands_and_defaults():
    study = StudyConfig.parse(MINIMAL)
    assert study.attacks[0].name == "mhm"
    assert study.attacks[0].options["iterations"] == 100  # defaults are written down
    assert study.victims[0].name == "victim"
    assert study.limits.samples == 100


def test_lists_expand_to_a_grid_with_names():
    study = StudyConfig.parse(GRID)
    assert [v.name for v in study.variants] == [
        "int8",
        "magnitude_prune sparsity=0.1",
        "magnitude_prune sparsity=0.5",
        "magnitude_prune+int8",
        "student",
    ]
    assert [a.name for a in study.attacks] == ["mhm", "long walk iterations=100", "long walk iterations=200"]
    assert study.victims[0].shape["hidden"] == 64
    assert study.victims[0].training["epochs"] > 0


@pytest.mark.parametrize("text", [MINIMAL, GRID])
def test_yaml_and_objects_are_the_same(text):
    study = StudyConfig.parse(text)
    again = StudyConfig.parse(study.to_yaml())
    assert again == study
    assert again.hash == study.hash


def test_what_a_task_says_of_training_goes_before_what_its_victims_say():
    text = "tasks: [clone, {task: vulnerability, training: {epochs: 7}}]\nvictims: [tiny]\nattacks: [mhm]\n"
    study = StudyConfig.parse(text)
    assert study.tasks[1].training == {"epochs": 7.0}  # what it does not say is the victim's
    clones, flaws = (node.config["training"] for node in plan_study(study).of_kind("victim"))
    assert clones["epochs"] == 4
    assert flaws == clones | {"epochs": 7}
    assert StudyConfig.parse(study.to_yaml()) == study
    assert "tasks[1].training.epoch: " in refused(text.replace("epochs", "epoch"))


def test_every_option_that_init_shows_is_one_and_it_shows_all():
    text = preset("quick").text
    study = StudyConfig.parse(re.sub(r"(?m)^#(?! \S|$)", "", text))
    assert {step.kind for variant in study.variants for step in variant.recipe} == set(COMPRESSIONS)
    assert {attack.kind for attack in study.attacks} == set(ATTACKS)
    assert {task.task for task in study.tasks} == {"clone", "vulnerability", "summarization"}
    assert len(study.victims) == 7
    assert study.candidates
    assert study.rename_function_name
    assert study.include
    for model in (StudyConfig, TaskConfig, VictimConfig, CandidateConfig, Limits, MachineOptions):
        for field in model.model_fields:
            assert re.search(rf"\b{field}:", text), f"init does not show `{field}` of {model.__name__}"


def test_golden_hash():
    """Raise StudyConfig.version when this must change: upgrades must not run finished work again."""
    assert StudyConfig.parse(MINIMAL).hash == "7dfbcb5beb24163b"


def test_what_cannot_change_a_result_is_not_hashed():
    base = StudyConfig.parse(MINIMAL)
    other = StudyConfig.parse(
        MINIMAL + "name: other\nmachine: {workers: 7, backend: in-process, device: cuda}\n"
    )
    assert other.hash == base.hash
    assert StudyConfig.parse(MINIMAL + "limits: {samples: 5}\n").hash != base.hash


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        (
            MINIMAL.replace("mhm", "mmh"),
            "study.yaml:3 attacks[0].kind",
            ["unknown attack 'mmh'", "mean 'mhm'"],
        ),
        (MINIMAL.replace("task: toy", "task: clon"), "study.yaml:1 tasks[0].task", ["mean 'clone'"]),
        (MINIMAL.replace("corpus: toy", "corpus: toyy"), "study.yaml:1 tasks[0].corpus", ["mean 'toy'"]),
        (MINIMAL + "variants: [int9]\n", "study.yaml:4 variants[0].recipe[0].kind", ["mean 'int8'"]),
        (MINIMAL + "limit: {}\n", "study.yaml:4 limit", ["unknown field 'limit'", "mean 'limits'"]),
        (MINIMAL + "limits:\n  sample: 3\n", "study.yaml:5 limits.sample", ["mean 'samples'"]),
        (
            MINIMAL + "limits: {samples: 0}\n",
            "study.yaml:4 limits.samples",
            ["greater than or equal to 1", "0"],
        ),
        (MINIMAL + "limits: {samples: many}\n", "study.yaml:4 limits.samples", ["integer", "'many'"]),
        (MINIMAL + "version: 2\n", "study.yaml:4 version", ["Allowed: 1"]),
        (MINIMAL + "machine: {backend: cluster}\n", "study.yaml:4 machine.backend", ["'in-process'"]),
        (MINIMAL.replace("attacks: [mhm]\n", ""), "study.yaml", ["'attacks' is missing"]),
        (
            MINIMAL.replace("[mhm]", "[{kind: mhm, iterations: none}]"),
            "study.yaml:3 attacks[0].iterations",
            ["integer"],
        ),
        (
            MINIMAL.replace("[mhm]", "[{kind: mhm, iteration: 3}]"),
            "study.yaml:3 attacks[0].iteration",
            ["mean 'iterations'"],
        ),
        (MINIMAL.replace("[mhm]", "[mhm, mhm]"), "study.yaml:3 attacks", ["'mhm' is there twice", "name:"]),
        (
            MINIMAL.replace('{python: "toy_study:victim"}', "{}"),
            "study.yaml:2 victims[0]",
            ["preset, card, python"],
        ),
        (
            MINIMAL.replace('{python: "toy_study:victim"}', "tinny"),
            "study.yaml:2 victims[0].preset",
            ["mean 'tiny'"],
        ),
        ("- a\n- b\n", "study.yaml:1", ["a study file is"]),
        ("", "study.yaml", ["a study file is"]),
    ],
)
def test_errors_name_file_field_and_what_is_allowed(text, where, words):
    message = refused(text)
    assert message.startswith(where), message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: [1,\nb: 2", 2),
        ("name: a\nname: b\n", 2),
        ("a: b: c\n", 1),
        ("name: !!python/object:os.system {}\n", 1),
        ("a: 1\n? [1]\n: 2\n", 2),
        ("\tname: a\n", 1),
    ],
)
def test_broken_yaml_names_the_line(text, line):
    message = refused(text, InputError)
    assert message.startswith(f"study.yaml:{line}"), message


def test_yaml_that_contains_itself_is_refused():
    assert "broken YAML" in refused("x: &a [*a]\n", InputError)


@given(st.text(max_size=60))
def test_any_text_gives_a_study_or_an_explained_error(text):
    with pytest.raises(InputError):
        StudyConfig.parse(text)


def test_no_such_file(tmp_path):
    (tmp_path / "mine.yaml").write_text("a: 1")
    with pytest.raises(InputError, match=r"(?s)no such file.*mine\.yaml"):
        StudyConfig.load(tmp_path / "mien.yaml")
    (tmp_path / "mine.yaml").write_text("name: ü", encoding="latin-1")
    with pytest.raises(InputError, match=r"(?s)mine\.yaml: not UTF-8 text.*iconv -f LATIN1"):
        StudyConfig.load(tmp_path / "mine.yaml")
