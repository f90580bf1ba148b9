"""``durometer gate``: fail when a variant is worse than allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    max_asr_increase: Annotated[
        float, typer.Option(min=0, max=100, help="Allowed rise of the attack success rate, in points.")
    ] = 5.0,
    max_accuracy_drop: Annotated[
        float, typer.Option(min=0, max=100, help="Allowed drop of accuracy, in points.")
    ] = 1.0,
    max_robust_accuracy_drop: Annotated[
        float | None, typer.Option(min=0, max=100, help="Allowed drop of robust accuracy, in points.")
    ] = None,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.9999, help="Confidence of the intervals.")
    ] = 0.95,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail also where the study is too small to tell.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Exit with 1 when a variant is worse than its original by more than is allowed.

    A variant fails when the whole interval of its paired difference lies beyond the limit.
    """
    from dataclasses import asdict
    from json import dumps

    from durometer.cli._notes import say
    from durometer.report.gate import advice, check_run, passed
    from durometer.study.store import load_run

    limits = {"asr": max_asr_increase, "accuracy": max_accuracy_drop}
    if max_robust_accuracy_drop is not None:
        limits["robust_accuracy"] = max_robust_accuracy_drop
    checks = check_run(load_run(run), limits, confidence)
    good = passed(checks, strict=strict)
    if json:
        record = {
            "passed": good,
            "limits": limits,
            "confidence": confidence,
            "strict": strict,
            "checks": [asdict(check) for check in checks],
        }
        print(dumps(record, indent=1))
    else:
        for check in sorted(checks, key=lambda c: ("worse", "undecided", "within").index(c.verdict)):
            print(check)
        counts = {verdict: sum(c.verdict == verdict for c in checks) for verdict in ("worse", "undecided")}
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        print(f"gate {'passed' if good else 'failed'}: {len(checks)} checks" + (f", {said}" if said else ""))
    if todo := advice(checks):
        say(todo)
    if not good:
        raise SystemExit(1)
