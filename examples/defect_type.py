"""A fourth task and its data in one file: not whether a function is flawed but how (safe, injection, number).

Packaged, two entry points make both known to every verb and study file:

    [project.entry-points."durometer.task"]
    defect-type = "defect_type:DefectType"
    [project.entry-points."durometer.corpus"]
    defect-type = "defect_type:read"

    durometer train --task defect-type --data defect-type:400 --preset tiny --out victim/
    durometer eval --victim victim/ --task defect-type --data defect-type:400
    durometer attack --victim victim/ --task defect-type --data defect-type:400 --attack mhm --out attacked/

The data comes from the generator of CWE cases, so that it runs anywhere: a real reader opens ``path``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from durometer.corpora.base import Corpus
from durometer.corpora.builtin_cwe import builtin_cwe
from durometer.corpora.weaknesses import WEAKNESSES
from durometer.tasks.base import Goal
from durometer.tasks.scoring import LabelGoal
from durometer.types import Prediction, Sample

KINDS = {str(weakness.cwe): weakness.kind for weakness in WEAKNESSES}


def read(path: str, *, split: str | None, task: str, seed: int = 1) -> Corpus:
    """Return cases labelled 0 (safe), 1 (a text reaches an interpreter) or 2 (an unchecked number).

    Source: the built-in generator; ``path`` says how many pairs.
    """
    corpus = builtin_cwe(pairs=int(path), seed=seed)
    splits = {name: [_typed(s) for s in samples] for name, samples in corpus.splits.items()}
    chosen = {split: splits[split]} if split else splits
    return Corpus("defect-type", task, chosen, corpus.notes)


def _typed(sample: Sample) -> Sample:
    kind = 1 if KINDS[sample.meta["cwe"]] == "text" else 2
    return replace(sample, label=kind if sample.label else 0)


class DefectType:
    """One snippet, three classes."""

    name = "defect-type"
    kind: Literal["classification", "generation"] = "classification"
    pair = False
    classes: tuple[str, ...] = ("safe", "injection", "number")
    headline = "accuracy"

    def goal(self, sample: Sample, original: Prediction) -> Goal:
        """Return: any other class than the one predicted for the original."""
        return LabelGoal(original.label)

    def attackable(self, sample: Sample, original: Prediction) -> str:
        """Return ``misclassified`` where there is nothing to break, else ""."""
        return "" if original.label == sample.label else "misclassified"

    def score(self, sample: Sample, prediction: Prediction) -> float:
        """Return 1 for a right answer, 0 for a wrong one."""
        return float(prediction.label == sample.label)

    def measure(self, samples: Sequence[Sample], predictions: Sequence[Prediction]) -> Mapping[str, float]:
        """Return accuracy and macro-averaged F1."""
        from sklearn.metrics import accuracy_score, f1_score

        gold, said = [s.label for s in samples], [p.label for p in predictions]
        f1 = f1_score(gold, said, average="macro", zero_division=0.0)
        return {"accuracy": float(accuracy_score(gold, said)), "macro_f1": float(f1)}

    def floor(self, train: Sequence[Sample], test: Sequence[Sample]) -> Mapping[str, float]:
        """Return the accuracy of a bag of words fitted on ``train``; {} without it."""
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        if not train:
            return {}
        model = make_pipeline(CountVectorizer(lowercase=False), LogisticRegression(max_iter=1000))
        model.fit([s.code for s in train], [s.label for s in train])
        return {"accuracy": float(model.score([s.code for s in test], [s.label for s in test]))}
