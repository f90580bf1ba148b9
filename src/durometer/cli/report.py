"""``durometer report RUN``: write the page and the numbers of a run, finished or not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(help="Run folder, as made by `durometer run` or `durometer demo`.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write into; the run folder by default.")] = None,
    exports: Annotated[
        bool, typer.Option("--exports", help="Write figures/ (SVG, PDF) and tables/ (CSV, LaTeX) too.")
    ] = False,
    transfer: Annotated[
        bool,
        typer.Option("--transfer", help="First show each variant's examples to the others (runs models)."),
    ] = False,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="First let a model read every example, for ACS: `own` (each victim's uncompressed form), "
            "or the folder of a saved victim or a transformers model."
        ),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show the page on 127.0.0.1 and follow the run; Ctrl-C ends it.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of --serve; 0 takes a free one.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print results.json instead of tables.")] = False,
) -> None:
    """Write report.html and results.json of a run, and print its tables."""
    from durometer.report import to_json, write_report
    from durometer.report.results import build_results
    from durometer.report.similarity import measure_similarity, read_similarity
    from durometer.report.transfer import measure_transfer, read_transfer
    from durometer.study.store import load_run

    view = load_run(run)
    shown = measure_transfer(run) if transfer else read_transfer(run)
    alike = measure_similarity(run, encoder) if encoder else read_similarity(run)
    if serve:
        _serve(run, port)
        return
    results = build_results(view, shown, alike)
    folder = out or run
    page = write_report(view, folder, results)
    if exports:
        from durometer.report.exports import write_exports

        write_exports(results, folder)
    if json:
        print(to_json(results), end="")
        return
    from rich.console import Console

    from durometer.report import terminal_table

    console = Console()
    console.print(terminal_table(results))
    console.print(f"Page: {page}", soft_wrap=True, highlight=False)


def _serve(run: Path, port: int) -> None:
    from contextlib import suppress

    from durometer.report.live import make_server
    from durometer.report.similarity import read_similarity
    from durometer.report.transfer import read_transfer
    from durometer.study.store import load_run

    with make_server(lambda: (load_run(run), read_transfer(run), read_similarity(run)), port) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
