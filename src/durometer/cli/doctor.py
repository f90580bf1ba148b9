"""``durometer doctor``: what this machine has, and whether its arithmetic repeats."""

from __future__ import annotations

import os
import platform
import shutil
from typing import Annotated, Any

import typer


def command(
    device: Annotated[str, typer.Option(help="Device to test: cpu, cuda, …")] = "cpu",
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this machine: versions, cores, memory, disk, compilers, numerics.

    Exits with 1 when the arithmetic of the device does not repeat: outcomes would then depend on batching.
    """
    from json import dumps

    from durometer.victims.numerics import numerics

    findings = {
        "versions": versions(),
        "machine": machine(),
        "compilers": compilers(),
        "numerics": numerics(device),
    }
    if json:
        print(dumps(findings, indent=1))
    else:
        for title, record in findings.items():
            print(title)
            for name, value in record.items():
                print(f"  {name:<24}{value}")
    if not findings["numerics"]["rows_repeat"]:
        raise typer.Exit(1)


def versions() -> dict[str, Any]:
    """Return the versions of what we stand on."""
    import durometer
    from durometer.study.provenance import package_versions

    return {"durometer": durometer.__version__, "python": platform.python_version()} | package_versions()


def machine() -> dict[str, Any]:
    """Return cores, memory and disk, as far as this process may use them."""
    from durometer.study.provenance import processor
    from durometer.study.sizing import memory_bytes

    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory_bytes() / 1e9, 1),
        "memory_available_gb": round(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "disk_free_gb": round(shutil.disk_usage(".").free / 1e9, 1),
    }


def compilers() -> dict[str, Any]:
    """Return the compilers that ``check`` can call as a second witness."""
    return {name: shutil.which(name) or "not found" for name in ("javac", "gcc", "cc", "node", "go")}
