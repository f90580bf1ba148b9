"""A finished study that never ran: honest outcomes over small snippets of our own, for tests of the report.

Every number of a page made from it follows from its rows, as with a real run; only the victims are dice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from durometer.rng import stream
from durometer.stats.frame import CellKey, to_frame, to_row
from durometer.study.view import PREDICTIONS_SCHEMA, RunView, VariantRecord
from durometer.types import Outcome, Prediction, Status, content_hash

TEMPLATES = (  # a function, and the names that may be renamed in it
    (
        """\
def total_{n}(values, start={n}):
    result = start
    for item in values:
        result += item
    return result
""",
        ("values", "start", "result", "item"),
    ),
    (
        """\
def clamp_{n}(number, low, high):
    if number < low:
        return low
    if number > high - {n}:
        return high
    return number
""",
        ("number", "low", "high"),
    ),
    (
        """\
def pairs_{n}(mapping):
    found = []
    for key, entry in mapping.items():
        if entry is not None:
            found.append((key, entry * {n}))
    return sorted(found)
""",
        ("mapping", "found", "key", "entry"),
    ),
    (
        """\
def window_{n}(stream, width={n}):
    buffer = []
    for chunk in stream:
        buffer.append(chunk)
        if len(buffer) > width:
            buffer.pop(0)
        yield tuple(buffer)
""",
        ("stream", "width", "buffer", "chunk"),
    ),
    (
        """\
def parse_{n}(line, separator=","):
    # the parts are <b>bold</b> & quoted
    fields = line.split(separator)
    head, tail = fields[0], fields[{n}:]
    return head, [word.strip() for word in tail]
""",
        ("line", "separator", "fields", "head", "tail", "word"),
    ),
)
VARIANTS = (  # name, recipe, size in bytes, latency in ms, accuracy, how easily broken, simulated
    ("original", "uncompressed, 32-bit floats", 11_800_000, 6.4, 0.90, 0.42, False),
    ("pruned-50", "global magnitude pruning, 50 % of the weights", 11_800_000, 6.5, 0.885, 0.47, True),
    ("int8", "8-bit integer weights, embeddings included", 3_150_000, 7.9, 0.895, 0.43, False),
    ("distilled", "distilled into a student of a third of the size", 3_900_000, 2.2, 0.86, 0.62, False),
)
ATTACKS = {"wir_random": (0.85, 60), "mhm": (1.1, 700)}
SHORT_NAMES = ("a", "b", "c", "d", "e", "f", "g", "h")


def snippets(count: int) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (TEMPLATES[i % len(TEMPLATES)][0].format(n=i), TEMPLATES[i % len(TEMPLATES)][1]) for i in range(count)
    ]


def rename(code: str, names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Rename whole words; right for the templates, whose strings and attributes repeat none of the names."""
    mapping = {old: SHORT_NAMES[i] for i, old in enumerate(names)}
    return re.sub(r"[A-Za-z_]\w*", lambda m: mapping.get(m[0], m[0]), code), mapping


def _outcome(
    index: int,
    code: str,
    names: Sequence[str],
    right: bool,
    breaks: float,
    cost: int,
    rng: np.random.Generator,
) -> Outcome:
    label = index % 2
    confidence = float(rng.uniform(0.6, 0.99))
    predicted = label if right else 1 - label
    first = Prediction((confidence, 1 - confidence) if predicted == 0 else (1 - confidence, confidence))
    base = {
        "sample_id": f"pair-{index:05d}",
        "snippet_id": content_hash("python", code),
        "label": label,
        "original": first,
        "original_score": first.probabilities[label],
        "identifiers": len(names),
        "tokens": len(re.findall(r"\w+|[^\w\s]", code)),
        "original_code": code,
        "fingerprint": "cpu fp32",
    }
    if not right:
        return Outcome(status=Status.SKIPPED, reason="misclassified", queries=1, forwards=1, **base)
    dice = rng.random()
    queries = int(rng.integers(3, cost))
    if dice >= breaks:
        status = Status.BUDGET if dice > 0.985 else Status.FAILURE
        return Outcome(
            status=status,
            queries=cost,
            forwards=cost // 2,
            **base,
            trajectory=((1, confidence), (cost // 2, confidence - 0.1)),
        )
    if rng.random() < 0.02:
        return Outcome(
            status=Status.UNSTABLE,
            reason="not confirmed when queried alone",
            queries=queries,
            forwards=queries,
            **base,
        )
    edited, mapping = rename(code, names[: int(rng.integers(1, len(names) + 1))])
    flipped = Prediction(tuple(reversed(first.probabilities)))
    words = re.findall(r"[A-Za-z_]\w*", code)
    changed = sum(word in mapping for word in words)
    return Outcome(
        status=Status.SUCCESS,
        queries=queries,
        forwards=queries + 1,
        adversarial=flipped,
        adversarial_score=flipped.probabilities[label],
        renames=mapping,
        adversarial_code=edited,
        changed_tokens=changed,
        edit_distance=sum(len(w) for w in words if w in mapping),
        trajectory=((1, confidence), (queries, 1 - confidence)),
        **base,
    )


def build_view(
    samples: int = 120,
    seeds: Sequence[int] = (0,),
    variants: int = len(VARIANTS),
    victims: Sequence[str] = ("encoder-3M",),
    complete: bool = True,
) -> RunView:
    """Return a study of ``samples`` clone pairs; the same arguments give the same rows."""
    rows: list[dict[str, object]] = []
    records: list[VariantRecord] = []
    codes = snippets(samples)
    for victim in victims:
        for variant, recipe, size, latency, accuracy, breaks, simulated in VARIANTS[:variants]:
            # Mostly shared dice: variants tend to fail on the same samples, but not exactly.
            shared, own = stream(7, "shared").random(samples), stream(7, variant).random(samples)
            right = np.where(stream(7, variant, "luck").random(samples) < 0.1, own, shared) < accuracy
            records.append(_record(victim, variant, recipe, size, latency, simulated, codes, right))
            for attack, (strength, cost) in ATTACKS.items():
                for seed in seeds:
                    cell = CellKey("clone", victim, variant, attack, seed)
                    for index, (code, names) in enumerate(codes):
                        rng = stream(
                            seed, victim, attack, str(index)
                        )  # shared by variants: paired, as in a run
                        outcome = _outcome(
                            index, code, names, bool(right[index]), breaks * strength, cost, rng
                        )
                        rows.append(to_row(outcome, cell))
    return RunView(
        name="synthetic",
        complete=complete,
        variants=tuple(records),
        outcomes=to_frame(rows),
        config={
            "version": 1,
            "name": "synthetic",
            "seeds": list(seeds),
            "attacks": [{"kind": a} for a in ATTACKS],
        },
        provenance={"durometer": "0.1.0", "python": "3.11", "device": "cpu", "seeds": list(seeds)},
        floors={"clone": {"auc": 0.71, "accuracy": 0.66}},
        corpora={
            "clone": {
                "name": "synthetic snippets",
                "hash": content_hash(*(c for c, _ in codes)),
                "test": samples,
            }
        },
        timings={"corpus": 1.5, "victim": 60.0, "attacks": 120.0},
    )


def _record(
    victim: str,
    variant: str,
    recipe: str,
    size: int,
    latency: float,
    simulated: bool,
    codes: Sequence[tuple[str, tuple[str, ...]]],
    right: np.ndarray,
) -> VariantRecord:
    labels = [i % 2 for i in range(len(codes))]
    predicted = [label if ok else 1 - label for label, ok in zip(labels, right, strict=True)]
    predictions = pl.DataFrame(
        {
            "sample_id": [f"pair-{i:05d}" for i in range(len(codes))],
            "snippet_id": [content_hash("python", code) for code, _ in codes],
            "label": labels,
            "predicted": predicted,
            "correct": [bool(ok) for ok in right],
            "score": [float(ok) for ok in right],
            "probability": [0.9 if p else 0.1 for p in predicted],
        },
        schema=PREDICTIONS_SCHEMA,
    )
    nonzero = 1_470_000 if simulated else 2_950_000
    return VariantRecord(
        task="clone",
        victim=victim,
        variant=variant,
        recipe=recipe,
        artefact=content_hash(victim, variant),
        parameters=2_950_000,
        nonzero_parameters=nonzero,
        size_bytes=size,
        latency_p50_ms=latency,
        latency_p95_ms=latency * 1.3,
        simulated=simulated,
        measures={"accuracy": float(np.mean(right))},
        predictions=predictions,
        efficiency=_efficiency(size, latency, nonzero, simulated),
    )


def build_summaries(samples: int = 60, seeds: Sequence[int] = (0,), variants: int = 3) -> RunView:
    """Return a study of summarizers: no class, no probability, scores that are BLEU, answers that are texts.

    A sample is broken where the attack brought its BLEU down to nothing.
    """
    view = build_view(samples, seeds, variants, victims=("summarizer",))
    bleu = pl.col("original_probability") / 2
    outcomes = view.outcomes.with_columns(
        task=pl.lit("summarization"),
        original_score=bleu,
        adversarial_score=pl.when(pl.col("status") == "success").then(0.004),
        original_text=pl.format("Return the {}.", "sample_id"),
        adversarial_text=pl.when(pl.col("status") == "success").then(pl.lit("Nothing.")),
        reason=pl.when(pl.col("status") == "skipped")
        .then(pl.lit("already_below_threshold"))
        .otherwise("reason"),
        **{
            name: pl.lit(None, outcome_type)
            for name, outcome_type in view.outcomes.schema.items()
            if name in ("label", "original_label", "adversarial_label")
            or name in ("original_probability", "adversarial_probability")
        },
    )
    bleus = pl.when(pl.col("correct")).then(pl.col("sample_id").hash(seed=5) % 97 / 97).otherwise(0.0)
    records = []
    for v in view.variants:
        predictions = v.predictions.with_columns(
            label=pl.lit(None, pl.Int64), probability=pl.lit(None, pl.Float64), score=bleus
        )
        mean = float(predictions["score"].to_numpy().mean())
        records.append(replace(v, task="summarization", measures={"bleu": mean}, predictions=predictions))
    floors = {"summarization": {"bleu": 0.11, "constant_bleu": 0.11}}
    return replace(view, outcomes=outcomes, variants=tuple(records), floors=floors, corpora={})


def _efficiency(size: int, latency: float, nonzero: int, simulated: bool) -> dict[str, object]:
    """Return a record as a run's, with a cost that could not be measured and a ratio to the first variant."""
    base_size, base_latency = VARIANTS[0][2:4]
    return {
        "size_bytes": size,
        "memory_bytes": base_size,
        "nonzero_parameters": nonzero,
        "flops": None,
        "latency_p50_ms": latency,
        "latency_p95_ms": latency * 1.3,
        "throughput_per_second": 1200 / latency,
        "throughput_batch": 4,
        "logits_cosine": 0.998,
        "logits_max_difference": 0.05,
        "energy_estimate_kwh_per_million": latency / 360,
        "watts_per_core": 10.0,
        "samples": 48,
        "simulated": simulated,
        "threads": 1,
        "cpu": "avx2",
        "ratios": {"size_bytes": size / base_size, "latency_p50_ms": latency / base_latency, "flops": None},
    }


HOSTILE = (
    "def f(value):\n    return '</script><script>window.owned = 1</script>'\n",
    "def f(value):\n    return '<img src=x onerror=\"window.owned = 2\">'  # \u202e drawkcab \u2066\n",
    "def f(value):\n    return 'nul \x00 bell \x07 separators \u2028 \u2029'\n",
    "value = '" + "x" * 1_000_000 + "'\n",
    "<!--<script>]]>&lt;value&amp;{{ value }}{% value %}",
)


def hostile_view() -> RunView:
    """Return a study whose every text tries to run, hide or break something."""
    view = build_view(samples=40)
    count = view.outcomes.height
    codes = [HOSTILE[i % len(HOSTILE)] for i in range(count)]
    evil = '<img src=x onerror="window.owned = 3">'
    outcomes = view.outcomes.with_columns(
        original_code=pl.Series(codes),
        adversarial_code=pl.when(pl.col("adversarial_code").is_not_null()).then(
            pl.Series([code.replace("value", evil) for code in codes])
        ),
        reason=pl.lit(f"</script>{evil}"),
        sample_id=pl.format("{}\u202e{}", "sample_id", pl.lit(evil)),
        variant=pl.col("variant").replace("int8", evil),
        renames=pl.Series(
            [[{"old": "value", "new": evil}] for _ in codes], dtype=view.outcomes.schema["renames"]
        ),
    )
    variants = tuple(
        replace(v, recipe=evil, variant=evil if v.variant == "int8" else v.variant) for v in view.variants
    )
    return replace(
        view,
        name=f"</title>{evil}",
        outcomes=outcomes,
        variants=variants,
        config={evil: evil},
        provenance={"note": f"</script>{evil}"},
    )
