"""Average code similarity of a run (ACS): how alike its proven examples are to their originals, to a model.

Asked for, because it runs a model, which a report otherwise never does. The cosines are kept in the run
folder as ``similarity.parquet``, one row per proven success; later reports of the run show them. With ``OWN``
each victim's uncompressed form reads the programs of all its variants, so that they are measured alike; a
folder names one model for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from durometer.report.files import write_bytes
from durometer.report.records import Record
from durometer.stats.frame import CELL_COLUMNS
from durometer.stats.measures import BROKEN
from durometer.stats.reference import Encode, code_similarities
from durometer.study.artefacts import Artefacts
from durometer.study.cells import read_outcomes
from durometer.study.make import load_victim, task_of
from durometer.study.parts import parquet_bytes
from durometer.study.plan import Node
from durometer.study.store import load_plan

FILE, OWN, COLUMN = "similarity.parquet", "own", "similarity"
KEY = (*CELL_COLUMNS, "sample_id")
SCHEMA: dict[str, pl.DataType] = {
    **{name: pl.Int64() if name == "seed" else pl.String() for name in KEY},
    COLUMN: pl.Float64(),
    "encoder": pl.String(),
    "fingerprint": pl.String(),
}
HINT = "not computed; `durometer report RUN --encoder own` adds it"


def measure_similarity(run: Path, encoder: str) -> pl.DataFrame:
    """Let ``encoder`` (a model folder, or ``OWN``) read every proven example of a run; write and return.

    Raises:
        InputError: not a run folder, or no model to read.

    """
    from durometer.victims.similarity import encoder_of, load_encoder

    plan, artefacts = load_plan(run), Artefacts(run)
    frames = [pl.DataFrame(schema=SCHEMA)]
    common = None if encoder == OWN else load_encoder(encoder)
    for (task, victim), cells in _by_victim(plan.cells, artefacts).items():
        reader = common
        if reader is None:
            loaded = load_victim(artefacts.path(_original(cells, plan.nodes)), task_of(task), "cpu")
            if not hasattr(loaded, "network"):  # a victim of the user's own: nothing to look into
                continue
            reader = encoder_of(loaded)
        name = f"{victim}, uncompressed" if common is None else reader.name
        frames.append(similarities(read_outcomes(artefacts, cells), reader.vectors, name, reader.fingerprint))
    frame = pl.concat(frames)
    write_bytes(run / FILE, parquet_bytes(frame))
    return frame


def similarities(outcomes: pl.DataFrame, encode: Encode, name: str, fingerprint: str) -> pl.DataFrame:
    """Return the cosine of every proven example with its original, in ``SCHEMA``."""
    rows = outcomes.filter(BROKEN)
    cosines = [
        float(code_similarities([original], [adversarial], encode)[0])
        for original, adversarial in rows.select("original_code", "adversarial_code").iter_rows()
    ]
    found = rows.select(KEY).with_columns(
        pl.Series(COLUMN, cosines, dtype=pl.Float64),
        encoder=pl.lit(name),
        fingerprint=pl.lit(fingerprint),
    )
    return found.select(list(SCHEMA))


def read_similarity(run: Path) -> pl.DataFrame | None:
    """Return what ``measure_similarity`` has written into ``run``, if it was ever asked."""
    path = run / FILE
    return pl.read_parquet(path) if path.exists() else None


def with_similarity(outcomes: pl.DataFrame, found: pl.DataFrame | None) -> pl.DataFrame:
    """Return ``outcomes`` with the column that ACS averages."""
    if found is None:
        return outcomes
    return outcomes.join(found.select(*KEY, COLUMN), on=KEY, how="left", maintain_order="left")


def similarity_record(found: pl.DataFrame | None) -> Record:
    """Return which models ACS rests on, or why there is none, for results.json."""
    if found is None or found.height == 0:
        return {"encoders": [], "reason": HINT if found is None else "no proven example to read"}
    models = found.select("encoder", "fingerprint").unique().sort("encoder").rows(named=True)
    return {"encoders": models, "reason": None}


def _by_victim(cells: Iterable[Node], artefacts: Artefacts) -> dict[tuple[str, str], list[Node]]:
    groups: dict[tuple[str, str], list[Node]] = {}
    for node in cells:
        if artefacts.has(node):
            groups.setdefault((node.cell.task, node.cell.victim), []).append(node)
    return groups


def _original(cells: list[Node], nodes: Mapping[str, Node]) -> str:
    """Return the artefact of the uncompressed victim that these cells attack in some form."""
    model = nodes[cells[0].inputs["model"]]
    return model.inputs.get("victim", model.name)
