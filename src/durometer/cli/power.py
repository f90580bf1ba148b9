"""``durometer power``: how many samples a study needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from durometer.stats.power import Design


def command(
    difference: Annotated[
        float, typer.Option(min=0.01, max=100, help="Difference of attack success rates to see, in points.")
    ] = 5.0,
    base: Annotated[
        float,
        typer.Option(min=0, max=100, help="Attack success rate of the uncompressed victim, in percent."),
    ] = 40.0,
    correlation: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="How alike the two victims break; used when --discordance is not given."
        ),
    ] = 0.5,
    discordance: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Samples whose outcome differs between the victims, in percent."),
    ] = None,
    cluster_size: Annotated[
        float, typer.Option(min=1, help="Attacked samples a distinct snippet, mean.")
    ] = 1.0,
    icc: Annotated[
        float, typer.Option(min=0, max=1, help="Correlation of the difference within a snippet.")
    ] = 0.3,
    attackable: Annotated[
        float, typer.Option(min=0.1, max=100, help="Samples that both victims get right, in percent.")
    ] = 80.0,
    power: Annotated[float, typer.Option(help="Probability of seeing the difference.")] = 0.8,
    alpha: Annotated[float, typer.Option(help="Probability of seeing one that is not there.")] = 0.05,
    comparisons: Annotated[int, typer.Option(min=1, help="Comparisons in the table (Holm).")] = 1,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Instead: what does a study of so many samples see?")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Say how many samples a study needs to see a difference of d points between two victims."""
    from json import dumps

    from durometer.errors import InputError
    from durometer.stats.power import Design, expected_discordance

    if discordance is None:
        if base + difference > 100:
            raise InputError(
                f"an attack success rate of {base:g} % cannot rise by {difference:g} points",
                hint="lower --base or --difference",
            )
        share = expected_discordance(base / 100, difference / 100, correlation)
    else:
        share = discordance / 100
    design = Design(share, cluster_size, icc, alpha, power, comparisons)
    answer = _answer(design, difference / 100, attackable / 100, samples)
    print(dumps(answer, indent=1) if json else _sentence(answer))


def _answer(
    design: Design, difference: float, attackable: float, samples: int | None
) -> dict[str, float | int | None]:
    """Return the answer in the units of the options: points and percent."""
    from math import ceil, isfinite

    from durometer.stats.power import detectable_difference, power_of, samples_needed

    answer: dict[str, float | int | None] = {
        "difference_points": round(100 * difference, 6),
        "discordance_percent": round(100 * design.discordance, 4),
        "cluster_size": design.cluster_size,
        "icc": design.icc,
        "design_effect": round(design.design_effect, 4),
        "attackable_percent": round(100 * attackable, 4),
        "alpha": design.alpha,
        "power": design.power,
        "comparisons": design.comparisons,
    }
    if samples is None:
        needed = samples_needed(difference, design)
        return answer | {
            "attackable_samples": needed,
            "samples": ceil(round(needed / attackable, 9)),
            "snippets": ceil(round(needed / design.cluster_size, 9)),
        }
    common = max(1, int(samples * attackable))
    detectable = detectable_difference(common, design)
    return answer | {
        "samples": samples,
        "attackable_samples": common,
        "detectable_points": round(100 * detectable, 2) if isfinite(detectable) else None,
        "power_for_difference": round(power_of(common, difference, design), 4),
    }


def _sentence(answer: dict[str, float | int | None]) -> str:
    assumed = (
        f"Assumed: outcomes differ on {answer['discordance_percent']:.1f} % of the samples, "
        f"{answer['cluster_size']:g} samples a snippet (design effect {answer['design_effect']:.2f}), "
        f"both victims right on {answer['attackable_percent']:g} %, alpha {answer['alpha']:g}"
        + (f" over {answer['comparisons']} comparisons." if answer["comparisons"] != 1 else ".")
    )
    if "snippets" in answer:
        return (
            f"{answer['samples']:,} samples ({answer['attackable_samples']:,} attackable, from "
            f"{answer['snippets']:,} snippets) show a difference of {answer['difference_points']:g} points "
            f"with {100 * (answer['power'] or 0):g} % power.\n{assumed}"
        )
    smallest = answer["detectable_points"]
    seen = "no difference" if smallest is None else f"differences of {smallest:g} points or more"
    return (
        f"{answer['samples']:,} samples ({answer['attackable_samples']:,} attackable) show {seen} "
        f"with {100 * (answer['power'] or 0):g} % power; a difference of "
        f"{answer['difference_points']:g} points with {100 * (answer['power_for_difference'] or 0):.0f} %."
        f"\n{assumed}"
    )
