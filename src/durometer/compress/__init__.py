"""Prune, quantize, distill: configuration to artefact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from durometer.compress.base import COMPRESSIONS, Compression, parse_compression
from durometer.compress.engine_configs import EngineExport
from durometer.corpora.base import Corpus
from durometer.errors import RefusedError
from durometer.rng import derived_seed

if TYPE_CHECKING:
    from durometer.victims.loop import Progress
    from durometer.victims.saved import SavedVictim

__all__ = ["COMPRESSIONS", "Compression", "compress", "parse_compression"]


def compress(
    victim: SavedVictim,
    recipe: Sequence[Compression],
    data: Corpus | None,
    *,
    seed: int,
    progress: Progress | None = None,
    work: Path | None = None,
) -> SavedVictim:
    """Apply the steps of ``recipe`` in order and return a new victim, ready to be saved.

    ``data`` is the task's corpus; steps that train use its ``train`` and ``valid`` splits.
    ``work`` is a folder for checkpoints: a killed run that is started again with the same arguments ends
    with the same weights.

    Raises:
        RefusedError: a step cannot be applied to this victim.
        InputError: a step needs data and there is none.

    """
    from durometer.compress.artefact import record
    from durometer.victims.loop import silent

    _refuse_early(victim, recipe)
    result = victim
    for position, step in enumerate(recipe):
        step_seed = derived_seed(seed, "compress", str(position), step.kind)
        folder = work / f"{position}-{step.kind}" if work else None
        result = step.apply(result, data, seed=step_seed, progress=progress or silent, work=folder)
    return record(result, parent=victim, recipe=recipe, data=data, seed=seed)


def _refuse_early(victim: SavedVictim, recipe: Sequence[Compression]) -> None:
    """Refuse an export that cannot be, or a step after one, before any other has trained for hours."""
    compiled = getattr(victim.spec, "kind", "") == "engine"
    for position, step in enumerate(recipe):
        if compiled:
            first = recipe[position - 1].kind if position else "an export"
            raise RefusedError(
                f"step {position + 1}, {step.kind}, cannot follow {first}: an engine's weights are compiled",
                where=victim.name,
                hint=f"Export last, as in [{step.kind}, {first if position else 'onnx_int8'}].",
            )
        compiled = isinstance(step, EngineExport)
        if isinstance(step, EngineExport):
            from durometer.compress.engine import refuse_export

            refuse_export(victim, step)
