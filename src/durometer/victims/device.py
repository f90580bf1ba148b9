"""Where to compute: a name from the command line, resolved against this machine."""

from __future__ import annotations

import torch

from durometer.errors import InputError


def resolved(device: str) -> str:
    """Return ``device``; for ``auto``, ``cuda`` where there is a GPU, else ``cpu``.

    Raises:
        InputError: torch knows no such device, or this machine has none.

    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise InputError(str(error).partition("\n")[0], where=f"--device {device}") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "this machine has no GPU that torch can use", where=f"--device {device}", hint="Use cpu."
        )
    return device
