"""The gate for continuous integration: is a variant worse than allowed, taking the interval into account?

For each variant, the rise of ASR (per attack and under all of them) and the drops of accuracy and robust
accuracy are held against their limits:

- ``worse``: the whole interval lies beyond the limit: the gate fails;
- ``within``: the whole interval lies within it;
- ``undecided``: the limit lies inside the interval: the study is too small to tell. Passes, is said aloud,
  and fails under ``strict``.

Intervals are those of the paired comparison, at the confidence asked for, and are not widened for the number
of checks: a gate that looks at many cells should ask for a higher confidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from durometer.errors import InputError
from durometer.report import words
from durometer.report.answer import variant_name
from durometer.report.comparisons import compare_variants
from durometer.study.upgrade import REDO
from durometer.study.view import RunView

Verdict = Literal["worse", "within", "undecided"]
WORSE_WHEN_HIGHER = ("asr",)
SAME_AS_COMPARISON = ("task", "victim", "variant", "attack", "measure", "headline", "n")


@dataclass(frozen=True)
class Check:
    """One comparison against its limit; ``worsening`` is positive where the variant is worse, in points."""

    task: str
    victim: str
    variant: str
    attack: str | None
    measure: str
    limit: float
    worsening: float
    low: float
    high: float
    n: int
    baseline: float | None  # of the original, in percent
    verdict: Verdict
    name: str  # the variant, with its victim and task where the study has several
    headline: str  # what "accuracy" is on this task: accuracy, or BLEU where texts are written

    def __str__(self) -> str:
        under = f" under {words.attack_name(self.attack)}" if self.attack else ""
        direction = "rise" if self.measure in WORSE_WHEN_HIGHER else "drop"
        change = f"{direction}s by" if self.worsening >= 0 else f"does not {direction}:"
        return (
            f"{self.verdict:<9}  {self.name}{under}: {words.measure_of(vars(self)).label} {change} "
            f"{words.number(self.worsening)} points ({words.interval(self.low, self.high)}; n = {self.n}), "
            f"allowed {words.number(self.limit)}"
        )


def check_run(view: RunView, limits: Mapping[str, float], confidence: float) -> list[Check]:
    """Return one check for each comparison whose measure has a limit (in percentage points).

    Raises:
        InputError: the study is not finished, or has nothing to compare: it must not pass unseen.

    """
    if not view.complete:
        why = [f"{reason}.\n  {REDO}" for reason in view.earlier] or ["Finish it with `durometer run`."]
        raise InputError("the study is not finished", where=view.name, hint="\n  ".join(why))
    comparisons = compare_variants(view, confidence)
    checks = [
        _check(comparison, limits[comparison["measure"]], variant_name(comparison, comparisons))
        for comparison in comparisons
        if comparison["measure"] in limits
    ]
    if not checks:
        raise InputError(
            "nothing to hold against the limits: no variant has an original to compare with",
            where=view.name,
            hint="A study needs the variant `original` and at least one compressed variant.",
        )
    return checks


def passed(checks: Sequence[Check], *, strict: bool = False) -> bool:
    """Whether no check is ``worse`` (nor, if ``strict``, ``undecided``)."""
    return all(check.verdict == "within" or (check.verdict == "undecided" and not strict) for check in checks)


def advice(checks: Sequence[Check]) -> str:
    """Return what to do where no check is decided, in a sentence; nothing where one is."""
    if any(check.verdict != "undecided" for check in checks):
        return ""
    rises = [(c.limit, c.baseline) for c in checks if c.measure in WORSE_WHEN_HIGHER]
    known = [(d, base) for d, base in rises if d > 0 and base is not None and base + d <= 100]
    ask = f" --difference {known[0][0]:g} --base {known[0][1]:.4g}" if known else ""
    return f"nothing is decided: the study is too small. How many samples would do: durometer power{ask}"


def _check(comparison: Mapping[str, Any], limit: float, name: str) -> Check:
    higher = comparison["measure"] in WORSE_WHEN_HIGHER
    value, low, high = (comparison[key] for key in ("difference", "low", "high"))
    if value is None or low is None or high is None:  # no pair, or a single snippet: nothing is known
        value, low, high = value or 0.0, -100.0, 100.0
    worsening, low, high = (value, low, high) if higher else (-value, -high, -low)
    verdict: Verdict = "worse" if low > limit else "within" if high <= limit else "undecided"
    same = {key: comparison[key] for key in SAME_AS_COMPARISON}
    return Check(
        **same,
        baseline=comparison["baseline"]["value"],
        limit=limit,
        worsening=worsening,
        low=low,
        high=high,
        verdict=verdict,
        name=name,
    )
