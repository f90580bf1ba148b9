"""Each variant against its original, paired on the same samples: the table that every claim rests on."""

from __future__ import annotations

import polars as pl

from durometer.report.records import ORIGINAL, Record, plain, rate
from durometer.stats.across import UNION, union_of_attacks
from durometer.stats.bootstrap import CONFIDENCE
from durometer.stats.paired import Comparison, adjust, compare, compare_predictions
from durometer.study.view import RunView, VariantRecord


def compare_variants(view: RunView, confidence: float = CONFIDENCE) -> list[Record]:
    """Compare each variant with its original; Holm's family is all comparisons of the study.

    For each variant: accuracy on the test split; for each attack, and for the union of attacks where there
    are several, ASR and robust accuracy. ``confidence`` is that of the intervals.
    """
    names: list[Record] = []
    found: list[Comparison] = []
    outcomes = with_union(view.outcomes)
    for record in view.variants:
        original = original_of(view, record)
        if original is None or record.variant == ORIGINAL:
            continue
        name = {"task": record.task, "victim": record.victim, "variant": record.variant}
        names.append({**name, "attack": None})
        found.append(compare_predictions(original.predictions, record.predictions, confidence=confidence))
        rows = outcomes.filter(task=record.task, victim=record.victim)
        for attack in rows["attack"].unique(maintain_order=True).to_list():
            base = rows.filter(attack=attack, variant=ORIGINAL)
            mine = rows.filter(attack=attack, variant=record.variant)
            if base.height and mine.height:
                names += [{**name, "attack": attack}] * 2
                found.append(compare(base, mine, "asr", confidence=confidence))
                found.append(compare(base, mine, "robust_accuracy", confidence=confidence))
    return [{**name, **comparison_record(c)} for name, c in zip(names, adjust(found), strict=True)]


def comparison_record(comparison: Comparison) -> Record:
    """Return one comparison in percent and percentage points."""
    difference = rate(comparison.difference)
    return {
        "measure": comparison.measure,
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
    outcomes = outcomes.sort("task", "victim", "variant", "attack", "seed", "sample_id")
    return pl.concat([outcomes, union_rows(outcomes)])


def union_rows(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the union of attacks: none for a single attack, or a study that ran its own."""
    attacks = outcomes["attack"].unique().to_list()
    several = len(attacks) > 1 and UNION not in attacks
    return union_of_attacks(outcomes) if several else outcomes.clear()
