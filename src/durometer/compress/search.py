"""The shape of a student under a budget of size or time: a genetic search by arithmetic, nothing is trained.

Compressor (Shi et al., ASE 2022, section 3.1): genes are vocabulary, layers, hidden width, heads and
feed-forward width; the fitness is GFLOPs − |size − target| in MB, no accuracy in it: among students of one
size, the one that computes most. Departures: the size is a budget that is never exceeded, FLOPs and
milliseconds may have one too, and the best is polished by local steps. The answer depends on the seed, which
is fixed: with others the GFLOPs at 10 MB differ by up to a fifth. Sizes are those of the fp32 file (tested
against saved students). AVATAR's surrogate of accuracy (ICSE-SEIS 2024) needs dozens of trained students and
is left out.

Compressor and AVATAR let FLOPs stand for the time. We do not: a layer costs time beside its arithmetic, and
wide ones compute more in a millisecond than narrow ones, so a time budget is kept by a clock calibrated on
this machine (``clock.py``). Under a time budget alone the fitness is GFLOPs, and of equals the smallest file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from durometer.compress.distill_config import StudentShape
from durometer.compress.students import FAMILIES
from durometer.errors import RefusedError
from durometer.rng import stream
from durometer.victims.encoder import HeadConfig

# Compressor's ranges, table 1; all steps are ours.
RANGES = (
    tuple(range(1000, 50001, 1000)),  # vocabulary
    tuple(range(1, 13)),  # layers
    tuple(range(16, 769, 16)),  # hidden
    (1, 2, 4, 8, 16),  # heads
    tuple(range(32, 3073, 32)),  # feed-forward
)
POPULATION, GENERATIONS, PARENTS = 50, 50, 20
MUTATION = 0.2  # of each gene
HEADER_BYTES = 215  # of one tensor in the weights file: its name, type, shape, place and packing
POSITIONS_BEFORE = {"roberta": 2, "bart": 2, "plbart": 2}  # entries that no id uses

Genes = tuple[int, ...]  # places in RANGES
Clock = Callable[[StudentShape], float]  # milliseconds of one snippet as long as the window
Fitness = Callable[[Genes], float]


class Cost(NamedTuple):
    """What a shape costs: bytes of the fp32 file, and 10⁹ FLOPs for one snippet as long as the window."""

    size_bytes: int
    gflops: float


def passes(model_type: str, layers: int) -> int:
    """Return the layers that a snippet passes: those of the decoder too, where there is one."""
    return 2 * layers if model_type in ("bart", "plbart") else layers


def cost(model_type: str, head: HeadConfig, shape: StudentShape, *, max_length: int) -> Cost:
    """Return the cost of a classifier; ``shape.vocabulary`` must be set, two FLOPs a multiplication."""
    assert shape.vocabulary is not None, "the vocabulary is the student's own"
    return _cost(model_type, head, (shape.vocabulary, shape.layers, shape.hidden, 0, shape.inner), max_length)


def _cost(model_type: str, head: HeadConfig, values: Genes, max_length: int) -> Cost:
    vocabulary, layers, h, _, f = values
    attention, inner = 4 * h * h + 4 * h, 2 * h * f + h + f  # weights and biases
    block = attention + inner + 4 * h  # two norms
    positions = (max_length + POSITIONS_BEFORE.get(model_type, 0)) * h
    kept, tensors, passed = vocabulary * h + positions, 16 * layers, passes(model_type, layers)
    if model_type in ("bart", "plbart"):
        kept += positions + 4 * h + layers * (2 * block + attention + 2 * h)
        tensors = 42 * layers + 7
    elif model_type == "gpt2":
        kept += layers * block + 2 * h
        tensors = 12 * layers + 4
    else:
        types = 2 if model_type == "bert" else 1
        kept += layers * block + types * h + 2 * h
        tensors += 5
    width = head.width(h)
    outputs = 1 if head.single_logit else head.classes
    last = width
    if head.layout == "dense":
        kept, last, tensors = kept + width * h + h, h, tensors + 2
    kept, tensors = kept + last * outputs + outputs, tensors + 2
    crossed = layers * 4 * h * h if passed > layers else 0
    macs = passed * (4 * h * h + 2 * h * f + 2 * max_length * h) + crossed
    if passed > layers:
        macs += layers * 2 * max_length * h
    return Cost(4 * kept + HEADER_BYTES * tensors, 2 * max_length * macs / 1e9)


def architecture(
    model_type: str,
    head: HeadConfig,
    *,
    target_bytes: int | None,
    max_bytes: int | None = None,
    max_gflops: float | None = None,
    max_ms: float | None = None,
    clock: Clock | None = None,
    max_length: int,
    lower_case: bool = False,
) -> StudentShape:
    """Return the best shape within the budgets, by Compressor's fitness; deterministic.

    Args:
        model_type: the family, as transformers calls it.
        head: the classifier's head.
        target_bytes: the budget for the fp32 weights file, which is to be filled.
        max_bytes: a budget for it that need not be, where there is no target.
        max_gflops: the budget for one snippet as long as the window.
        max_ms: its milliseconds by ``clock``.
        clock: the milliseconds of a shape.
        max_length: the window, in ids.
        lower_case: whether the student's tokenizer folds case.

    Raises:
        RefusedError: an unknown family, or no shape within the budgets.

    """
    if model_type not in FAMILIES:
        raise RefusedError(f"no arithmetic for a {model_type!r}", where="target_size")

    def shape(genes: Genes) -> StudentShape:
        vocabulary, layers, hidden, heads, inner = _values(genes)
        return StudentShape(
            layers=layers,
            hidden=hidden,
            heads=heads,
            feed_forward=inner,
            vocabulary=vocabulary,
            lower_case=lower_case,
            max_length=max_length,
        )

    known: dict[Genes, float] = {}
    most = target_bytes or max_bytes

    def fitness(genes: Genes) -> float:
        if genes not in known:
            size, gflops = _cost(model_type, head, _values(genes), max_length)
            over = max(0.0, size / (most or size) - 1) + max(0.0, gflops / (max_gflops or gflops) - 1)
            if not over and max_ms is not None and clock is not None:
                over = max(0.0, clock(shape(genes)) / max_ms - 1)
            waste = (target_bytes - size) / 1e6 if target_bytes else size / 1e12
            known[genes] = gflops - waste if not over else -1e6 * (1 + over)
        return known[genes]

    rng = stream(0, "architecture", model_type, str(target_bytes))
    best = _polished(_evolved(fitness, rng), fitness)
    if fitness(best) <= -1e6:
        least = shape((0, 0, 0, 0, 0))
        size, gflops = cost(model_type, head, least, max_length=max_length)
        budgets = {"bytes": most, "GFLOPs": max_gflops, "ms": max_ms}
        costs = [f"{size} bytes", f"{gflops:.3g} GFLOPs", *([f"{clock(least):.3g} ms"] if clock else [])]
        raise RefusedError(
            "no student within " + " and ".join(f"{n:.9g} {unit}" for unit, n in budgets.items() if n),
            where="target_size" if target_bytes else "target_latency_ms",
            hint=f"The smallest has {' and '.join(costs)}.",
        )
    return shape(best)


def _values(genes: Genes) -> Genes:
    """Return the values of genes; of the heads, as many as divide the width into heads of 8 or more."""
    vocabulary, layers, hidden, heads, inner = (r[g] for r, g in zip(RANGES, genes, strict=True))
    while hidden % heads or hidden // heads < 8:
        heads //= 2
    return vocabulary, layers, hidden, heads, inner


def _evolved(fitness: Fitness, rng: np.random.Generator) -> Genes:
    """Return the best of all generations: the fittest are kept, and cross and mutate into the rest."""
    counts = [len(r) for r in RANGES]
    people = [tuple(int(rng.integers(n)) for n in counts) for _ in range(POPULATION)]
    for _ in range(GENERATIONS):
        parents = sorted(dict.fromkeys(people), key=fitness, reverse=True)[:PARENTS]
        people = list(parents)
        while len(people) < POPULATION:
            a, b = (parents[int(i)] for i in rng.integers(len(parents), size=2))
            chosen = [x if rng.random() < 0.5 else y for x, y in zip(a, b, strict=True)]
            mutated = rng.random(len(counts)) < MUTATION
            people.append(
                tuple(
                    int(rng.integers(n)) if m else g for g, n, m in zip(chosen, counts, mutated, strict=True)
                )
            )
    return max(people, key=fitness)


def _polished(genes: Genes, fitness: Fitness) -> Genes:
    """Return the best that changes of one or two genes lead to."""
    while True:
        better = max(_neighbours(genes), key=fitness)
        if fitness(better) <= fitness(genes):
            return genes
        genes = better


def _neighbours(genes: Genes) -> Iterator[Genes]:
    """Yield every change of one gene, and of two of which one is the layers or the hidden width."""
    for i in (1, 2):
        for j in range(len(genes)):
            for one in range(len(RANGES[i])):
                for two in range(len(RANGES[j])):
                    changed = list(genes)
                    changed[i], changed[j] = one, two
                    yield tuple(changed)
