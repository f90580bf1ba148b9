r"""A victim of your own in one method: scikit-learn on a bag of words, attacked like any transformer.

From the folder of this file, with a data file of yours (``code`` and ``label`` columns):

    durometer attack --victim sklearn_victim:make --task vulnerability --data jsonl:test.jsonl \
        --attack mhm --out attacked/

The training data comes from the file that the environment variable TRAIN names (default train.jsonl).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from durometer.types import Prediction, Sample


class BagOfWords:
    """Anything with ``predict`` can be attacked: samples in, class probabilities out, in order."""

    def __init__(self, texts: Sequence[str], labels: Sequence[int]) -> None:
        """Fit on ``texts`` and their ``labels``."""
        self.model = make_pipeline(
            HashingVectorizer(token_pattern=r"\w+", n_features=2**16), LogisticRegression(C=100.0)
        ).fit(texts, labels)

    def predict(self, inputs: Sequence[Sample]) -> list[Prediction]:
        """Return one prediction per sample."""
        rows = self.model.predict_proba([sample.code for sample in inputs])
        return [Prediction(probabilities=tuple(map(float, row))) for row in rows]


def make(task: object) -> BagOfWords:
    """Return the victim; durometer calls this with the task."""
    path = Path(os.environ.get("TRAIN", "train.jsonl"))
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return BagOfWords([row["code"] for row in rows], [row["label"] for row in rows])
