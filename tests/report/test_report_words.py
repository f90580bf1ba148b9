from __future__ import annotations

import math

import pytest

from durometer.report import words


@pytest.mark.parametrize(
    ("value", "digits", "signed", "text"),
    [
        (1234.56, 1, False, "1\N{THIN SPACE}234.6"),
        (-3.25, 1, True, "−3.2"),
        (3.26, 1, True, "+3.3"),
        (-0.01, 1, True, "0.0"),
        (0, 0, True, "0"),
        (None, 1, False, "–"),
        (math.nan, 1, False, "–"),
    ],
)
def test_number(value: float | None, digits: int, signed: bool, text: str) -> None:
    assert words.number(value, digits, signed=signed) == text


def test_probability_never_prints_zero() -> None:
    assert words.probability(1e-12) == "p < 0.001"
    assert words.probability(0.0123) == "p = 0.012"
    assert words.probability(None) == "p not defined"


def test_sizes_and_times_carry_units() -> None:
    assert [words.size(v) for v in (12, 12_300, 11_800_000, 3.2e9)] == [
        "12 B",
        "12.3 kB",
        "11.8 MB",
        "3.2 GB",
    ]
    assert words.milliseconds(6.4) == "6.40 ms"
    assert words.milliseconds(123.4) == "123.4 ms"


def test_interval_is_empty_where_undefined() -> None:
    assert words.interval(None, 3.0) == ""
    assert words.interval(-2.0, 3.0, signed=True) == "−2.0 to +3.0"


def test_listing() -> None:
    assert words.listing(["a"]) == "a"
    assert words.listing(["a", "b", "c"]) == "a, b and c"
    assert words.listing([]) == ""
