"""``durometer check``: audit adversarial examples that anybody made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from durometer.code.witness import Witness
    from durometer.corpora.adversarial import ExampleFile
    from durometer.report.audit_tables import AuditedFile
    from durometer.victims.similarity import CodeEncoder


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="CSV of ALERT or BeamAttack, JSON lines, or Parquet; gzip too.", show_default=False
        ),
    ],
    language: Annotated[
        str | None, typer.Option(help="java, c, python, …; by default the file or its code tells.")
    ] = None,
    original: Annotated[str | None, typer.Option(help="Column with the original code.")] = None,
    adversarial: Annotated[str | None, typer.Option(help="Column with the adversarial code.")] = None,
    originals: Annotated[
        Path | None,
        typer.Option(help="Data set that the index column points into, if originals are missing."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(help="Only locals and parameters may change, one to one: the rules of our attacks."),
    ] = False,
    compile_: Annotated[
        bool, typer.Option("--compile", help="Ask this machine's compiler too (javac, gcc, Python).")
    ] = False,
    metrics: Annotated[bool, typer.Option("--metrics", help="Add the six metrics in both readings.")] = False,
    encoder: Annotated[
        Path | None,
        typer.Option(
            help="Model for the metric ACS: a saved victim or a transformers folder; implies --metrics."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write a row per example: .parquet, .jsonl or .csv.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with examples of each reason, side by side.")
    ] = None,
) -> None:
    """Say how many adversarial examples are still the same program, and what is wrong with the rest.

    Exits 0 whatever the examples are like; 2 if a file cannot be read.
    """
    from dataclasses import replace
    from json import dumps

    from durometer.corpora.adversarial import read_adversarial_examples, read_originals
    from durometer.errors import InputError
    from durometer.report.audit_files import audit_file, known_language
    from durometer.report.audit_metrics import metrics_of
    from durometer.report.audit_page import write_page
    from durometer.report.audit_tables import (
        check_rows_path,
        in_words,
        metrics_in_words,
        to_json,
        total,
        write_rows,
    )

    if language is not None:
        known_language(language)
    for written in (out, html):
        if written is not None and not written.absolute().parent.is_dir():
            raise InputError(
                "no such folder", where=str(written.parent), hint="Make it, or name another file."
            )
    if out is not None:
        check_rows_path(out)
    model = _encoder(encoder)
    pairs = read_originals(originals) if originals is not None else None
    read = [
        read_adversarial_examples(path, original=original, adversarial=adversarial, originals=pairs)
        for path in files
    ]
    audited: list[AuditedFile] = []
    with _witnesses(compile_) as witness_for, _progress(read) as advance:
        for one in read:
            done = audit_file(
                one, language=language, strict=strict, witness_for=witness_for, on_example=advance
            )
            wanted = metrics or model is not None
            audited.append(replace(done, metrics=metrics_of(done, model)) if wanted else done)
    if out is not None:
        write_rows(audited, out)
    if html is not None:
        write_page(audited, html)
    if json:
        print(dumps({"files": [to_json(file) for file in audited], "all": to_json(total(audited))}, indent=1))
        return
    shown = [*audited, total(audited)] if len(audited) > 1 else audited
    print("\n\n".join("\n".join([*in_words(file), *metrics_in_words(file)]) for file in shown))


def _encoder(folder: Path | None) -> CodeEncoder | None:
    if folder is None:
        return None
    from durometer.victims.similarity import load_encoder

    return load_encoder(folder)


@contextmanager
def _witnesses(wanted: bool) -> Iterator[Callable[[str], Witness | None] | None]:
    """Open the compiler of each language when it is first needed, and close all at the end."""
    if not wanted:
        yield None
        return
    from durometer.code.witness import open_witness

    opened: dict[str, Witness | None] = {}

    def witness_for(language: str) -> Witness | None:
        if language not in opened:
            opened[language] = open_witness(language)
            if opened[language] is None:
                typer.echo(f"durometer: no compiler for {language} on this machine: not asked", err=True)
        return opened[language]

    try:
        yield witness_for
    finally:
        for witness in opened.values():
            if witness is not None:
                witness.close()


@contextmanager
def _progress(files: list[ExampleFile]) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("judging", total=sum(row.success for file in files for row in file.examples))
        yield lambda: progress.advance(task)
