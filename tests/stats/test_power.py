from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower
from typer.testing import CliRunner

from durometer.cli import app
from durometer.errors import InputError
from durometer.stats.paired import sign_flip_p
from durometer.stats.power import (
    Design,
    detectable_difference,
    expected_discordance,
    power_of,
    samples_needed,
)


def test_agrees_with_statsmodels_where_the_two_formulas_meet():
    # With a small difference ψ − δ² is ψ: a one-sample normal test of effect size δ / √ψ.
    design = Design(discordance=0.2)
    theirs = NormalIndPower(ddof=0).solve_power(0.02 / math.sqrt(0.2), power=0.8, alpha=0.05, ratio=0)
    assert samples_needed(0.02, design) == pytest.approx(theirs, rel=2e-3)


def test_connors_published_formula():
    # By hand: ψ = 0.3, δ = 0.1: (1.95996·√0.3 + 0.84162·√0.29)² / 0.01 = 233.1
    assert samples_needed(0.1, Design(discordance=0.3)) == 234


@settings(deadline=None)
@given(st.floats(0.01, 0.2), st.floats(0.25, 0.6), st.floats(1, 10), st.floats(0, 1))
def test_needed_samples_have_the_power_and_detect_the_difference(difference, discordance, size, icc):
    design = Design(discordance, size, icc)
    needed = samples_needed(difference, design)
    assert power_of(needed, difference, design) >= 0.8 - 1e-9
    assert detectable_difference(needed, design) == pytest.approx(difference, rel=0.1)
    assert detectable_difference(needed, design) <= difference + 1e-9


def test_clusters_and_many_comparisons_cost_samples():
    plain = samples_needed(0.05, Design(0.2))
    assert samples_needed(0.05, Design(0.2, cluster_size=13, icc=0.3)) == pytest.approx(4.6 * plain, rel=1e-2)
    assert samples_needed(0.05, Design(0.2, comparisons=8)) > 1.4 * plain


@settings(deadline=None)
@given(st.floats(0, 0.9), st.floats(0, 0.1), st.floats(0, 1))
def test_discordance_lies_between_the_difference_and_independence(base, difference, correlation):
    share = expected_discordance(base, difference, correlation)
    assert difference <= share <= base * (1 - base - difference) + (base + difference) * (1 - base) + 1e-12


@pytest.mark.parametrize(
    "make",
    [
        lambda: Design(1.2),
        lambda: Design(0.2, icc=-1),
        lambda: Design(0.2, alpha=0),
        lambda: Design(0.2, cluster_size=0.5),
        lambda: Design(0.2, comparisons=0),
        lambda: Design(0.2, cluster_size=math.inf),
        lambda: Design(0.2, comparisons=10**20),
        lambda: samples_needed(0.3, Design(0.2)),
        lambda: samples_needed(0, Design(0.2)),
        lambda: expected_discordance(0.98, 0.05),
    ],
)
def test_impossible_designs_are_refused(make):
    with pytest.raises(InputError):
        make()


def test_a_tiny_study_detects_nothing():
    assert math.isnan(detectable_difference(5, Design(0.1)))


@pytest.mark.slow
@pytest.mark.parametrize(("size", "icc"), [(1, 0.0), (6, 0.3)])
def test_a_study_of_the_size_advised_sees_the_difference(size, icc):
    design = Design(discordance=0.25, cluster_size=size, icc=icc)
    snippets = math.ceil(samples_needed(0.1, design) / size)
    rng, seen, studies = np.random.default_rng(2), 0, 1500
    clusters = np.repeat(np.arange(snippets), size)
    for _ in range(studies):
        # A row copies its snippet's draw with probability √icc, so that two rows correlate by icc.
        shared = rng.choice([1, -1, 0], snippets, p=[0.175, 0.075, 0.75])[clusters]
        own = rng.choice([1, -1, 0], len(clusters), p=[0.175, 0.075, 0.75])
        differences = np.where(rng.random(len(clusters)) < math.sqrt(icc), shared, own)
        seen += sign_flip_p(differences, clusters) < 0.05
    assert seen / studies == pytest.approx(0.8, abs=0.05)


def test_the_verb_answers_in_words_and_in_json():
    said = CliRunner().invoke(app, ["power", "--difference", "5", "--discordance", "20"])
    assert said.exit_code == 0
    assert "show a difference of 5 points with 80 % power" in said.stdout
    answer = json.loads(CliRunner().invoke(app, ["power", "--discordance", "20", "--json"]).stdout)
    assert answer["attackable_samples"] == samples_needed(0.05, Design(0.2))
    assert answer["samples"] == math.ceil(answer["attackable_samples"] / 0.8)
    inverse = CliRunner().invoke(
        app, ["power", "--discordance", "20", "--samples", str(answer["samples"]), "--json"]
    )
    assert json.loads(inverse.stdout)["detectable_points"] == pytest.approx(5, abs=0.01)


def test_the_verb_refuses_the_impossible_in_a_sentence():
    for options, words in (
        (["--base", "99"], "cannot rise by 5 points"),
        (["--discordance", "3"], "impossible with a discordance of 0.03"),
        (["--power", "1.5"], "power 1.5 is outside 0 to 1"),
    ):
        said = CliRunner().invoke(app, ["power", *options])
        assert said.exit_code == 2
        assert words in said.output
