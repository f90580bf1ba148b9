"""A compressed victim's papers: what was done, to what, with which data, and a self-test that runs on load.

The folder is a victim's folder (``victim.json``, ``tokenizer.json``, ``weights.safetensors``, packed) plus
``recipe.json`` and ``self-test.safetensors``. Loading it needs the victims room only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from durometer.compress.base import Compression
from durometer.corpora.base import Corpus
from durometer.corpora.files import files_of, fingerprint
from durometer.types import Sample, content_hash
from durometer.victims.engine import FILES, EngineVictim
from durometer.victims.measure import nonzero_parameters, parameters, size_bytes
from durometer.victims.saved import SavedVictim
from durometer.victims.selftest import PROBES
from durometer.victims.storage import write_json

RECIPE, WORK = "recipe.json", "compress-checkpoints"
LIBRARIES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino", "nncf")}


def work_name(victim: SavedVictim, recipe: Sequence[Compression], data: Corpus | None, *, seed: int) -> str:
    """Return what names the checkpoints of a compression: a hash of all that decides its result.

    Options at their defaults and where files lie are left out, what the files hold is not: as in the name
    that a study gives a variant.

    Raises:
        InputError: a file that a step reads is not there.

    """
    steps = [
        {"kind": step.kind}
        | step.moved(lambda path: Path(path).name).model_dump(mode="json", exclude_defaults=True)
        for step in recipe
    ]
    files = [fingerprint(file) for step in recipe for path in step.files() for file in files_of(path)]
    hashed = "" if data is None else data.content_hash
    return content_hash(victim.content_hash, json.dumps(steps, sort_keys=True), *files, hashed, str(seed))


def record(
    victim: SavedVictim,
    *,
    parent: SavedVictim,
    recipe: Sequence[Compression],
    data: Corpus | None,
    seed: int,
) -> SavedVictim:
    """Write into the victim's notes what made it; returns the same victim."""
    engine = LIBRARIES[victim.spec.engine.library] if isinstance(victim, EngineVictim) else ()
    steps = [*parent.spec.notes.get("recipe", []), *(step.model_dump(mode="json") for step in recipe)]
    before = str(parent.spec.notes.get("recipe_words", ""))
    notes: dict[str, Any] = {
        "recipe": steps,
        "recipe_words": " + ".join(filter(None, [before, *(step.describe() for step in recipe)])),
        "simulated": bool(parent.spec.notes.get("simulated")) or any(step.simulated for step in recipe),
        "parent": parent.content_hash,
        "data": data.content_hash if data is not None else None,
        "seed": seed,
        "versions": {name: version(name) for name in ("torch", "transformers", "safetensors", *engine)},
    }
    if "search" in victim.spec.notes:  # how a step found the shape of its student
        notes["search"] = victim.spec.notes["search"]
    victim.spec = victim.spec.model_copy(update={"notes": notes})
    return victim


def save_artefact(victim: SavedVictim, folder: Path, probes: Sequence[Sample]) -> None:
    """Save the victim with ``recipe.json`` and a self-test over the first ``PROBES`` of ``probes``.

    An artefact that was there is replaced, another form's engine included.
    """
    summary = {
        **victim.spec.notes,
        "size_bytes": size_bytes(victim),
        "parameters": parameters(victim),
        "nonzero_parameters": nonzero_parameters(victim),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / RECIPE, summary)
    victim.save(folder, probes=probes)
    engines = [name for names in FILES.values() for name in names]
    for name in set(engines) - victim.files.keys():
        (folder / name).unlink(missing_ok=True)


def probes_of(corpus: Corpus | None, *, pair: bool) -> list[Sample]:
    """Return the samples of a self-test: of the data, or snippets of our own where there is none."""
    if corpus is not None:
        return list(corpus.splits.get("test") or next(iter(corpus.splits.values())))[:PROBES]
    codes = [f"int f{i}(int a) {{ return a * {i} + {i * i}; }}" for i in range(PROBES + 1)]
    return [
        Sample(id=str(i), code=codes[i], other=codes[i + 1] if pair else None, language="c")
        for i in range(PROBES)
    ]
