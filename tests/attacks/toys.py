"""A toy victim and its task: fast, deterministic, and blind to everything but words."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field

from durometer.types import Prediction, Sample
from durometer.victims.base import Traits

SOURCE = """
def mean(values):
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def clip(number, low, high):
    if number < low:
        return low
    return min(number, high)


def count(words):
    seen = {}
    for word in words:
        seen[word] = seen.get(word, 0) + 1
    return seen


def join(parts, glue=', '):
    text = ''
    for index, part in enumerate(parts):
        if index:
            text += glue
        text += str(part)
    return text


def read(path):
    with open(path) as stream:
        lines = [line.strip() for line in stream]
    return lines


def power(base, exponent):
    result = 1
    while exponent > 0:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


def flatten(rows):
    return [cell for row in rows for cell in row]


def nothing():
    return 0


def safe(call, default):
    try:
        return call()
    except ValueError as problem:
        print(problem)
        return default


def pairs(left, right):
    found = []
    for a in left:
        for b in right:
            if a == b:
                found.append((a, b))
    return found
"""
FUNCTIONS = tuple(f"def {rest.strip()}\n" for rest in re.split(r"^def ", SOURCE, flags=re.M)[1:])
VOCABULARY = tuple(f"{word}{number}" for word in ("item", "node", "data", "temp") for number in range(20))


def gold(code: str) -> float:
    """A number in (0, 1) made of the words of the code, each adding its own hashed weight."""
    weights = [
        int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") / 2**32 - 0.5
        for word in re.findall(r"\w+", code)
    ]
    return 1.0 / (1.0 + math.exp(-1.5 - 0.25 * sum(weights)))


@dataclass
class BagVictim:
    """Class 0 is gold; records what it was asked."""

    traits: Traits = field(default_factory=lambda: Traits(fingerprint="toy", slice_rows=8))
    calls: list[list[str]] = field(default_factory=list)

    def predict(self, inputs):
        self.calls.append([sample.code for sample in inputs])
        return [self.answer(sample) for sample in inputs]

    def answer(self, sample: Sample) -> Prediction:
        score = gold(sample.code)
        return Prediction(probabilities=(score, 1.0 - score))


class ToyGoal:
    def score(self, prediction: Prediction) -> float:
        return prediction.probabilities[0]

    def reached(self, prediction: Prediction) -> bool:
        return prediction.label != 0


class ToyTask:
    name, kind, pair, classes, headline = "toy", "classification", False, ("gold", "other"), "accuracy"

    def goal(self, sample, original):
        return ToyGoal()

    def attackable(self, sample, original):
        return "" if original.label == sample.label else "misclassified"

    def measure(self, samples, predictions):
        return {}

    def floor(self, train, test):
        return {}


def samples() -> list[Sample]:
    return [Sample(id=f"s{i}", code=code, language="python", label=0) for i, code in enumerate(FUNCTIONS)]
