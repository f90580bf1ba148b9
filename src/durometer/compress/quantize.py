"""Weight-only quantization of every matrix: linears, every kind of embedding, tied heads."""

from __future__ import annotations

from torch import nn

from durometer.errors import RefusedError
from durometer.victims.saved import SavedVictim
from durometer.victims.storage import PLAIN, SPARSE, Codec, bits, packed_bytes

INT4: dict[int, Codec] = {32: "int4_g32", 64: "int4_g64", 128: "int4_g128"}  # by size of a group


def quantize(victim: SavedVictim, codec: Codec) -> SavedVictim:
    """Return a copy whose matrices are what a load after a save will give (errors as in ``packing_for``)."""
    quantized = victim.copy()
    quantized.packing |= packing_for(victim, codec)
    quantized.settle()
    return quantized


def packing_for(victim: SavedVictim, codec: Codec) -> dict[str, Codec]:
    """Return how each matrix is stored once quantized, by the name that it has in the weights.

    By shape, not by module type: subclasses of Embedding, tied tables (once, under their first name) and
    layers of other libraries, GPT-2's Conv1D among them, are matrices too. Tables of embeddings take int8
    where the others take int4: a token has few weights, read by every input that holds it. Vectors (biases,
    norms) stay fp32: they are under 1 % of the weights.

    Raises:
        RefusedError: a matrix is already stored in a way that does not combine with ``codec``, or nothing
            would be smaller.

    """
    matrices = {name: weight for name, weight in victim.network.named_parameters() if weight.dim() == 2}
    tables = {id(m.weight) for m in victim.network.modules() if isinstance(m, nn.Embedding)}
    packing: dict[str, Codec] = {}
    for name, weight in matrices.items():
        wanted = "int8" if codec.startswith("int4") and id(weight) in tables else codec
        packing[name] = combined(victim.packing.get(name, "dense"), wanted, where=f"{victim.name}: {name}")
    before, after = (
        sum(packed_bytes(weight, stored.get(name, "dense")) for name, weight in matrices.items())
        for stored in (victim.packing, packing)
    )
    if after >= before:
        raise RefusedError(f"{codec} would not be smaller: {after} bytes, {before} before", where=victim.name)
    return packing


def combined(current: Codec, wanted: Codec, *, where: str) -> Codec:
    """Return how a matrix that is stored as ``current`` is stored once quantized: zeros stay sparse.

    Raises:
        RefusedError: it is already stored in fewer bits.

    """
    if bits(wanted) > bits(current):
        raise RefusedError(f"{wanted} after {PLAIN.get(current, current)} is not smaller", where=where)
    return SPARSE[wanted] if current in PLAIN else wanted
