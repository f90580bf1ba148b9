"""A self-test that travels with the weights: digests of files, saved inputs and their logits.

The logits find another tokenizer, library or machine. A flipped bit of one weight moves none of them by the
tolerance that other machines need, so the SHA-256 of each file stands there too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from durometer.durable import write_atomically
from durometer.errors import InputError, VictimError
from durometer.types import Sample

if TYPE_CHECKING:
    from durometer.victims.saved import SavedVictim

SELF_TEST = "self-test.safetensors"
ABOUT = "about"  # its metadata: samples and digests, as JSON
PROBES = 32  # samples of a self-test
TOLERANCE = 1e-3  # on logits: other kernels move them by about 1e-6, a wrong weight by much more


def write_self_test(
    victim: SavedVictim, samples: Sequence[Sample], path: Path, files: Mapping[str, bytes]
) -> None:
    """Save the logits of the first 32 samples beside their text, and the digests of ``files`` by name."""
    chosen = list(samples[:PROBES])
    about = {
        "samples": [[s.id, s.code, s.other, s.language] for s in chosen],
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    # One entry: safetensors writes several in another order each time, and saved victims repeat to the byte.
    metadata = {ABOUT: json.dumps(about)}
    write_atomically(path, save({"logits": victim.logits(chosen)}, metadata=metadata))


def read_self_test(path: Path) -> tuple[list[Sample], Tensor, dict[str, str]]:
    """Return samples, their logits, and the SHA-256 of files beside by name (none in older self-tests).

    Raises:
        InputError: the file cannot be read.

    """
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: json.loads(text) for name, text in file.metadata().items()}
            expected = file.get_tensor("logits")
        about = found.get(ABOUT, found)  # older ones have samples and files apart
        samples = [
            Sample(id=i, code=code, other=other, language=lang) for i, code, other, lang in about["samples"]
        ]
        digests = dict(about.get("files", {}))
    except (SafetensorError, AttributeError, LookupError, TypeError, ValueError, OSError) as error:
        raise InputError(f"not a self-test ({error})", where=str(path)) from error
    return samples, expected, digests


def check_files(path: Path) -> None:
    """Compare the files beside the self-test at ``path`` with those that it was saved with.

    Raises:
        VictimError: a file is another one.
        InputError: the self-test cannot be read, or a file is missing.

    """
    for name, digest in read_self_test(path)[2].items():
        beside = path.with_name(name)
        try:
            with beside.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", where=str(beside)) from error
        if found != digest:
            raise VictimError(
                "this is not the file that was saved: its SHA-256 is not that of the self-test",
                where=str(beside),
                hint="It is damaged, or its folder was not written to the end: copy or make it again.",
            )


def run_self_test(victim: SavedVictim, path: Path) -> float:
    """Compare the victim's logits with the saved ones and return the largest difference.

    Raises:
        VictimError: a logit differs by more than the victim's tolerance.
        InputError: the file cannot be read.

    """
    samples, expected, _ = read_self_test(path)
    actual = victim.logits(samples)
    victim.forget()
    if not samples:
        return 0.0
    difference = float((actual - expected).abs().max())
    if not difference <= victim.self_test_tolerance(expected) or not bool(torch.isfinite(actual).all()):
        raise VictimError(
            f"the self-test saved with these weights fails: logits differ by {difference:.3g}",
            where=str(path),
            hint="Weights, tokenizer or this machine's arithmetic are not those of the saved model.",
        )
    return difference
