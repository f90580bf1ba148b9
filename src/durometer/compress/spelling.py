"""Recipes in words: ``[distill(half), prune(heads: 0.5), quantize(int8)]``.

Words are another spelling, not other steps: what they become is named as if it had been written out.

    distill(half | 3mb | 6x256 | SIZE)     distill with that student, or one searched for a SIZE such as 10MB
    prune(heads: 0.5, …)                   structured_prune; heads, feed_forward and layers are shares
    prune(0.5), prune(movement: 0.5)       magnitude_prune, movement_prune: the share of single weights
    quantize(int8 | int4 | …)              the kind of that name
    KIND(option: value, …)                 any kind

Options go in as ``name: value``, as in YAML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from durometer.compress.base import COMPRESSIONS
from durometer.compress.distill_config import SIZE
from durometer.errors import ConfigurationError

STRUCTURES = ("heads", "feed_forward", "layers")
NUMBERS = (
    "int8",
    "int4",
    "bf16",
    "qat_int8",
    "qat_int4",
    "onnx_int8",
    "openvino_int8",
    "openvino_static_int8",
)
SPELLINGS = (
    "distill(half | 3mb | 6x256 | 10MB), prune(heads: 0.5, feed_forward: 0.5, layers: 0.5), prune(0.5), "
    f"prune(movement: 0.5), quantize({' | '.join(NUMBERS)}), and each kind of `durometer ls compressions`"
)
CALL = re.compile(r"\s*(\w+)\s*\((.*)\)\s*", re.DOTALL)

Fields = dict[str, Any]


def is_spelled(value: object) -> bool:
    """Whether this is a step in words rather than a kind or its fields."""
    return isinstance(value, str) and "(" in value.partition(":")[0]


def spelled(text: str) -> Fields:
    """Return ``kind`` and options of a step in words.

    Raises:
        ConfigurationError: an unknown word, or what stands in brackets cannot be read; names the known ones.

    """
    call = CALL.fullmatch(text)
    try:
        given = yaml.safe_load("{" + call[2] + "}") if call else None
    except yaml.YAMLError:
        given = None
    if call is None or not isinstance(given, dict):
        raise _unknown(f"cannot read the step {text!r}")
    word = call[1]
    bare = [key for key, value in given.items() if value is None]
    named = {str(key): value for key, value in given.items() if value is not None}
    if word not in (*WORDS, *COMPRESSIONS):
        raise _unknown(f"unknown word {word!r} in {text!r}")
    if len(bare) > (word in WORDS):
        raise _unknown(f"{bare[-1]!r} in {text!r} is no option with a value")
    meant = WORDS[word](bare[0] if bare else None, named) if word in WORDS else {"kind": word}
    if meant is None:
        raise _unknown(f"no step is meant by {text!r}")
    return meant | named


def _unknown(what: str) -> ConfigurationError:
    return ConfigurationError(what, hint=f"Known: {SPELLINGS}.")


def _distill(bare: object, named: Fields) -> Fields | None:
    student = str(bare)
    if bare is None:
        return {"kind": "distill"}
    if student.lower() == "3mb":  # the published student; a budget is target_size: 3MB
        return {"kind": "distill", "student": "3mb"}
    return {"kind": "distill", "target_size" if SIZE.fullmatch(student) else "student": student}


def _prune(bare: object, named: Fields) -> Fields | None:
    if bare is None and any(name in named for name in STRUCTURES):
        return {"kind": "structured_prune"}
    if "movement" in named:
        return {"kind": "movement_prune", "sparsity": named.pop("movement")}
    if bare is None:
        return {"kind": "magnitude_prune"} if "sparsity" in named else None
    return {"kind": "magnitude_prune", "sparsity": bare}


def _quantize(bare: object, named: Fields) -> Fields | None:
    return {"kind": bare} if bare in NUMBERS else None


WORDS = {"distill": _distill, "prune": _prune, "quantize": _quantize}


def rejoined(items: Sequence[Any]) -> list[Any]:
    """Return a YAML list with the steps whole that YAML took apart.

    Without quotes ``[prune(heads: 0.5, layers: 0.5)]`` is ``[{"prune(heads": 0.5}, {"layers": "0.5)"}]``.
    """
    result: list[Any] = []
    open_step = ""
    for item in items:
        text = _text(item)
        if text is None or not (open_step or is_spelled(text)):
            result.append(item)
            continue
        open_step += f", {text}" if open_step else text
        if open_step.count("(") == open_step.count(")"):
            result.append(open_step)
            open_step = ""
    return [*result, open_step] if open_step else result


def _text(item: object) -> str | None:
    if isinstance(item, Mapping) and len(item) == 1:
        ((key, value),) = item.items()
        return None if isinstance(value, Mapping | list) else f"{key}: {value}"
    return item if isinstance(item, str) else None
