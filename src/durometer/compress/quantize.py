"""Weight-only quantization of every matrix: linears, every kind of embedding, the head."""

from __future__ import annotations

from typing import Literal

from durometer.errors import RefusedError
from durometer.victims.saved import SavedVictim
from durometer.victims.storage import Codec

# What a matrix already stored in one way becomes.
AFTER: dict[tuple[Codec, Literal["int8", "bf16"]], Codec] = {
    ("dense", "int8"): "int8",
    ("bf16", "int8"): "int8",
    ("int8", "int8"): "int8",
    ("sparse", "int8"): "sparse_int8",
    ("sparse_int8", "int8"): "sparse_int8",
    ("dense", "bf16"): "bf16",
    ("bf16", "bf16"): "bf16",
}


def quantize(victim: SavedVictim, codec: Literal["int8", "bf16"]) -> SavedVictim:
    """Return a copy whose matrices are what a load after a save will give.

    By shape, not by module type: subclasses of Embedding, tied tables and layers of other libraries are
    matrices too. Vectors (biases, norms) stay fp32: they are under 1 % of the weights.

    Raises:
        RefusedError: a matrix is already stored in a way that does not combine with ``codec``.

    """
    quantized = victim.copy()
    matrices = [name for name, weight in quantized.network.named_parameters() if weight.dim() == 2]
    for name in matrices:
        current = quantized.packing.get(name, "dense")
        after = AFTER.get((current, codec))
        if after is None:
            raise RefusedError(f"{codec} after {current} is not smaller", where=f"{victim.name}: {name}")
        quantized.packing[name] = after
    quantized.settle()
    return quantized
