"""How statistics become JSON: rates in percent, undefined numbers as null, nothing but plain types."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from durometer.stats.bootstrap import Estimate
from durometer.stats.measures import CellMeasures

RATES = ("accuracy", "robust_accuracy", "asr", "icr", "tcr")
AMOUNTS = ("amq_success", "amq_attacked", "aed", "acs")
Record = dict[str, Any]


def plain(thing: object) -> Any:
    """Return ``thing`` with nothing but JSON's types; numbers that are not finite become None."""
    if isinstance(thing, Mapping):
        return {str(key): plain(value) for key, value in thing.items()}
    if isinstance(thing, float):
        return thing if math.isfinite(thing) else None
    if thing is None or isinstance(thing, (bool, int, str)):
        return str(thing) if isinstance(thing, str) else thing
    if isinstance(thing, Iterable):
        return [plain(value) for value in thing]
    return str(thing)


def rate(estimate: Estimate) -> Record:
    """Return a fraction with its interval, in percent."""
    record = estimate.as_dict()
    return {
        key: 100 * value if key in ("value", "low", "high") and value is not None else value
        for key, value in record.items()
    }


def measures_record(measures: CellMeasures) -> Record:
    """Return the measures of one group of outcomes, with how its rows ended."""
    return {
        "samples": measures.samples,
        "attacked": measures.attacked,
        "successes": measures.successes,
        **{name: rate(measures[name]) for name in RATES},
        **{name: measures[name].as_dict() for name in AMOUNTS},
        "valid_percent": rate(measures["valid_share"]),
        "statuses": dict(measures.statuses),
        "reasons": dict(measures.reasons),
    }
