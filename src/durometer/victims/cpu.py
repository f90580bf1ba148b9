"""What the processor can do: int8 and bf16 are fast only where it has instructions for them."""

from __future__ import annotations

import platform
from functools import cache

# What a capability is called, and the flags of the system that mean it.
CAPABILITIES = {
    "avx2": ("avx2",),
    "avx512": ("avx512f",),
    "vnni": ("avx512_vnni", "avx_vnni"),
    "bf16": ("avx512_bf16", "bf16"),
    "amx": ("amx_int8", "amx_tile"),
    "dotprod": ("asimddp",),
    "i8mm": ("i8mm",),
}


@cache
def cpu_capability() -> str:
    """Return the capabilities that decide a timing, as ``avx2 avx512 vnni``; the machine where none is known.

    Linux only: elsewhere, and where no flag is known, the machine's name (``x86_64``, ``arm64``).
    """
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = (line.partition(":") for line in file)
            flags = next((set(v.split()) for k, _, v in lines if k.strip() in ("flags", "Features")), set())
    except OSError:
        flags = set()
    found = [name for name, any_of in CAPABILITIES.items() if flags & set(any_of)]
    return " ".join(found) or platform.machine()
