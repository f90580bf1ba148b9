"""What stands in each table of the report, in the order of the page."""

from __future__ import annotations

from collections.abc import Sequence

from durometer.report import words
from durometer.report.curves import budget_table
from durometer.report.efficiency import efficiency_table
from durometer.report.heat import transfer_table
from durometer.report.ranking import ranks_table
from durometer.report.tables import (
    Cell,
    Column,
    Record,
    Table,
    estimate_cell,
    number_cell,
    ratio_cell,
    text_columns,
)

GRID = (
    "robust_accuracy",
    "asr",
    "bleu_drop",
    "amq_success",
    "amq_attacked",
    "icr",
    "tcr",
    "acs",
    "aed",
    "valid_percent",
)


def all_tables(results: Record) -> list[Table]:
    """Return every table of the report, in the order of the page."""
    return [
        variants_table(results),
        _efficiency(results),
        grid_table(results),
        budget_table(results),
        seeds_table(results),
        comparisons_table(results),
        effects_table(results),
        ranks_table(results),
        transfer_table(results),
        confidence_table(results),
        validity_table(results),
    ]


def variants_table(results: Record) -> Table:
    """Return what each variant is, costs and answers when it is not attacked."""
    columns = (
        *_names(results["variants"]),
        Column("recipe", "What it is", numeric=False, prose=True),
        Column("accuracy", words.headline_label(results["variants"]), _meaning(results["variants"])),
        Column("floor", "Floor", _floors(results["variants"])),
        _measure("agreement_with_original"),
        Column("parameters", "Parameters", "Below: those that are not zero"),
        Column("size", "On disk", "Size of the weights on disk, and its ratio to the original's"),
        Column(
            "latency", "Latency p50", "Median time of one answer at batch 1, and its ratio to the original's"
        ),
    )
    rows = []
    for v in results["variants"]:
        floor = results["floors"].get(v["task"], {}).get(v["headline"])
        recipe = v["recipe"] + (" (simulated: the computation is not smaller)" if v["simulated"] else "")
        rows.append(
            (
                *_name_cells(results["variants"], v),
                Cell(recipe),
                estimate_cell(v["headline"], v["accuracy"]),
                Cell(words.measured(v["headline"], floor), floor),
                estimate_cell("agreement_with_original", v["agreement_with_original"]),
                Cell(
                    words.count(v["parameters"]),
                    v["parameters"],
                    words.count(v["nonzero_parameters"]) if v["nonzero_parameters"] < v["parameters"] else "",
                ),
                ratio_cell(words.size(v["size_bytes"]), v["size_bytes"], v["size_ratio"]),
                ratio_cell(words.milliseconds(v["latency_p50_ms"]), v["latency_p50_ms"], v["latency_ratio"]),
            )
        )
    samples = _by_task(results["variants"], [v["accuracy"]["n"] for v in results["variants"]])
    caption = f"Unmodified test samples: {samples}. Below each rate: its 95 % interval, clustered by snippet."
    cpu = next((v["efficiency"]["cpu"] for v in results["variants"] if v["efficiency"]), "")
    caption += f" Times: CPU with {cpu}." if cpu else ""
    return Table("variants", "The variants", caption, columns, tuple(rows))


def _efficiency(results: Record) -> Table:
    measured = [v for v in results["variants"] if v["efficiency"]]
    return efficiency_table(measured, _names(measured), [_name_cells(measured, v) for v in measured])


def grid_table(results: Record) -> Table:
    """Return the measures of every variant under every attack, and under all attacks together."""
    cells = _ordered(results, [*results["pooled"], *results["union"]])
    empty = {"acs"} if not results["similarity"]["encoders"] else set()
    empty |= {"bleu_drop"} if all(c["bleu_drop"] is None for c in cells) else set()
    keys = [key for key in GRID if key not in empty]
    columns = (
        *_names(cells),
        *text_columns("attack"),
        *(_measure(key) for key in keys),
        Column("attacked", "n", "Attackable samples: the denominator of ASR"),
    )
    rows = tuple(
        (
            *_name_cells(cells, c),
            Cell(words.attack_name(c["attack"])),
            *(estimate_cell(key, c[key]) for key in keys),
            number_cell(c["attacked"], 0),
        )
        for c in cells
    )
    seeds = len(results["study"]["seeds"])
    note = f"{seeds} seeds pooled" if seeds > 1 else "a single seed: no interval covers the choice of seed"
    caption = (
        f"Samples in each row: {_by_task(cells, [c['samples'] for c in cells])}. "
        "Sound reading: only successes proven to be the same program count. "
        f"95 % intervals clustered by snippet; {note}."
    )
    if results["union"]:
        caption += " “All attacks”: broken by any of them, at the queries of all."
    caption += f" ACS (average code similarity): {_similarity(results['similarity'])}."
    return Table("grid", "Under attack", caption, columns, rows)


def _similarity(record: Record) -> str:
    readers = list(dict.fromkeys(reader["encoder"] for reader in record["encoders"]))
    return f"cosine of mean hidden states of {words.listing(readers)}" if readers else str(record["reason"])


def seeds_table(results: Record) -> Table:
    """Return the measures that vary most with the seed, as mean and interval over seeds."""
    columns = (
        *_names(results["seeds"]),
        *text_columns("attack", "measure"),
        Column("value", "Mean over seeds"),
        Column("standard_deviation", "Standard deviation", "Between seeds"),
        Column("seeds", "Seeds"),
    )
    rows = tuple(
        (
            *_name_cells(results["seeds"], s),
            Cell(words.attack_name(s["attack"])),
            Cell(words.MEASURES[s["measure"]].label),
            estimate_cell(s["measure"], s),
            number_cell(s["standard_deviation"], 2),
            Cell(str(s["n"]), s["n"]),
        )
        for s in _ordered(results, results["seeds"])
    )
    caption = (
        "One value a seed; the interval (Student's t, cut at 0 and 100 %) covers the choice of seed alone."
    )
    return Table("seeds", "Over seeds", caption, columns, rows)


def comparisons_table(results: Record, sides: tuple[str, str] = ("Original", "Variant")) -> Table:
    """Return each variant against its original (or run B against run A), paired on the same samples."""
    columns = (
        *_names(results["comparisons"]),
        *text_columns("attack", "measure"),
        Column("baseline", sides[0]),
        Column("compressed", sides[1]),
        Column(
            "difference",
            "Difference",
            f"{sides[1]} minus {sides[0].lower()}, in points; below, its interval, not adjusted",
        ),
        Column("p_holm", "Adjusted p", "Holm, over all comparisons of the study"),
        Column("p", "Raw p", "Sign-flip test over snippets"),
        Column("discordant", "Differ", "Pairs on which the two disagree"),
        Column("detectable", "Detectable", "Difference found with 80 % power after correction, in points"),
        Column("n", "n", "Pairs: samples that both were asked"),
    )
    rows = tuple(
        (
            *_name_cells(results["comparisons"], c),
            Cell(words.attack_name(c["attack"]) if c["attack"] else "none"),
            Cell(measure.label),
            Cell(words.measured(measure.key, c["baseline"]["value"]), c["baseline"]["value"]),
            Cell(words.measured(measure.key, c["compressed"]["value"]), c["compressed"]["value"]),
            Cell(
                words.number(c["difference"], signed=True),
                c["difference"],
                words.interval(c["low"], c["high"], signed=True),
                c["low"],
                c["high"],
                c["n"],
            ),
            Cell(words.bare_probability(c["p_holm"]), c["p_holm"]),
            Cell(words.bare_probability(c["p"]), c["p"]),
            number_cell(c["discordant"], 0),
            number_cell(c["detectable"]),
            number_cell(c["n"], 0),
        )
        for c in results["comparisons"]
        for measure in [words.measure_of(c)]
    )
    found = sum(c["detected"] for c in results["comparisons"])
    caption = (
        "Each variant against its original on the same samples, attacks and seeds: for ASR those attackable "
        f"in both, otherwise all. Detected, with an adjusted p below 0.05: {found or 'none'} of "
        f"{len(results['comparisons'])}. Intervals are not adjusted: where one leaves out 0, the adjusted p "
        "still decides."
    )
    title = f"{sides[1]} against {sides[0]}" if "variants" not in results else "Against the original"
    return Table("comparisons", title, caption, columns, rows)


def effects_table(results: Record) -> Table:
    """Return each variant against its original in measures that are ranked: queries and whole cells."""
    found = _ordered(results, results["rank_comparisons"])
    columns = (
        *_names(found),
        *text_columns("attack", "measure", "unit"),
        Column("baseline", "Original", "Median"),
        Column("compressed", "Variant", "Median"),
        Column("median_difference", "Difference", "Median of variant minus original"),
        Column(
            "rank_biserial", "Rank-biserial", "Matched pairs: −1 to 1, positive where the variant is higher"
        ),
        Column(
            "cliffs_delta", "Cliff's δ", "−1 to 1, positive where the variant is higher; ignores the pairs"
        ),
        Column("p_holm", "Adjusted p", "Holm, over all rows of this table"),
        Column("p", "Raw p", "Wilcoxon signed-rank, two-sided"),
        Column("n", "n", "Pairs: snippets, or cells"),
    )
    rows = tuple(
        (
            *_name_cells(found, c),
            Cell(words.attack_name(c["attack"] or "all")),
            Cell(words.MEASURES[c["measure"]].label),
            Cell(c["unit"]),
            *(number_cell(c[key]) for key in ("baseline", "compressed")),
            number_cell(c["median_difference"], signed=True),
            *(number_cell(c[key], 2, signed=True) for key in ("rank_biserial", "cliffs_delta")),
            *(Cell(words.bare_probability(c[key]), c[key]) for key in ("p_holm", "p")),
            number_cell(c["n"], 0),
        )
        for c in found
    )
    caption = (
        "Wilcoxon's signed-rank test with its effect sizes. Snippets: queries that the attack took, where "
        "both are attackable; a budget that ended counts as spent. Cells: a (task, victim, attack, seed) "
        "each, which rank strategies over the studied cells."
    )
    return Table("effects", "Measures in ranks", caption, columns, rows)


def confidence_table(results: Record) -> Table:
    """Return how sure each variant is, and how much of it a proven success takes away."""
    variants = [v for v in results["variants"] if v["calibration"]]
    cells = [*results["pooled"], *results["union"]]
    attacks = list(dict.fromkeys(c["attack"] for c in cells))
    columns = (
        *_names(variants),
        _measure("accuracy"),
        _measure("confidence"),
        _measure("overconfidence"),
        Column("expected_calibration_error", "ECE", "Expected calibration error, 15 bins"),
        Column("brier", "Brier", "Mean squared error of the probability"),
        *(
            Column(
                f"gap_{attack}", f"Gap, {words.attack_name(attack)}", words.MEASURES["confidence_gap"].meaning
            )
            for attack in attacks
        ),
    )
    gaps = {(c["task"], c["victim"], c["variant"], c["attack"]): c["confidence_gap"] for c in cells}
    rows = tuple(
        (
            *_name_cells(variants, v),
            estimate_cell("accuracy", v["accuracy"]),
            estimate_cell("confidence", v["calibration"]["confidence"]),
            estimate_cell("overconfidence", v["calibration"]["overconfidence"]),
            Cell(
                words.measured("accuracy", v["calibration"]["expected_calibration_error"]),
                v["calibration"]["expected_calibration_error"],
            ),
            number_cell(v["calibration"]["brier"], 3),
            *(
                estimate_cell("confidence_gap", gaps.get((v["task"], v["victim"], v["variant"], attack)))
                for attack in attacks
            ),
        )
        for v in variants
    )
    caption = (
        "Unmodified test samples; the gaps are over proven successes. 95 % intervals clustered by snippet."
    )
    return Table("confidence", "Confidence", caption, columns, rows)


def validity_table(results: Record) -> Table:
    """Return how the rows of each cell ended, and why those that were neither broken nor withstood."""
    columns = (
        *_names(results["cells"]),
        *text_columns("attack"),
        *_seed_column(results),
        *(
            Column(status, status.capitalize(), meaning.capitalize())
            for status, meaning in words.STATUSES.items()
        ),
        Column("reasons", "Reasons", numeric=False, prose=True),
    )
    rows = tuple(
        (
            *_cell_names(results, c),
            *(number_cell(c["statuses"][s], 0) for s in words.STATUSES),
            Cell("; ".join(f"{_reason(reason)} {n}" for reason, n in c["reasons"].items())),
        )
        for c in _ordered(results, results["cells"])
    )
    caption = "Rows of each cell by status. Nothing is dropped: an error is never a robust sample."
    return Table("validity", "Validity", caption, columns, rows)


def _reason(reason: str) -> str:
    status, _, why = reason.partition(": ")
    return why or status.rstrip(":")


def _cell_names(results: Record, cell: Record) -> tuple[Cell, ...]:
    seed = (Cell(str(cell["seed"]), cell["seed"]),) if len(results["study"]["seeds"]) > 1 else ()
    return (*_name_cells(results["cells"], cell), Cell(words.attack_name(cell["attack"])), *seed)


def _ordered(results: Record, cells: Sequence[Record]) -> list[Record]:
    """Return ``cells`` with victims and variants in the study's own order: the original first."""
    order = {(v["task"], v["victim"], v["variant"]): i for i, v in enumerate(results["variants"])}
    return sorted(cells, key=lambda c: order.get((c["task"], c["victim"], c["variant"]), len(order)))


def _meaning(variants: Sequence[Record]) -> str:
    return "; or: ".join(dict.fromkeys(words.MEASURES[v["headline"]].meaning for v in variants))


def _floors(variants: Sequence[Record]) -> str:
    """Return what the floor of each headline is."""
    kinds = dict.fromkeys(v["headline"] for v in variants)
    told = [f"{words.FLOORS[kind]} ({words.MEASURES[kind].label})" for kind in kinds]
    return f"What a model must beat: {words.listing(told)}"


def _by_task(records: Sequence[Record], counts: Sequence[int]) -> str:
    """Return how many samples ``records`` rest on, for each task where that differs."""
    spans: dict[str, set[int]] = {}
    for record, count in zip(records, counts, strict=True):
        spans.setdefault(record["task"], set()).add(count)
    told = {
        task: words.DASH.join(words.number(n, 0) for n in sorted({min(found), max(found)}))
        for task, found in spans.items()
    }
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    return words.listing([f"{span} ({task})" for task, span in told.items()]) or "none yet"


def _measure(key: str) -> Column:
    measure = words.MEASURES[key]
    return Column(key, measure.label, measure.meaning)


def _names(records: Sequence[Record]) -> tuple[Column, ...]:
    """Return the columns that name a record: a task or victim that never varies has no column."""
    keys = [key for key in ("task", "victim") if len({record[key] for record in records}) > 1]
    return text_columns(*keys, "variant")


def _name_cells(records: Sequence[Record], record: Record) -> tuple[Cell, ...]:
    return tuple(Cell(str(record[column.key] or "all")) for column in _names(records))


def _seed_column(results: Record) -> tuple[Column, ...]:
    return (Column("seed", "Seed"),) if len(results["study"]["seeds"]) > 1 else ()
