"""The words and number formats that the page, the terminal, the tables and the figures share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MINUS, THIN, DASH = "\N{MINUS SIGN}", "\N{THIN SPACE}", "\N{EN DASH}"


@dataclass(frozen=True)
class Measure:
    """How one measure is called, explained and printed. Rates are in percent everywhere."""

    key: str
    label: str
    meaning: str
    unit: str = ""
    digits: int = 1


MEASURES: dict[str, Measure] = {
    m.key: m
    for m in (
        Measure("accuracy", "Accuracy", "Right answers on unmodified test samples", "%"),
        Measure("bleu", "BLEU", "Mean smoothed sentence BLEU-4 on unmodified test samples", "BLEU"),
        Measure("robust_accuracy", "Robust acc.", "Right and not broken, of all samples", "%"),
        Measure("asr", "ASR", "Attack success rate: proven successes, of attackable samples", "%"),
        Measure(
            "bleu_drop", "BLEU drop", "What the attack takes from the mean BLEU of attackable samples", "BLEU"
        ),
        Measure("amq_success", "AMQ", "Average model queries of a proven success"),
        Measure(
            "amq_attacked", "AMQ, all", "Average model queries of any attacked sample: the cost of trying"
        ),
        Measure(
            "icr", "ICR", "Identifier change rate: renamed identifiers, of those in proven successes", "%"
        ),
        Measure("tcr", "TCR", "Token change rate: changed tokens, of those in proven successes", "%"),
        Measure(
            "acs", "ACS", "Average code similarity: cosine of a proven success and its original", digits=3
        ),
        Measure("aed", "AED", "Average edit distance of a proven success, in characters"),
        Measure(
            "valid_percent", "Proven", "Reported successes that hold: same program, label flips alone", "%"
        ),
        Measure(
            "confidence_gap",
            "Conf. gap",
            "What a proven success takes from the first answer's probability, in percentage points",
        ),
        Measure("queries", "Queries", "Model queries that the attack of a sample took"),
        Measure("confidence", "Confidence", "Mean probability of the predicted class", "%"),
        Measure(
            "overconfidence",
            "Overconfidence",
            "Confidence minus accuracy, in percentage points; negative is too modest",
        ),
        Measure("agreement_with_original", "Agreement", "Test samples answered as the original does", "%"),
    )
}

FLOORS = {"accuracy": "what a bag of words reaches", "bleu": "the better of one constant and a copied text"}

STATUSES: dict[str, str] = {
    "success": "broken, with proof",
    "failure": "withstood the attack",
    "budget": "withstood until the budget ended",
    "skipped": "not attackable",
    "invalid": "reported success that is not the same program",
    "unstable": "reported success not confirmed alone",
    "error": "error in the attack or the victim",
}

ATTACK_NAMES = {
    "wir_random": "WIR-Random",
    "mhm": "MHM",
    "alert": "ALERT",
    "beam": "BeamAttack",
    "whitebox": "white box",
    "union": "all attacks",
}


def attack_name(key: str) -> str:
    """Return how people write the attack registered as ``key``."""
    return ATTACK_NAMES.get(key, key)


def number(value: float | int | None, digits: int = 1, *, signed: bool = False) -> str:
    """Return ``value`` with ``digits`` decimals and a true minus sign; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{abs(value):,.{digits}f}".replace(",", THIN)
    if float(f"{abs(value):.{digits}f}") == 0:
        return text
    sign = MINUS if value < 0 else "+" if signed else ""
    return sign + text


def measure_of(comparison: Mapping[str, Any]) -> Measure:
    """Return what a comparison measures; the accuracy of a task that writes texts has its own name."""
    key = comparison["measure"]
    return MEASURES[comparison.get("headline", key) if key == "accuracy" else key]


def headline_label(records: Iterable[Mapping[str, Any]]) -> str:
    """Return what heads the share of right answers of ``records``: ``Accuracy``, ``BLEU``, or both."""
    return " or ".join(dict.fromkeys(MEASURES[r["headline"]].label for r in records)) or "Accuracy"


def measured(key: str, value: float | int | None) -> str:
    """Return the value of measure ``key`` with its unit."""
    measure = MEASURES[key]
    text = number(value, measure.digits)
    return f"{text} {measure.unit}" if measure.unit and text != DASH else text


def interval(low: float | None, high: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """Return ``low to high``, or nothing where the interval is not known."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{number(low, digits, signed=signed)} to {number(high, digits, signed=signed)}"


def probability(p: float | None) -> str:
    """Return ``p = 0.012`` or ``p < 0.001``."""
    if p is None or not math.isfinite(p):
        return "p not defined"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def bare_probability(p: float | None) -> str:
    """Return a p for a column that is headed p: ``0.012`` or ``< 0.001``."""
    return DASH if p is None else probability(p).removeprefix("p ").removeprefix("= ")


def size(value: float) -> str:
    """Return bytes as people say them (decimal units)."""
    return _scaled(value, ("GB", "MB", "kB", "B"))


def count(value: float) -> str:
    """Return a large count as people say it: ``2.95 M``."""
    return _scaled(value, ("G", "M", "k", "")).rstrip()


def _scaled(value: float, units: tuple[str, str, str, str]) -> str:
    """Return three digits of ``value`` in the largest of ``units`` (10⁹, 10⁶, 10³ and 1) that it reaches."""
    for unit, factor in zip(units, (1e9, 1e6, 1e3), strict=False):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.0f} {units[-1]}"


def ratio(value: float | None) -> str:
    """Return a ratio to the original as ``0.27×``."""
    return DASH if value is None else f"{value:.2f}×"


def milliseconds(value: float) -> str:
    """Return a latency with its unit."""
    return f"{number(value, 2 if value < 10 else 1)} ms"


def listing(items: list[str]) -> str:
    """Return ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""
