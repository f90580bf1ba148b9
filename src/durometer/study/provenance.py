"""Where a run was made: enough to say why two runs differ."""

from __future__ import annotations

import os
import platform
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata

import durometer
from durometer.study.config import MachineOptions, StudyConfig
from durometer.study.sizing import memory_bytes
from durometer.victims.cpu import cpu_capability

PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "tree-sitter",
    "numpy",
    "scipy",
    "scikit-learn",
    "polars",
    "rapidfuzz",
    "pydantic",
)


def environment(config: StudyConfig, machine: MachineOptions, command: str) -> dict[str, object]:
    """Return versions, machine, seeds and command; the numerics fingerprint stands in every outcome row."""
    return {
        "durometer": durometer.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": package_versions(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": processor(),
        "cpu_capability": cpu_capability(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": memory_bytes(),
        "host": socket.gethostname(),
        "backend": machine.backend,
        "device": machine.device,
        "seeds": list(config.seeds),
        "study_hash": config.hash,
        "command": command or " ".join(sys.argv),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def package_versions() -> dict[str, str | None]:
    """Return the versions of the packages that can change a result; None for one that is missing."""
    return {name: _version(name) for name in PACKAGES}


def processor() -> str:
    """Return the processor's name as the system gives it."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
