"""``durometer doctor``: what this machine has, and whether its arithmetic repeats."""

from __future__ import annotations

import os
import platform
import shutil
from typing import Annotated, Any

import typer

LENGTHS = (7, 40, 128)
NEIGHBOURS = (1, 8, 32)


def command(
    device: Annotated[str, typer.Option(help="Device to test: cpu, cuda, …")] = "cpu",
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this machine: versions, cores, memory, disk, compilers, numerics.

    Exits with 1 when the arithmetic of the device does not repeat: outcomes would then depend on batching.
    """
    from json import dumps

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

    page = os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * page / 1e9, 1),
        "memory_available_gb": round(os.sysconf("SC_AVPHYS_PAGES") * page / 1e9, 1),
        "disk_free_gb": round(shutil.disk_usage(".").free / 1e9, 1),
    }


def compilers() -> dict[str, Any]:
    """Return the compilers that ``check`` can call as a second witness."""
    return {name: shutil.which(name) or "not found" for name in ("javac", "gcc", "cc", "node", "go")}


def numerics(device: str) -> dict[str, Any]:
    """Return whether a row's answer depends on its neighbours, in the canonical shapes of ``device``."""
    import torch

    from durometer.errors import InputError
    from durometer.victims.shapes import default_shapes

    torch.set_num_threads(1)
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(str(error).partition("\n")[0], where=f"--device {device}") from None
    victim = _victim(device)
    alone = [victim.predict([sample])[0] for sample in _samples(max(NEIGHBOURS))]
    victim.forget()
    different = 0
    for count in NEIGHBOURS:
        together = victim.predict(_samples(max(NEIGHBOURS))[:count])
        different += sum(a != b for a, b in zip(together, alone, strict=False))
        victim.forget()
    return {
        "device": device,
        "shapes": str(default_shapes(device)),
        "rows_repeat": different == 0,
        "rows_different": different,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "not found",
        "fingerprint": victim.traits.fingerprint,
    }


def _samples(count: int) -> list[Any]:
    from durometer.types import Sample

    words = ("alpha", "beta", "gamma", "delta")
    return [
        Sample(
            str(i),
            " ".join(
                words[(i + j) % len(words)] + str(j % (i + 2)) for j in range(LENGTHS[i % len(LENGTHS)])
            ),
            "python",
            label=0,
        )
        for i in range(count)
    ]


def _victim(device: str) -> Any:
    """Return an encoder with random weights: what it computes does not matter, only that it repeats."""
    import torch

    from durometer.victims.encoder import EncoderNetwork, encoder_config
    from durometer.victims.huggingface import EncoderSpec, EncoderVictim
    from durometer.victims.presets import EncoderPreset
    from durometer.victims.text import Framing
    from durometer.victims.tokenizer import train_tokenizer

    shape = EncoderPreset()
    tokenizer = train_tokenizer([s.code for s in _samples(max(NEIGHBOURS))], vocabulary=300)
    encoder = shape.encoder(tokenizer.get_vocab_size())
    head = shape.head(pair=False, classes=2)
    torch.manual_seed(0)
    network = EncoderNetwork(encoder_config(encoder), head)
    framing = Framing(max_length=shape.max_length)
    spec = EncoderSpec(encoder=encoder, head=head, framing=framing)
    return EncoderVictim(network, tokenizer, spec, device=device)
