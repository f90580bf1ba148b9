"""Recipes in words: the issue's spelling, whole whatever YAML does to it, and errors that name the words."""

from __future__ import annotations

from typing import Any

import pytest

from durometer.cli.compress import parse_method
from durometer.compress.spelling import NUMBERS, spelled
from durometer.errors import ConfigurationError
from durometer.study.config import StudyConfig
from durometer.study.essence import essential_step
from durometer.study.plan import plan_study

STUDY = "tasks: [{task: toy, corpus: toy}]\nvictims: [tiny]\nattacks: [mhm]\nvariants:\n"


def recipes(variants: str) -> list[list[dict[str, Any]]]:
    config = StudyConfig.parse(f"{STUDY}  {variants}\n")
    return [[essential_step(step) for step in v.recipe] for v in config.variants]


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("distill(half)", {"kind": "distill", "student": "half"}),
        ("distill(3MB)", {"kind": "distill", "student": "3mb"}),
        ("distill(6x256)", {"kind": "distill", "student": "6x256"}),
        ("distill(10MB)", {"kind": "distill", "target_size": "10MB"}),
        ("distill(half, epochs: 3)", {"kind": "distill", "student": "half", "epochs": 3}),
        ("distill(layers: 0.5)", {"kind": "distill", "layers": 0.5}),
        ("prune(heads: 0.5)", {"kind": "structured_prune", "heads": 0.5}),
        (
            "prune(heads: 0.5, feed_forward: 0.5)",
            {"kind": "structured_prune", "heads": 0.5, "feed_forward": 0.5},
        ),
        ("prune(heads: [0.25, 0.5])", {"kind": "structured_prune", "heads": [0.25, 0.5]}),
        ("prune(0.3)", {"kind": "magnitude_prune", "sparsity": 0.3}),
        ("prune(sparsity: 0.3)", {"kind": "magnitude_prune", "sparsity": 0.3}),
        ("prune(movement: 0.3)", {"kind": "movement_prune", "sparsity": 0.3}),
        ("quantize(int4, group_size: 32)", {"kind": "int4", "group_size": 32}),
        ("qat_int8(recover: distill)", {"kind": "qat_int8", "recover": "distill"}),
        *((f"quantize({kind})", {"kind": kind}) for kind in NUMBERS),
    ],
)
def test_words_mean_kinds_and_options(words: str, fields: dict[str, Any]) -> None:
    assert spelled(words) == fields
    assert parse_method(words) == fields


def test_a_study_reads_the_words_without_quotes() -> None:
    steps = [
        {"kind": "distill", "student": "half"},
        {"kind": "structured_prune", "heads": 0.5, "feed_forward": 0.25},
        {"kind": "int8"},
    ]
    words = "[distill(half), prune(heads: 0.5, feed_forward: 0.25), quantize(int8)]"
    assert recipes(f"- {words}") == recipes(f"- {{name: small, recipe: {words}}}") == [steps]
    assert recipes("[prune(heads: 0.5, feed_forward: 0.25), int8]") == [[steps[1]], [steps[2]]]
    assert recipes("- prune(heads: 0.5)") == [[{"kind": "structured_prune", "heads": 0.5}]]
    grid = recipes('- "prune(heads: [0.25, 0.5])"')
    assert [recipe[0]["heads"] for recipe in grid] == [0.25, 0.5]


def test_words_name_what_was_named_before() -> None:
    written = "[{kind: distill, student: half}, {kind: structured_prune, heads: 0.5}, int8]"
    plans = [
        plan_study(StudyConfig.parse(f"{STUDY}  - {recipe}\n"))
        for recipe in (written, "[distill(half), prune(heads: 0.5), quantize(int8)]")
    ]
    assert list(plans[0].nodes) == list(plans[1].nodes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("[quantise(int8)]", r"variants\[0\].recipe\[0\]: unknown word 'quantise'.*\n.*quantize\(int8 \|"),
        ("[quantize(int9)]", r"no step is meant by 'quantize\(int9\)'\n.*Known: distill"),
        ("[int8, prune(0.5]", r"recipe\[1\]: cannot read the step 'prune\(0.5'"),
        ("prune()", r"no step is meant by 'prune\(\)'"),
        ("[distill(tiny)]", r"recipe\[0\].student: a student is half, 3mb"),
        ("[prune(heads: 2)]", r"recipe\[0\].heads: input should be less than 1"),
        ("[int8(4)]", "4 in 'int8.4.' is no option"),
        ("[distill(half, 3mb)]", "'3mb' in .* is no option"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_is_known(words: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        recipes(f"- {words}")
