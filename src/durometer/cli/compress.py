"""``durometer compress``: prune, quantize or distill a victim, one step or several in order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from durometer.errors import ConfigurationError

SECONDS = 20.0  # for timing single answers


def command(
    victim: Annotated[str, typer.Option(help="A victim card (.yaml), a folder, or a hub id.")],
    method: Annotated[
        list[str],
        typer.Option(
            help="KIND, KIND:field=value,field=value or words, prune(heads: 0.5); repeat it to combine steps."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the artefact.")],
    data: Annotated[
        str | None, typer.Option(help="FORMAT:PATH with train and valid splits, for steps that train.")
    ] = None,
    target_size: Annotated[
        str | None, typer.Option(help="Budget of distill's student, as 3MB: its shape is searched.")
    ] = None,
    target_latency_ms: Annotated[
        float | None, typer.Option(help="Budget of its milliseconds, by a calibration on this machine.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides the order of training samples.")] = 123456,
    threads: Annotated[int | None, typer.Option(min=1, help="Torch threads; all cores by default.")] = None,
    device: Annotated[
        str, typer.Option(help="Where steps train: cpu, cuda, cuda:1, …; auto: a GPU where there is one.")
    ] = "auto",
    allow_download: Annotated[bool, typer.Option(help="Fetch a hub id that is not cached.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Write a smaller victim that loads like any other, with a self-test that runs whenever it does.

    Steps that train leave checkpoints in the folder until the artefact is complete: the same command, given
    again after any interruption, goes on from there and ends with the same bytes. Engines run, and figures
    are measured, on the CPU.
    """
    import os
    from json import dumps

    import torch

    from durometer.cli._notes import tell
    from durometer.cli._training import TrainingProgress, workplace
    from durometer.compress import compress, parse_compression
    from durometer.compress.artefact import WORK, probes_of, save_artefact, work_name
    from durometer.corpora.spec import parse_spec
    from durometer.victims.device import resolved
    from durometer.victims.efficiency import efficiency
    from durometer.victims.load import load_victim, task_of

    steps = [parse_method(text) for text in method]
    for name, value in (("target_size", target_size), ("target_latency_ms", target_latency_ms)):
        budget(steps, name, value)
    recipe = [parse_compression(step, where="--method") for step in steps]
    if out.exists() and Path(victim).exists() and out.samefile(victim):
        raise ConfigurationError("the artefact would overwrite the victim", where=f"--out {out}")
    refuse_foreign(out)
    torch.set_num_threads(threads or os.cpu_count() or 1)
    device = resolved(device)
    original = load_victim(victim, allow_download=allow_download, device=device)
    spec = parse_spec(data) if data else None
    corpus = spec.read(task_of(original), allow_download=allow_download) if spec else None
    tell(corpus.notes if corpus else {})
    probes = probes_of(corpus, pair=task_of(original) == "clone")
    name = work_name(original, recipe, corpus, seed=seed)
    with workplace(out / WORK) as work, TrainingProgress() as progress:
        smaller = compress(original, recipe, corpus, seed=seed, progress=progress, work=work / name)
        save_artefact(smaller, out, probes)
    if device != "cpu":
        original, smaller = load_victim(victim, allow_download=allow_download), load_victim(out)
    forms = {"original": original, "compressed": smaller}
    costs = efficiency(forms, probes, original="original", rounds=2, seconds=SECONDS)["compressed"]
    numbers: dict[str, Any] = {
        "recipe": smaller.spec.notes["recipe_words"],
        "artefact": smaller.content_hash,
        "size_ratio": costs["ratios"]["size_bytes"],
        **costs,
    }
    if json:
        print(dumps(numbers))
    else:
        _show(numbers, out)


def _show(numbers: dict[str, Any], out: Path) -> None:
    from durometer.cli.ls import filled

    typer.echo(str(out))
    ratios = numbers.pop("ratios")
    for key, value in numbers.items():
        shown = "–" if value is None else str(value)
        if isinstance(value, float):
            shown = f"{value:.4g}" if value < 1000 else f"{value:.0f}"
        ratio = f"  {ratios[key]:.3f} of the original" if ratios.get(key) is not None else ""
        typer.echo(filled(f"  {key:32} ", f"{shown}{ratio}", 35))


def refuse_foreign(out: Path) -> None:
    """Let an artefact go where nothing is, or where another one is, whole or half made.

    Raises:
        ConfigurationError: ``out`` is a file, or a folder that holds something else.

    """
    from durometer.compress.artefact import RECIPE, WORK
    from durometer.study.artefacts import META

    where = f"--out {out}"
    if not out.is_dir():
        if out.exists():
            raise ConfigurationError("this is a file", where=where, hint="Name a folder.")
        return
    held = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    if META in held:
        what = "this folder is part of a study's run, which would no longer fit together"
        raise ConfigurationError(what, where=where, hint="Name another folder.")
    if held and RECIPE not in held and held != [WORK]:
        shown = ", ".join(held[:3]) + (", …" if len(held) > 3 else "")
        raise ConfigurationError(
            f"this folder holds no artefact but something else ({shown})",
            where=where,
            hint="Name a new or empty folder, or an artefact's (it has a recipe.json), which is replaced.",
        )


def parse_method(text: str) -> dict[str, Any]:
    """Return the fields of ``KIND:field=value,…`` (values are YAML scalars), or of a step in words.

    Raises:
        ConfigurationError: a part is not ``field=value``, or words that are not known.

    """
    from durometer.compress.spelling import is_spelled, spelled

    if is_spelled(text):
        return spelled(text)
    kind, _, rest = text.partition(":")
    fields: dict[str, Any] = {"kind": kind}
    for part in filter(None, rest.split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigurationError(f"{part!r} is not field=value", where=f"--method {text}")
        fields[name.strip()] = yaml.safe_load(value)
    return fields


def budget(steps: list[dict[str, Any]], name: str, value: object) -> None:
    """Give every student among the steps a budget, where there is one.

    Raises:
        ConfigurationError: no step has a student.

    """
    students = [step for step in steps if step["kind"] == "distill"]
    if value is not None and not students:
        where = f"--{name.replace('_', '-')}"
        raise ConfigurationError("only distill has a student", where=where, hint="Add --method distill.")
    for step in students if value is not None else ():
        step[name] = value
