"""Weights on disk: one safetensors file whose tensors may be packed; expanded to fp32 when loaded.

A packed tensor is smaller on disk and has the same size and speed as before in memory: eager weight-only
arithmetic was never faster than fp32 in any library measured, so nothing is lost by expanding once, and
the loaded network has real gradients, rows that do not depend on each other, and needs none of the code that
packed it. How each tensor is packed stands in the file's header (``packing``), so the file describes itself.

Codecs: ``dense``; ``bf16``; ``int8`` (symmetric, one scale for each row of a matrix); ``sparse`` (one bit an
entry and the non-zero values); ``sparse_int8`` (both).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from durometer.errors import InputError, StoreError

Codec = Literal["dense", "bf16", "int8", "sparse", "sparse_int8"]


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return (int8 values, fp32 scales [rows, 1]) of a matrix; zeros stay zero."""
    assert weight.dim() == 2, f"int8 is for matrices, not for shape {tuple(weight.shape)}"
    scale = weight.abs().amax(dim=1, keepdim=True).float() / 127
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return torch.clamp(torch.round(weight / scale), -127, 127).to(torch.int8), scale


def pack(name: str, tensor: Tensor, codec: Codec) -> dict[str, Tensor]:
    """Return the stored tensors of one packed tensor."""
    tensor = tensor.detach().cpu().contiguous()
    if codec == "dense":
        return {name: tensor}
    if codec == "bf16":
        return {name: tensor.to(torch.bfloat16)}
    if codec == "int8":
        values, scale = quantize_rows(tensor)
        return {f"{name}.int8": values, f"{name}.scale": scale}
    mask = tensor != 0
    bits = torch.from_numpy(np.packbits(mask.numpy().reshape(-1)))
    if codec == "sparse":
        return {f"{name}.mask": bits, f"{name}.values": tensor[mask]}
    values, scale = quantize_rows(tensor)
    return {f"{name}.mask": bits, f"{name}.values": values[mask], f"{name}.scale": scale}


def unpack(name: str, stored: Mapping[str, Tensor], codec: Codec, shape: tuple[int, ...]) -> Tensor:
    """Return the fp32 tensor that ``pack`` stored."""
    if codec in ("dense", "bf16"):
        return stored[name].float()
    if codec == "int8":
        return stored[f"{name}.int8"].float() * stored[f"{name}.scale"]
    count = int(np.prod(shape))
    mask = torch.from_numpy(np.unpackbits(stored[f"{name}.mask"].numpy(), count=count).astype(bool)).reshape(
        shape
    )
    dense = torch.zeros(shape)
    dense[mask] = stored[f"{name}.values"].float()
    return dense if codec == "sparse" else dense * stored[f"{name}.scale"]


def roundtrip(tensor: Tensor, codec: Codec) -> Tensor:
    """Return what a load after a save will give: what a compressed network must compute with."""
    return unpack("t", pack("t", tensor, codec), codec, tuple(tensor.shape))


def write_weights(path: Path, weights: Mapping[str, Tensor], packing: Mapping[str, Codec]) -> None:
    """Write the file atomically; tensors that ``packing`` does not name are stored dense."""
    write_bytes(path, weights_bytes(weights, packing))


def weights_bytes(weights: Mapping[str, Tensor], packing: Mapping[str, Codec]) -> bytes:
    """Return the content of the weights file."""
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
    weights = {
        name: unpack(name, stored, entry["codec"], tuple(entry["shape"])) for name, entry in header.items()
    }
    return weights, {name: entry["codec"] for name, entry in header.items() if entry["codec"] != "dense"}


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that it is either the old one or the complete new one, whatever happens.

    Raises:
        StoreError: the disk is full or the folder is not writable.

    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise StoreError(f"cannot write ({error.strerror})", where=str(path)) from error


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON with sorted keys, atomically."""
    write_bytes(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())
