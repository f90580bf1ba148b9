"""A third party's corpus, task and victim: no torch, answers in microseconds, deterministic."""

import hashlib
import os
import time

from durometer.corpora.base import Corpus
from durometer.types import Prediction, Sample
from durometer.victims.base import Traits

WORDS = ("alpha", "beta", "gamma", "delta", "kappa", "sigma", "omega", "theta")


def corpus(path, *, split, task, size=30):
    def sample(kind, index):
        a, b, c = (WORDS[(index * step + step) % len(WORDS)] + str(index % 3) for step in (1, 2, 3))
        code = f"def work{index}({a}, {b}):\n    {c}_{index} = {a} + {b} * {index}\n"
        code += f"    return {c}_{index} - {a}\n"
        return Sample(f"{kind}-{index}", code, "python", label=index % 2, group=str(index))

    return Corpus(
        "toy", task, {kind: [sample(kind, i) for i in range(size)] for kind in ("train", "valid", "test")}
    )


class ToyGoal:
    def __init__(self, label):
        self.label = label

    def score(self, prediction):
        return prediction.probabilities[self.label]

    def reached(self, prediction):
        return prediction.label != self.label


class ToyTask:
    """Even or odd."""

    name = "toy"
    kind = "classification"
    pair = False
    classes = ("even", "odd")
    headline = "accuracy"

    def goal(self, sample, original):
        return ToyGoal(original.label)

    def attackable(self, sample, original):
        return "" if original.label == sample.label else "misclassified"

    def score(self, sample, prediction):
        return float(prediction.label == sample.label)

    def measure(self, samples, predictions):
        right = sum(s.label == p.label for s, p in zip(samples, predictions, strict=True))
        return {"accuracy": right / len(samples)}

    def floor(self, train, test):
        return {"accuracy": 0.5, "auc": 0.5}


class ToyVictim:
    """Right on originals; a hash decides what a change does."""

    traits = Traits(fingerprint=os.environ.get("TOY_FINGERPRINT", "toy"))

    def predict(self, inputs):
        if len(inputs) == 1 and os.environ.get("TOY_DIE_ON") == inputs[0].id:
            os.kill(os.getpid(), 9)  # under attack only: measures ask in batches
        if len(inputs) == 1 and os.environ.get("TOY_HUNGRY_ON") == inputs[0].id:
            self._allocate_too_much()
        if len(inputs) == 1:
            time.sleep(float(os.environ.get("TOY_SLEEP", "0")))
        for _ in range(int(os.environ.get("TOY_SPIN", "0")) * len(inputs)):
            pass
        return [self._answer(sample) for sample in inputs]

    def _allocate_too_much(self):
        """Always, or once for each name of TOY_HUNGRY_ONCE."""
        once = os.environ.get("TOY_HUNGRY_ONCE")
        if once and os.path.exists(once):
            return
        if once:
            open(once, "x").close()
        bytearray(1 << 60)

    def _answer(self, sample):
        noise = hashlib.sha256(sample.code.encode()).digest()[0] / 255
        truth = int(sample.id.split("-")[1]) % 2
        p = 0.02 + 0.9 * noise**3
        return Prediction((1 - p, p) if truth == 0 else (p, 1 - p))


def victim(task):
    return ToyVictim()
