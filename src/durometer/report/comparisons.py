"""Each variant against its original, paired on the same samples: the table that every claim rests on."""

from __future__ import annotations

from contextlib import suppress

import polars as pl

from durometer.errors import UnknownNameError
from durometer.report.records import Record, plain, rate
from durometer.stats.across import UNION, union_of_attacks
from durometer.stats.bootstrap import CONFIDENCE
from durometer.stats.frame import CELL_COLUMNS, ORIGINAL
from durometer.stats.paired import Comparison, Measure, adjust, compare, compare_predictions
from durometer.study.view import RunView, VariantRecord
from durometer.tasks.base import TASKS

UNDER_ATTACK: tuple[Measure, ...] = ("asr", "robust_accuracy", "score_drop")


def headline(task: str) -> str:
    """Return the measure that stands for "accuracy" on this task: "bleu" where texts are written."""
    with suppress(UnknownNameError):  # a task of another package that is not installed here
        return TASKS.get(task)().headline
    return "accuracy"


def class_names(task: str) -> list[str]:
    """Return what the classes of ``task`` are called, by index; nothing where nobody says."""
    with suppress(UnknownNameError):
        return [str(name) for name in getattr(TASKS.get(task)(), "classes", ())]
    return []


def compare_variants(view: RunView, confidence: float = CONFIDENCE) -> list[Record]:
    """Compare each variant with its original; Holm's family is all comparisons of the study.

    For each variant: the task's headline on the test split (accuracy, or BLEU: :func:`headline`); for each
    attack, and for the union of attacks where there are several, ASR, robust accuracy, and for a task that
    is headed by BLEU the mean drop of BLEU. ``confidence`` is that of the intervals.
    """
    names: list[Record] = []
    found: list[Comparison] = []
    outcomes = with_union(view.outcomes)
    for record in view.variants:
        original = original_of(view, record)
        if original is None or record.variant == ORIGINAL:
            continue
        name = {"task": record.task, "victim": record.victim, "variant": record.variant}
        measure = headline(record.task)
        names.append({**name, "attack": None, "headline": measure})
        found.append(compare_predictions(original.predictions, record.predictions, confidence=confidence))
        rows = outcomes.filter(task=record.task, victim=record.victim)
        for attack in rows["attack"].unique(maintain_order=True).to_list():
            base = rows.filter(attack=attack, variant=ORIGINAL)
            mine = rows.filter(attack=attack, variant=record.variant)
            if base.height and mine.height:
                for kind in UNDER_ATTACK if measure == "bleu" else UNDER_ATTACK[:2]:
                    names.append({**name, "attack": attack, "headline": measure})
                    found.append(compare(base, mine, kind, confidence=confidence))
    return [{**name, **comparison_record(c)} for name, c in zip(names, adjust(found), strict=True)]


def comparison_record(comparison: Comparison) -> Record:
    """Return one comparison in percent and percentage points."""
    difference = rate(comparison.difference)
    return {
        "measure": "bleu_drop" if comparison.measure == "score_drop" else comparison.measure,
        "baseline": rate(comparison.baseline),
        "compressed": rate(comparison.variant),
        "difference": difference["value"],
        "low": difference["low"],
        "high": difference["high"],
        "n": comparison.difference.n,
        "snippets": comparison.difference.clusters,
        "gained": comparison.gained,
        "lost": comparison.lost,
        "discordant": comparison.gained + comparison.lost,
        "test": "sign flip over snippets, two-sided",
        "p": plain(comparison.p),
        "p_holm": plain(comparison.p_adjusted),
        "family": comparison.family,
        "mcnemar_p": plain(comparison.mcnemar_p),
        "detected": comparison.detected,
        "detectable": plain(100 * comparison.detectable),
    }


def original_of(view: RunView, record: VariantRecord) -> VariantRecord | None:
    """Return the uncompressed variant of the same victim and task, if it has finished."""
    key = (record.task, record.victim, ORIGINAL)
    return next((v for v in view.variants if (v.task, v.victim, v.variant) == key), None)


def with_union(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Return ``outcomes`` sorted, then the rows of the union of attacks where there are several."""
    outcomes = outcomes.sort(*CELL_COLUMNS, "sample_id")
    return pl.concat([outcomes, union_rows(outcomes)])


def union_rows(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the union of attacks: none for a single attack, or a study that ran its own."""
    attacks = outcomes["attack"].unique().to_list()
    several = len(attacks) > 1 and UNION not in attacks
    return union_of_attacks(outcomes) if several else outcomes.clear()
