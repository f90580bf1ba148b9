"""The main job as a user runs it, on real code and a real model: its promises, checked from outside.

The proofs are repeated here by other means than ours: ``ast`` and ``tokenize`` for the text, ``symtable`` for
what is bound, and the saved victims queried one program at a time.
"""

from __future__ import annotations

import ast
import io
import json
import os
import random
import shutil
import signal
import subprocess
import symtable
import sys
import time
import tokenize
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from durometer.study.config import StudyConfig
from durometer.study.plan import plan_study
from durometer.study.presets import preset

pytestmark = pytest.mark.slow
FILES = ("report.html", "results.json", "outcomes.parquet", "study.yaml")


def demo(out: Path) -> list[str]:
    return [sys.executable, "-m", "durometer", "demo", "--size", "tiny", "--out", str(out)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of one undisturbed tiny demo: of the one that DUROMETER_DEMO names, if it does."""
    out = Path(os.environ.get("DUROMETER_DEMO") or tmp_path_factory.mktemp("demo") / "run")
    done = subprocess.run(demo(out), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Robust acc." in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    return out


@pytest.fixture(scope="module")
def successes(run: Path) -> pl.DataFrame:
    frame = pl.read_parquet(run / "outcomes.parquet").filter(pl.col("status") == "success")
    assert frame.height > 20
    return frame


def test_it_leaves_what_it_promises_and_victims_beat_the_floor(run: Path) -> None:
    assert all((run / name).stat().st_size for name in FILES)
    results = json.loads((run / "results.json").read_text())
    floors = {task: floor["accuracy"] for task, floor in results["floors"].items()}
    assert set(floors) == {"clone", "vulnerability"}
    assert {variant["variant"] for variant in results["variants"]} == {
        "original",
        "pruned 50 %",
        "int8",
        "distilled",
    }
    assert all(variant["accuracy"]["value"] > floors[variant["task"]] for variant in results["variants"])
    costs = {(v["task"], v["variant"]): v["efficiency"] for v in results["variants"]}
    for task in floors:
        ratios = {
            name: costs[task, name]["ratios"] for name in ("original", "pruned 50 %", "int8", "distilled")
        }
        assert set(ratios["original"].values()) == {1.0}
        assert ratios["distilled"]["flops"] < 1.0 == ratios["int8"]["flops"] == ratios["pruned 50 %"]["flops"]
        assert ratios["int8"]["size_bytes"] < 0.4
        assert costs[task, "pruned 50 %"]["simulated"]
        assert costs[task, "int8"]["agreement"] > 0.9
    page = (run / "report.html").read_text()
    assert all(f"{floor:.1f}" in page for floor in floors.values())
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_second_run_finds_everything_done(run: Path) -> None:
    before = {name: (run / name).read_bytes() for name in FILES}
    started = time.monotonic()
    subprocess.run(demo(run), capture_output=True, check=True)
    assert time.monotonic() - started < 20
    assert before == {name: (run / name).read_bytes() for name in FILES}


def names(code: str) -> list[str]:
    return [token.string for token in tokenize.generate_tokens(io.StringIO(code).readline)]


def bound_names(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if table.get_type() == "function" and (symbol.is_local() or symbol.is_parameter()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from bound_names(child)


def test_every_success_is_the_same_program_renamed(successes: pl.DataFrame) -> None:
    for row in successes.iter_rows(named=True):
        before, after = row["original_code"], row["adversarial_code"]
        ast.parse(after)
        old, new = names(before), names(after)
        assert len(old) == len(new)
        changed = {(a, b) for a, b in zip(old, new, strict=True) if a != b}
        assert changed
        assert len({a for a, _ in changed}) == len({b for _, b in changed}) == len(changed)
        assert changed == {(rename["old"], rename["new"]) for rename in row["renames"]}
        assert {a for a, _ in changed} <= set(bound_names(symtable.symtable(before, "snippet", "exec")))
        assert not {b for _, b in changed} & set(old)


def test_every_success_flips_the_label_alone(run: Path, successes: pl.DataFrame) -> None:
    from durometer.study.corpusfile import read_samples
    from durometer.study.store import load_run
    from durometer.victims.load import load_saved

    corpora = (run / "artefacts").glob("corpus-*")
    tasks = {json.loads((corpus / "about.json").read_text())["task"]: corpus for corpus in corpora}
    samples = {
        task: {sample.id: sample for sample in read_samples(corpus, "test")} for task, corpus in tasks.items()
    }
    for variant in load_run(run).variants:
        (folder,) = (run / "artefacts").glob(f"*-{variant.artefact}")
        victim = load_saved(folder)
        rows = successes.filter(task=variant.task, variant=variant.variant)
        for row in rows.iter_rows(named=True):
            sample = samples[variant.task][row["sample_id"]]
            assert sample.code == row["original_code"]
            (before,) = victim.predict([sample])
            (after,) = victim.predict([replace(sample, code=row["adversarial_code"])])
            assert before.label == sample.label == row["label"]
            assert after.label != sample.label


def copy_without_the_flaw_detector(run: Path, out: Path) -> None:
    """Begin a run with what a finished demo made for one of its two tasks: half a run costs half the time."""
    plan = plan_study(StudyConfig.from_source(preset("demo-tiny")))
    missing = [node.name for node in plan.nodes.values() if "clone" not in node.label]
    assert 0 < len(missing) < len(plan.nodes)
    shutil.copytree(run / "artefacts", out / "artefacts")
    for name in missing:
        shutil.rmtree(out / "artefacts" / name)


def test_kills_at_any_moment_change_nothing(run: Path, tmp_path: Path) -> None:
    out, moments, kills = tmp_path / "run", random.Random(5), 0
    copy_without_the_flaw_detector(run, out)
    for _ in range(4):
        process = subprocess.Popen(
            demo(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(moments.uniform(3, 15))
        os.killpg(process.pid, signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills, "it was done before the first kill"
    subprocess.run(demo(out), capture_output=True, check=True)
    assert (out / "outcomes.parquet").read_bytes() == (run / "outcomes.parquet").read_bytes()
