"""How many samples a paired study needs, and what a study of a given size can see.

Model: each sample is attacked on both victims; with probability ``discordance`` the two outcomes differ, and
the expected difference of the rates is δ. The paired difference of one sample then has variance ψ − δ², ψ the
discordance, and under the null ψ (Connor 1987, "Sample size for testing differences in proportions for the
paired-sample design"): n = (z_α/2 √ψ + z_β √(ψ − δ²))² / δ². Samples of one snippet are correlated: n is
multiplied by the design effect 1 + (m − 1)·ICC, m samples a snippet (Kish 1965).

The formula is for large samples; with fewer than about 20 discordant pairs exact tests need some more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from durometer.errors import InputError

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Design:
    """What is assumed about a paired study. All rates are fractions.

    ``discordance`` is the share of common attackable samples whose outcome differs between the two victims;
    ``cluster_size`` the mean number of samples a snippet and ``icc`` the intra-cluster correlation of the
    paired difference; ``comparisons`` the size of the family (the smallest p of Holm's procedure meets
    alpha / comparisons).
    """

    discordance: float
    cluster_size: float = 1.0
    icc: float = 0.0
    alpha: float = 0.05
    power: float = 0.8
    comparisons: int = 1

    def __post_init__(self) -> None:
        _check_fraction("discordance", self.discordance)
        _check_fraction("icc", self.icc)
        _check_fraction("alpha", self.alpha, open_ends=True)
        _check_fraction("power", self.power, open_ends=True)
        if not 1 <= self.cluster_size < math.inf:
            raise InputError(f"cluster size {self.cluster_size} is not 1 or more")
        if self.comparisons < 1:
            raise InputError(f"{self.comparisons} comparisons: at least 1 is needed")
        if 1 - self.alpha / self.comparisons / 2 == 1:
            raise InputError(
                f"alpha {self.alpha:g} over {self.comparisons} comparisons is too small a number"
            )

    @property
    def design_effect(self) -> float:
        """How many times more samples the clusters cost than independent samples would."""
        return 1 + (self.cluster_size - 1) * self.icc

    @property
    def critical(self) -> float:
        """Two-sided critical value of the standard normal at the adjusted level."""
        return _NORMAL.inv_cdf(1 - self.alpha / self.comparisons / 2)


def expected_discordance(base: float, difference: float, correlation: float = 0.5) -> float:
    """Return the discordance of two rates, ``base`` and base + ``difference``, correlated within the sample.

    ``correlation`` is that of the two 0/1 outcomes: 0 for unrelated victims; a compressed copy of a victim is
    broken on much the same samples. Never below abs(difference), which is the least that the rates allow.
    """
    other = base + difference
    _check_fraction("base rate", base)
    _check_fraction("base rate + difference", other)
    _check_fraction("correlation", correlation)
    independent = base * (1 - other) + other * (1 - base)
    shared = 2 * correlation * math.sqrt(base * (1 - base) * other * (1 - other))
    return max(abs(difference), independent - shared)


def samples_needed(difference: float, design: Design) -> int:
    """Return how many common attackable samples show a true ``difference`` with the design's power.

    Raises:
        InputError: the difference is 0, or larger than the discordance.

    """
    size = abs(difference)
    if not 0 < size <= design.discordance:
        raise InputError(
            f"a difference of {size:g} is impossible with a discordance of {design.discordance:g}",
            hint="the difference must be above 0 and at most the discordance",
        )
    needed = design.critical * math.sqrt(design.discordance)
    needed += _NORMAL.inv_cdf(design.power) * math.sqrt(design.discordance - size**2)
    return math.ceil((needed / size) ** 2 * design.design_effect)


def power_of(samples: int, difference: float, design: Design) -> float:
    """Return the probability that ``samples`` common attackable samples show a true ``difference``.

    Raises:
        InputError: there is no sample, or the difference is larger than the discordance.

    """
    size = abs(difference)
    if samples < 1 or size > design.discordance:
        raise InputError("power needs at least one sample, and a difference of at most the discordance")
    spread = math.sqrt(max(design.discordance - size**2, 1e-300))
    reach = size * math.sqrt(samples / design.design_effect)
    threshold = design.critical * math.sqrt(design.discordance)
    return _NORMAL.cdf((reach - threshold) / spread) + _NORMAL.cdf((-reach - threshold) / spread)


def detectable_difference(samples: int, design: Design) -> float:
    """Return the smallest true difference that ``samples`` show with the design's power; NaN if none does."""
    low, high = 0.0, design.discordance
    if high == 0 or power_of(samples, high, design) < design.power:
        return math.nan
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if power_of(samples, middle, design) >= design.power else (middle, high)
    return high


def _check_fraction(name: str, value: float, *, open_ends: bool = False) -> None:
    if not (0 < value < 1 if open_ends else 0 <= value <= 1):
        raise InputError(f"{name} {value:g} is outside 0 to 1")
