"""``durometer attack``: one victim, one data file, one attack, no study file needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from durometer.attacks.campaign import Campaign


def command(
    victim: Annotated[
        str, typer.Option(help="A card (.yaml), a folder, a model id, or module:function of yours.")
    ],
    task: Annotated[str, typer.Option(help="clone, vulnerability or summarization.")],
    data: Annotated[str, typer.Option(help="FORMAT:PATH[#split], as in devign:test.jsonl.gz.")],
    out: Annotated[Path, typer.Option(help="Folder for outcomes; the same command again resumes.")],
    attack: Annotated[
        str, typer.Option(help="alert, beam, mhm, wir_random, union, restarts, whitebox.")
    ] = "alert",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A field of the attack, as in iterations=50. Repeatable."),
    ] = None,
    candidates: Annotated[Path | None, typer.Option(help="File of substitutes (ALERT's format).")] = None,
    masked_lm: Annotated[
        Path | None, typer.Option("--masked-lm", help="Fill-mask model folder that makes substitutes.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Attack the first N samples only.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 123456,
    max_queries: Annotated[int | None, typer.Option(min=1, help="Budget of one sample.")] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Budget of one sample; results then depend on the clock.")
    ] = None,
    rename_function_name: Annotated[
        bool, typer.Option("--rename-function-name", help="Offer the function's own name too.")
    ] = False,
    unchecked: Annotated[
        bool,
        typer.Option(
            "--unchecked", help="Query invalid programs too; to compare with published figures only."
        ),
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes; outcomes do not depend on it.")] = 1,
    width: Annotated[
        int, typer.Option(min=1, help="Samples in lockstep (GPU); outcomes do not depend on it.")
    ] = 1,
    hold_out_cwe: Annotated[
        str | None, typer.Option("--hold-out-cwe", help="Attack samples of this CWE alone, as in CWE-78.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, cuda:1, …; auto: a GPU where there is one.")
    ] = "cpu",
    allow_download: Annotated[bool, typer.Option(help="Fetch a hub id that is not cached.")] = False,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON object.")] = False,
) -> None:
    """Attack one victim on one data file, and prove every success.

    Writes outcomes.parquet (one row per sample) and summary.json into the folder. A sample whose victim
    or search fails is an error row and the others go on; the exit code is 1 if no sample could be attacked.
    """
    from json import dumps

    from durometer.attacks.campaign import Campaign
    from durometer.victims.device import resolved

    campaign = Campaign(
        victim=victim,
        task=task,
        data=data,
        attack={"kind": attack, **dict(_field(text) for text in set_ or ())},
        candidates=None if candidates is None else str(candidates),
        masked_lm=None if masked_lm is None else str(masked_lm),
        cache=str(out / "candidates"),
        seed=seed,
        limit=limit,
        max_queries=max_queries,
        max_seconds=max_seconds,
        rename_function_name=rename_function_name,
        unchecked=unchecked,
        device=resolved(device),
        width=width,
        hold_out_cwe=hold_out_cwe,
        allow_download=allow_download,
    )
    summary = _run(campaign, out, workers)
    if json:
        print(dumps(summary))
    else:
        _show(summary, out)
    if summary["error"] and not summary["attacked"]:
        raise typer.Exit(1)  # nothing was measured; why is on standard error


def _run(campaign: Campaign, out: Path, workers: int) -> dict[str, Any]:
    """Attack what is not finished yet, and say how far it is."""
    from durometer.cli._attack_line import LiveLine, complain_about_errors
    from durometer.cli._notes import say, tell
    from durometer.cli._progress import watched
    from durometer.study.campaign import CampaignRun

    run = CampaignRun(campaign, out)
    for doing in run.deaths():
        say(
            f"the run before died while victim {campaign.victim} was {doing}. "
            "If it was not killed from outside, the victim is the culprit; --workers 2 outlives it."
        )
    if run.missing:
        tell(campaign.notes)
        names = campaign.names(lambda samples: watched(samples, "counting names"))
        live = LiveLine(len(run.samples), run.rows)
        run.attack(workers, names, live.add)
        live.end()
    summary = run.finish()
    complain_about_errors(run.rows)
    return summary


def _field(text: str) -> tuple[str, Any]:
    import yaml

    from durometer.errors import InputError

    name, mark, value = text.partition("=")
    if not mark or not name:
        raise InputError(
            f"{text!r} sets nothing", where="--set", hint="Write FIELD=VALUE, as in iterations=50."
        )
    return name.strip(), yaml.safe_load(value)


def _show(summary: dict[str, Any], out: Path) -> None:
    percent = "–" if summary["asr"] is None else f"{100 * summary['asr']:.1f} %"
    print(f"{summary['success']} of {summary['attacked']} attacked samples broken (ASR {percent})")
    for name in ("skipped", "budget", "invalid", "error"):
        if summary[name]:
            print(f"{summary[name]} {name}")
    if summary["amq_attacked"] is not None:
        print(f"{summary['amq_attacked']:.1f} queries a sample, {summary['queries']} in all")
    print(f"outcomes: {out / 'outcomes.parquet'}")
