"""The answer: in how many variants something was lost, then three sentences: the cost in accuracy, the cost
in robustness, and the bargain.

A claim is printed only with its effect, interval and adjusted p. Where the test found nothing, the
sentence says "no difference detected", and how large a difference would have been found with 80 % power. An
interval is that of one comparison: where it leaves out zero but the p, corrected for all comparisons of the
study, does not, the sentence says so in words.
"""

from __future__ import annotations

from collections.abc import Sequence

from durometer.report.tables import Record
from durometer.report.words import attack_name, interval, listing, measure_of, number, probability, ratio
from durometer.stats.across import UNION

SHOWN = 3  # detected differences that a sentence spells out; the table holds all


def answer(results: Record) -> list[str]:
    """Return the three sentences for ``results`` (its ``variants``, ``cells`` and ``comparisons``)."""
    comparisons = results["comparisons"]
    if not comparisons:
        return [
            "Nothing to compare yet: no compressed variant and its original have both finished.",
            _strongest(results),
            f"{_proof(results).capitalize()}.",
        ]
    return [_clean(comparisons), _robust(results), f"{_bargain(results)}; {_proof(results)}."]


def verdict(results: Record) -> str:
    """Return in one line how many compressed variants lost something, by the adjusted p; "" without one."""
    comparisons = results["comparisons"]
    robust = _under_all([c for c in comparisons if c["measure"] == "robust_accuracy"])
    if not robust:
        return ""
    lost, many = _lost(robust), f"{len(robust)} compressed variant{'' if len(robust) == 1 else 's'}"
    null = [c for c in robust if not c["detected"]]
    line = f"Robust accuracy fell significantly for {lost} of {many}"
    others = "for the others, " if len(null) < len(robust) else ""
    line += f" ({others}{_power(null)})" if null else ""
    clean = [c for c in comparisons if c["measure"] == "accuracy"]
    for label in dict.fromkeys(measure_of(c).label for c in clean):
        mine = [c for c in clean if measure_of(c).label == label]
        line += f", {label if label.isupper() else label.lower()} for {_lost(mine)} of {len(mine)}"
    return f"{line}."


def _lost(comparisons: Sequence[Record]) -> str:
    return str(sum(c["detected"] and c["difference"] < 0 for c in comparisons) or "none")


def _clean(comparisons: Sequence[Record]) -> str:
    """Return what compression alone cost: accuracy, and BLEU where texts are written."""
    clean = [c for c in comparisons if c["measure"] == "accuracy"]
    labels = dict.fromkeys(measure_of(c).label for c in clean)
    costs = [f"{label}: {cost([c for c in clean if measure_of(c).label == label])}" for label in labels]
    return " ".join(f"{words}." for words in costs)


def _robust(results: Record) -> str:
    """Return what compression cost under attack: robust accuracy, and the drop of BLEU."""
    robust = _under_all([c for c in results["comparisons"] if c["measure"] == "robust_accuracy"])
    if not robust:
        return _strongest(results)
    everywhere = " under all attacks" if robust[0]["attack"] == UNION else ""
    drops = _under_all([c for c in results["comparisons"] if c["measure"] == "bleu_drop"])
    text = f"Robust accuracy{everywhere}: {cost(robust)}."
    return f"{text} BLEU lost under attack: {cost(drops)}." if drops else text


def _under_all(comparisons: Sequence[Record]) -> Sequence[Record]:
    """Return the comparisons under the union of attacks, or all where nothing was run twice."""
    return [c for c in comparisons if c["attack"] == UNION] or comparisons


def cost(comparisons: Sequence[Record]) -> str:
    """Return what ``comparisons`` (all of one measure) found: each detected difference, then the rest."""
    found = sorted((c for c in comparisons if c["detected"]), key=lambda c: c["difference"])
    rest = [c for c in comparisons if not c["detected"]]
    clauses = [listing([effect(c, _where(c, comparisons)) for c in found[:SHOWN]])] if found else []
    if len(found) > SHOWN:
        clauses.append(f"{len(found) - SHOWN} more in the table below")
    if rest:
        clauses.append(_undetected(rest, comparisons))
    return "; ".join(clauses)


def effect(comparison: Record, where: str = "") -> str:
    """Return a difference, of what, with its interval and adjusted p; says where the two seem to disagree."""
    bounds = interval(comparison["low"], comparison["high"], signed=True) or "not defined"
    change = number(comparison["difference"], signed=True) + " points" + (f" for {where}" if where else "")
    p = f"adjusted {probability(comparison['p_holm'])}"
    if only_before_correction(comparison):
        many = comparison["family"]
        return (
            f"{change} (95 % interval {bounds} before correction for {many} comparisons; "
            f"not significant after it, {p})"
        )
    return f"{change} (95 % interval {bounds}, {p})"


def only_before_correction(comparison: Record) -> bool:
    """Whether the comparison's own interval leaves out zero although no difference is detected."""
    low, high = comparison["low"], comparison["high"]
    return not comparison["detected"] and low is not None and high is not None and not low <= 0 <= high


def _undetected(rest: Sequence[Record], all_of_them: Sequence[Record]) -> str:
    largest = max(rest, key=lambda c: abs(c["difference"] or 0))
    if len(rest) == 1:
        found = f"{_where(largest, all_of_them)}: {effect(largest)}"
        return f"no difference detected for {found}; {_power(rest)}"
    many = listing([_where(c, all_of_them) for c in rest])
    if len(rest) > SHOWN:
        many = f"{len(rest)} {'other ' if len(rest) < len(all_of_them) else ''}comparisons"
    return (
        f"no difference detected for {many}, the largest being "
        f"{effect(largest, _where(largest, all_of_them))}; {_power(rest)}"
    )


def _power(rest: Sequence[Record]) -> str:
    """Return how large a difference ``rest`` would have shown: without it a null result says nothing."""
    reaches = [c["detectable"] for c in rest]
    known = [reach for reach in reaches if reach is not None]
    if not known:
        return "too few snippets to say what would have been found"
    least, most = number(min(known)), number(max(known))
    span = least if least == most else f"{least} to {most}"
    text = f"{span} points would be found with 80 % power"
    return text if None not in reaches else f"{text} where there are snippets enough to say"


def _bargain(results: Record) -> str:
    smaller = [v for v in results["variants"] if v["size_ratio"] is not None and v["size_ratio"] < 1]
    if not smaller:
        return "No variant is smaller on disk than its original"
    best = min(smaller, key=lambda v: v["size_ratio"])
    words = (
        f"The smallest variant, {variant_name(best, results['variants'])}, takes "
        f"{ratio(best['size_ratio'])} of the bytes and {ratio(best['latency_ratio'])} of the time "
        "of its original"
    )
    losses = [
        c
        for c in results["comparisons"]
        if _cell(c) == _cell(best) and c["measure"] == "robust_accuracy" and c["difference"] is not None
    ]
    if not losses:
        return words
    worst = min(losses, key=lambda c: (not c["detected"], c["difference"]))
    if worst["detected"]:
        return f"{words}, for {effect(worst)} of robust accuracy under {attack_name(worst['attack'])}"
    found = f"{effect(worst)}; {_power([worst])}"
    return f"{words}, with no difference in robust accuracy detected: at worst {found}"


def _strongest(results: Record) -> str:
    cells = [c for c in results["cells"] if c["asr"]["value"] is not None]
    if not cells:
        return "No sample has been attacked yet."
    cell = max(cells, key=lambda c: c["asr"]["value"])
    asr = cell["asr"]
    return (
        f"{attack_name(cell['attack'])} broke {number(asr['value'])} % of the attackable samples of "
        f"{cell['variant']} (95 % interval {interval(asr['low'], asr['high'])}, n = {asr['n']})."
    )


def _proof(results: Record) -> str:
    proven, reported = results["study"]["proven"], results["study"]["reported"]
    if reported == 0:
        return "no attack reported a success"
    held = "all" if proven == reported else f"{number(proven, 0)} of"
    return (
        f"{held} {number(reported, 0)} reported successes were proven to be the same program "
        "and confirmed alone, and only those count"
    )


def _cell(record: Record) -> tuple[str, str, str]:
    return record["task"], record["victim"], record["variant"]


def _where(comparison: Record, among: Sequence[Record]) -> str:
    """Name a comparison: its variant, then what else distinguishes it ``among`` the others."""
    words, attack = variant_name(comparison, among), comparison["attack"]
    return f"{words} under {attack_name(attack)}" if attack not in (None, UNION) else words


def variant_name(record: Record, among: Sequence[Record]) -> str:
    """Name a variant, with its victim and task where these differ ``among`` the others."""
    words = str(record["variant"])
    for key, joint in (("victim", "of"), ("task", "on")):
        if len({other[key] for other in among}) > 1:
            words += f" {joint} {record[key]}"
    return words
