"""Weights on disk: one safetensors file whose tensors may be packed; expanded to fp32 when loaded.

A packed tensor is smaller on disk and has the same size and speed as before in memory: eager weight-only
arithmetic was never faster than fp32 in any library measured, so nothing is lost by expanding once, and
the loaded network has real gradients, rows that do not depend on each other, and needs none of the code that
packed it. How each tensor is packed stands in the file's header (``packing``), so the file describes itself.

Codecs: ``dense`` (fp32); ``bf16``; ``int8`` (symmetric, one scale for each row of a matrix); ``int4_g64``
(symmetric, two values in a byte, one bf16 scale for every 64 entries of a row; 32 and 128 too); each also
``sparse``: one bit an entry, and the values of those that are not zero. A bit an entry beats 32-bit column
indices (CSR) until 97 % of the entries are zero.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from durometer.durable import write_atomically
from durometer.errors import InputError

Codec = Literal[
    "dense",
    "bf16",
    "int8",
    "int4_g32",
    "int4_g64",
    "int4_g128",
    "sparse",
    "sparse_bf16",
    "sparse_int8",
    "sparse_int4_g32",
    "sparse_int4_g64",
    "sparse_int4_g128",
]
SPARSE: dict[Codec, Codec] = {  # the sparse form of each codec, its own where it is sparse
    "dense": "sparse",
    "bf16": "sparse_bf16",
    "int8": "sparse_int8",
    "int4_g32": "sparse_int4_g32",
    "int4_g64": "sparse_int4_g64",
    "int4_g128": "sparse_int4_g128",
}
SPARSE |= {codec: codec for codec in SPARSE.values()}
PLAIN: dict[Codec, Codec] = {sparse: codec for codec, sparse in SPARSE.items() if codec != sparse}


def bits(codec: Codec) -> int:
    """Return the bits of one stored value."""
    plain = PLAIN.get(codec, codec)
    return {"dense": 32, "bf16": 16, "int8": 8}.get(plain, 4)


def quantize_rows(weight: Tensor, codec: Codec = "int8") -> tuple[Tensor, Tensor]:
    """Return (values in int8 [rows, columns], scales [rows, groups]) of a matrix; zeros stay zero.

    A scale is fp32 for int8, bf16 for int4. Quantizing what was quantized changes nothing.
    """
    assert weight.dim() == 2, f"{codec} is for matrices, not for shape {tuple(weight.shape)}"
    rows, columns = weight.shape
    group, limit = _group(codec, columns), 2 ** (bits(codec) - 1) - 1
    blocks = functional.pad(weight.float(), (0, -columns % group)).reshape(rows, -1, group)
    scale = blocks.abs().amax(dim=2) / limit
    if bits(codec) == 4:
        scale = scale.to(torch.bfloat16).float()
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    values = torch.clamp(torch.round(blocks / scale[:, :, None]), -limit, limit).to(torch.int8)
    return values.reshape(rows, -1)[:, :columns], scale.to(torch.bfloat16) if bits(codec) == 4 else scale


def _group(codec: Codec, columns: int) -> int:
    return int(codec.rpartition("_g")[2]) if bits(codec) == 4 else columns


def _halves(values: Tensor) -> Tensor:
    """Return int4 values two in a byte, the first in the low half."""
    shifted = functional.pad((values.reshape(-1) + 8).to(torch.uint8), (0, values.numel() % 2))
    return shifted[::2] | (shifted[1::2] << 4)


def _whole(halves: Tensor, count: int) -> Tensor:
    return torch.stack([halves & 15, halves >> 4], dim=1).reshape(-1)[:count].to(torch.int8) - 8


def _key(name: str, codec: Codec) -> str:
    """Return what the stored values of a packed tensor are called."""
    if codec in PLAIN:
        return f"{name}.values"
    return f"{name}.int{bits(codec)}" if bits(codec) <= 8 else name


def pack(name: str, tensor: Tensor, codec: Codec) -> dict[str, Tensor]:
    """Return the stored tensors of one packed tensor."""
    tensor = tensor.detach().cpu().contiguous()
    stored: dict[str, Tensor] = {}
    values, plain = tensor, PLAIN.get(codec, codec)
    if bits(codec) <= 8:
        values, stored[f"{name}.scale"] = quantize_rows(tensor, plain)
    elif plain == "bf16":
        values = tensor.to(torch.bfloat16)
    if codec in PLAIN:
        mask = tensor != 0
        stored[f"{name}.mask"] = torch.from_numpy(np.packbits(mask.numpy().reshape(-1)))
        values = values[mask]
    stored[_key(name, codec)] = (_halves(values) if bits(codec) == 4 else values).contiguous()
    return stored


def unpack(name: str, stored: Mapping[str, Tensor], codec: Codec, shape: tuple[int, ...]) -> Tensor:
    """Return the fp32 tensor that ``pack`` stored."""
    count = int(np.prod(shape))
    values = stored[_key(name, codec)]
    if codec in PLAIN:
        mask = torch.from_numpy(np.unpackbits(stored[f"{name}.mask"].numpy(), count=count).astype(bool))
        if bits(codec) == 4:
            values = _whole(values, int(mask.sum()))
        dense = torch.zeros(count)
        dense[mask] = values.float()
    else:
        dense = (_whole(values, count) if bits(codec) == 4 else values).float()
    dense = dense.reshape(shape)
    return dense if bits(codec) > 8 else expanded(dense, stored[f"{name}.scale"], codec)


def expanded(values: Tensor, scale: Tensor, codec: Codec) -> Tensor:
    """Return the fp32 matrix of ``quantize_rows``' values [rows, columns] and scales [rows, groups]."""
    columns = values.shape[1]
    return values.float() * scale.float().repeat_interleave(_group(codec, columns), dim=1)[:, :columns]


def packed_bytes(tensor: Tensor, codec: Codec) -> int:
    """Return the bytes that a tensor takes in the file, names aside, without packing it."""
    count, sparse = tensor.numel(), codec in PLAIN
    values = int((tensor != 0).sum()) if sparse else count
    total = -(-values * bits(codec) // 8) + (-(-count // 8) if sparse else 0)
    if bits(codec) > 8:
        return total
    rows, columns = tensor.shape
    return total + rows * (4 if bits(codec) == 8 else 2 * -(-columns // _group(codec, columns)))


def roundtrip(tensor: Tensor, codec: Codec) -> Tensor:
    """Return what a load after a save will give: what a compressed network must compute with."""
    if codec == "dense":
        return tensor.detach()
    return unpack("t", pack("t", tensor, codec), codec, tuple(tensor.shape))


def weights_bytes(weights: Mapping[str, Tensor], packing: Mapping[str, Codec]) -> bytes:
    """Return the content of the weights file; tensors that ``packing`` does not name are stored dense."""
    stored: dict[str, Tensor] = {}
    header: dict[str, dict[str, object]] = {}
    for name, tensor in weights.items():
        codec = packing.get(name, "dense")
        stored |= pack(name, tensor, codec)
        header[name] = {"codec": codec, "shape": list(tensor.shape)}
    return bytes(save(stored, metadata={"packing": json.dumps(header)}))


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Codec]]:
    """Return (fp32 tensors by name, codec of each tensor that is not dense).

    Raises:
        InputError: the file is missing, torn, or not safetensors.

    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("packing", "null"))
            stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise InputError("no such weights file", where=str(path)) from error
    except Exception as error:
        raise InputError(f"not a readable safetensors file ({error})", where=str(path)) from error
    if header is None:
        return {key: value.float() for key, value in stored.items()}, {}
    try:
        weights = {
            name: unpack(name, stored, entry["codec"], tuple(entry["shape"]))
            for name, entry in header.items()
        }
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"the header says what is not there ({error})", where=str(path)) from error
    return weights, {name: entry["codec"] for name, entry in header.items() if entry["codec"] != "dense"}


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON with sorted keys, atomically."""
    write_atomically(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())
