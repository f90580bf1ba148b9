"""How long a student's forward pass takes on this machine, without building every student: a calibration.

A few networks of the family are timed, one snippet as long as the window at a time, with as many torch
threads as are set. Their times are fitted, relative errors squared, by a sum with weights that are not
negative: a constant, layers, FLOPs, entries of the attention maps, states. The shape that is found is timed
too. A calibration can be kept and used again: what follows from it is then the same on any machine.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls

from durometer.compress.distill_config import Calibration, StudentShape
from durometer.compress.search import Clock, cost, passes
from durometer.compress.students import reading, shaped
from durometer.victims.encoder import EncoderNetwork, HeadConfig, encoder_config
from durometer.victims.storage import write_json

# Layers, hidden, heads, feed-forward: the corners of the search, some between, the published student.
TIMED = (
    (1, 16, 2, 3072),
    (12, 16, 1, 64),
    (8, 64, 8, 64),
    (12, 96, 8, 64),
    (4, 128, 2, 512),
    (6, 256, 16, 256),
    (2, 256, 4, 1024),
    (2, 512, 8, 2048),
    (1, 768, 1, 32),
    (1, 768, 16, 3072),
)
VOCABULARY, ROUNDS = 1000, 5
ATTEMPTS, SLACK = 5, 1.05


def features(model_type: str, head: HeadConfig, shape: StudentShape, *, max_length: int) -> list[float]:
    """Return what the time is a sum of: 1, layers, GFLOPs, 10⁶ entries of maps, inner and outer states."""
    number = passes(model_type, shape.layers)
    entries = number * shape.attention_heads * max_length**2 / 1e6
    inner, outer = (number * max_length * width / 1e6 for width in (shape.inner, shape.hidden))
    gflops = cost(model_type, head, shape, max_length=max_length).gflops
    return [1.0, float(number), gflops, entries, inner, outer]


class Watch:
    """Times of networks of one family on the CPU, and the calibration that fits them."""

    def __init__(self, values: Mapping[str, Any], head: HeadConfig, *, max_length: int) -> None:
        """Time the networks of ``TIMED``; ``values`` is a transformers configuration of the family."""
        self._values, self._head, self._window = values, head, max_length
        self._family = str(values["model_type"])
        self._rows: list[list[float]] = []
        self._times: list[float] = []
        shapes = [
            StudentShape(layers=n, hidden=h, heads=a, feed_forward=f, vocabulary=VOCABULARY)
            for n, h, a, f in TIMED
        ]
        self.time(*shapes)

    def time(self, *shapes: StudentShape) -> float:
        """Time networks of these shapes, which take turns; return the milliseconds of the last.

        The shortest of ``ROUNDS`` after a first that warms them up: CPU time where one thread computes, which
        the machine's load does not stretch.
        """
        networks = [self._built(shape) for shape in shapes]
        ids = torch.full((1, self._window), 5)
        clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
        times = [float("inf")] * len(networks)
        for turn in range(ROUNDS + 1):
            for index, network in enumerate(networks):
                start = clock()
                with torch.inference_mode():
                    network.states(ids)
                if turn:
                    times[index] = min(times[index], (clock() - start) * 1000)
        self._rows += [features(self._family, self._head, s, max_length=self._window) for s in shapes]
        self._times += times
        return times[-1]

    def _built(self, shape: StudentShape) -> EncoderNetwork:
        values = reading(shaped(self._values, shape), vocabulary=VOCABULARY, room=self._window)
        return EncoderNetwork(encoder_config(values), self._head).eval()

    def fit(self) -> Calibration:
        """Return the calibration; where it made the last network faster than it was, it is slowed to fit."""
        rows, times = np.array(self._rows), np.array(self._times)
        weights, _ = nnls(rows / times[:, None], np.ones(len(times)))
        if len(times) > len(TIMED):
            weights = weights * max(1.0, times[-1] / float(rows[-1] @ weights))
        return Calibration(
            weights=[float(f"{w:.6g}") for w in weights],
            error=round(float(np.abs(rows @ weights / times - 1).max()), 3),
            machine=f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
            threads=torch.get_num_threads(),
            max_length=self._window,
        )


def within(
    max_ms: float,
    search: Callable[[Clock], StudentShape],
    values: Mapping[str, Any],
    head: HeadConfig,
    *,
    max_length: int,
    work: Path | None,
) -> Calibration:
    """Return a calibration by which ``search`` finds a shape that keeps ``max_ms`` when it is timed.

    A search finds what a fit flatters: every shape that is slower than allowed is fitted too, at most
    ``ATTEMPTS`` times. A killed run has left its calibration in the folder ``work``: its student stays.
    """
    path = work / "calibration.json" if work else None
    if path is not None and path.is_file():
        return Calibration.model_validate(json.loads(path.read_text(encoding="utf-8")))
    watch = Watch(values, head, max_length=max_length)
    for _ in range(ATTEMPTS):
        calibration = watch.fit()
        shape = search(clock_of(calibration, str(values["model_type"]), head, max_length=max_length))
        measured = watch.time(shape)
        if measured <= SLACK * max_ms:
            break
    calibration = calibration.model_copy(update={"measured_ms": round(measured, 3)})
    if path is not None:
        write_json(path, calibration.model_dump())
    return calibration


def clock_of(calibration: Calibration, model_type: str, head: HeadConfig, *, max_length: int) -> Clock:
    """Return the function from a shape to the milliseconds of one snippet as long as the window."""

    def milliseconds(shape: StudentShape) -> float:
        parts = features(model_type, head, shape, max_length=max_length)
        return sum(w * x for w, x in zip(calibration.weights, parts, strict=True))

    return milliseconds
