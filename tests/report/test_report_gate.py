"""The gate looks at intervals, never at point estimates alone, and never lets an unfinished study pass."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic_view import build_view

from durometer.errors import InputError
from durometer.report.gate import advice, check_run, passed
from durometer.study.view import RunView


@pytest.fixture(scope="module")
def studied() -> RunView:
    return build_view(samples=400)


def test_a_clearly_worse_variant_fails_with_its_numbers(studied: RunView) -> None:
    checks = check_run(studied, {"asr": 5.0}, 0.95)
    worse = [c for c in checks if c.verdict == "worse"]
    assert {c.variant for c in worse} == {"distilled"}
    assert not passed(checks)
    assert "distilled under MHM: ASR rises by" in " ".join(map(str, worse))
    assert all(c.low > 5.0 for c in worse)


def test_a_small_study_is_undecided_which_only_strict_refuses() -> None:
    checks = check_run(build_view(samples=30, variants=3), {"accuracy": 1.0}, 0.95)
    verdicts = {c.verdict for c in checks}
    assert "undecided" in verdicts
    assert "worse" not in verdicts
    assert passed(checks)
    assert not passed(checks, strict=True)


def test_a_study_that_decides_nothing_says_how_to_size_one(studied: RunView) -> None:
    checks = [c for c in check_run(build_view(samples=12), {"asr": 5.0}, 0.95) if c.verdict == "undecided"]
    assert f"durometer power --difference 5 --base {checks[0].baseline:.4g}" in advice(checks)
    assert advice(check_run(studied, {"asr": 5.0}, 0.95)) == ""


def test_confidence_widens_the_interval(studied: RunView) -> None:
    narrow = check_run(studied, {"asr": 5.0}, 0.8)
    wide = check_run(studied, {"asr": 5.0}, 0.999)
    for a, b in zip(narrow, wide, strict=True):
        assert b.low <= a.low <= a.worsening <= a.high <= b.high


def test_an_unfinished_or_lonely_study_never_passes(studied: RunView) -> None:
    with pytest.raises(InputError, match="not finished"):
        check_run(replace(studied, complete=False), {"asr": 5.0}, 0.95)
    with pytest.raises(InputError, match="no variant has an original"):
        check_run(build_view(samples=20, variants=1), {"asr": 5.0}, 0.95)


def test_checks_name_the_victim_where_there_are_several_and_no_rise_is_no_rise() -> None:
    said = list(map(str, check_run(build_view(samples=60, victims=("a", "b")), {"asr": 5.0}, 0.95)))
    assert len(set(said)) == len(said) == 18
    assert all(" of a" in line or " of b" in line for line in said)
    better = next(c for c in check_run(build_view(samples=60), {"asr": 5.0}, 0.95))
    line = str(replace(better, worsening=-3.0, low=-9.0, high=2.0))
    assert "ASR does not rise: −3.0 points (−9.0 to 2.0" in line
