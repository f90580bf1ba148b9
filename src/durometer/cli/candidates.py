"""``durometer candidates``: the substitute names that a masked language model offers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from durometer.attacks.candidate_files import Candidates, Source
    from durometer.types import Sample


def command(
    data: Annotated[str, typer.Argument(help="FORMAT:PATH[#split].", show_default=False)],
    model: Annotated[Path, typer.Option(help="Folder of a fill-mask model (transformers, safetensors).")],
    out: Annotated[Path, typer.Option(help="File to write: .jsonl or .jsonl.gz.")],
    task: Annotated[str, typer.Option(help="How rows become samples.")] = "clone",
    limit: Annotated[int | None, typer.Option(min=1, help="The first N samples only.")] = None,
    occurrences: Annotated[
        int | None, typer.Option(min=1, help="Look at the first N occurrences of a name only (faster).")
    ] = None,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, cuda:1, …; auto: a GPU where there is one.")
    ] = "cpu",
) -> None:
    """Write a file of substitutes, one row per distinct snippet, for ``durometer attack --candidates``.

    The file is complete or absent; the same data and model give the same bytes. Until it is complete, what is
    done is kept in OUT.unfinished, where the same command goes on.
    """
    import shutil

    from durometer.attacks.campaign import Campaign
    from durometer.attacks.candidate_files import cached, write_rows
    from durometer.attacks.candidates import MaskedLM, SubstituteConfig
    from durometer.cli._notes import say
    from durometer.durable import explained
    from durometer.victims.device import resolved

    device = resolved(device)
    campaign = Campaign(victim="", task=task, data=data, attack={"kind": "alert"}, limit=limit)
    samples = list({sample.snippet_id: sample for sample in campaign.samples}.values())
    source = MaskedLM.load(model, device=device, config=SubstituteConfig(occurrences_per_name=occurrences))
    unfinished = out.with_name(f"{out.name}.unfinished")
    look_up = cached(source.substitutes, unfinished, source.fingerprint)
    with explained(out):
        count = write_rows(out, _rows(look_up, samples))
        shutil.rmtree(unfinished, ignore_errors=True)
    say(f"{count} snippets, {source.forwards} model rows, written to {out}")


def _rows(look_up: Source, samples: list[Sample]) -> Iterator[tuple[str, Candidates]]:
    from durometer.cli._progress import watched
    from durometer.code import parse

    for sample in watched(samples, "candidates"):
        yield sample.snippet_id, look_up(parse(sample.code, sample.language))
