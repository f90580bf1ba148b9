"""Outcomes on disk: whole lines only, one owner a file, the same bytes for the same rows."""

import json
import os
import random
import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durometer.errors import StoreError
from durometer.stats.frame import CellKey, to_frame, to_row
from durometer.study import parts
from durometer.study.parts import PartWriter, compact, finished_samples, parquet_bytes, read_parts
from durometer.types import Outcome, Prediction, Status

CELL = CellKey("toy", "victim", "original", "mhm", 1)


def row(index, status=Status.SUCCESS):
    outcome = Outcome(
        f"s{index}",
        f"snippet{index % 3}",
        status,
        label=1,
        original=Prediction((0.25, 0.75)),
        queries=index,
        renames={"a": "b"},
        trajectory=((1, 0.75),),
        original_code="def f(a):\n\treturn 'ü'\r\n",
    )
    return to_row(outcome, CELL)


def write(folder, indices):
    writer = PartWriter(folder)
    for index in indices:
        writer.append(row(index), 0.5)
    writer.close()


def test_rows_come_back(tmp_path):
    write(tmp_path, [1, 2])
    write(tmp_path, [3])
    assert [r["sample_id"] for r, _ in read_parts(tmp_path)] == ["s1", "s2", "s3"]
    assert len(list(tmp_path.glob("part-*.jsonl"))) == 2
    assert next(read_parts(tmp_path))[0] == json.loads(json.dumps(row(1)))


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(min_value=0))
def test_a_line_torn_anywhere_counts_as_not_written(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("torn")
    write(folder, [1, 2, 3])
    (part,) = folder.glob("part-*.jsonl")
    data = part.read_bytes()
    cut %= len(data) + 1
    part.write_bytes(data[:cut])
    whole = data[:cut].count(b"\n")
    assert finished_samples(folder) == {f"s{i}" for i in range(1, whole + 1)}
    write(folder, range(whole + 1, 4))  # the next session never appends to a torn file
    assert finished_samples(folder) == {"s1", "s2", "s3"}


def test_blocks_that_never_reached_the_disk_are_ignored(tmp_path):
    write(tmp_path, [1])
    (part,) = tmp_path.glob("part-*.jsonl")
    part.write_bytes(part.read_bytes() + b"\0" * 512 + b"\n")
    assert finished_samples(tmp_path) == {"s1"}


def test_a_part_that_goes_while_others_are_read_has_no_rows(tmp_path):
    write(tmp_path, range(3))
    (tmp_path / "part-999.jsonl").symlink_to(tmp_path / "gone")
    assert [entry["sample_id"] for entry, _ in read_parts(tmp_path)] == ["s0", "s1", "s2"]


def test_parquet_bytes_depend_on_rows_only(tmp_path):
    rows = [row(i, random.Random(i).choice(list(Status))) for i in range(50)]
    expected = parquet_bytes(to_frame(rows))
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        assert parquet_bytes(to_frame(rows)) == expected


def test_a_large_cell_is_written_in_pieces_to_the_same_rows(tmp_path, monkeypatch):
    indices = list(range(57))
    random.Random(2).shuffle(indices)
    write(tmp_path / "parts", indices[:30])
    write(tmp_path / "parts", indices[20:])  # some twice: the first record counts
    monkeypatch.setattr(parts, "ROWS_AT_ONCE", 10)
    compact(tmp_path / "parts", tmp_path, [f"s{i}" for i in indices])
    assert sorted(path.name for path in tmp_path.glob("*.parquet")) == ["outcomes.parquet"]
    frame = pl.read_parquet(tmp_path / "outcomes.parquet")
    assert frame.equals(to_frame([json.loads(json.dumps(row(i))) for i in range(57)]))


JOIN = """
import sys
from pathlib import Path
from durometer.study import parts
parts.ROWS_AT_ONCE = 16
parts.join([Path(name) for name in sys.argv[2:]], Path(sys.argv[1]))
"""


def test_joined_bytes_do_not_depend_on_threads(tmp_path):
    files = [tmp_path / f"{number}.parquet" for number in range(6)]
    for number, file in enumerate(files):
        file.write_bytes(parquet_bytes(to_frame([row(100 * number + i) for i in range(number * 9)])))
    made = []
    for threads in ("1", "4"):
        out = tmp_path / f"out-{threads}"
        environment = os.environ | {"POLARS_MAX_THREADS": threads}
        subprocess.run([sys.executable, "-c", JOIN, out, *files], env=environment, check=True)
        made.append(out.read_bytes())
    assert made[0] == made[1]
    assert pl.read_parquet(tmp_path / "out-1").equals(pl.concat([pl.read_parquet(f) for f in files]))


def test_joining_names_a_damaged_file(tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(StoreError, match=r"(?s)bad\.parquet.*Delete"):
        parts.join([tmp_path / "bad.parquet"], tmp_path / "out.parquet")


def test_a_disk_that_fills_up_while_joining_is_explained(tmp_path):
    (tmp_path / "in.parquet").write_bytes(parquet_bytes(to_frame([row(i) for i in range(50)])))
    script = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)){JOIN}"
    command = [sys.executable, "-c", script, tmp_path / "out.parquet", tmp_path / "in.parquet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "StoreError" in done.stderr
    assert "larger than this disk or your limit allows" in done.stderr or "Free some space" in done.stderr


def test_compaction_needs_every_sample_and_takes_each_once(tmp_path):
    write(tmp_path / "parts", [1, 2])
    write(tmp_path / "parts", [2, 3])
    with pytest.raises(StoreError, match="'s9'"):
        compact(tmp_path / "parts", tmp_path, ["s1", "s9"])
    compact(tmp_path / "parts", tmp_path, ["s1", "s2", "s3"])
    assert json.loads((tmp_path / "cost.json").read_text()) == {"seconds": 1.5, "samples": 3, "queries": 6}
    assert json.loads((tmp_path / "statuses.json").read_text()) == {"success": 3}


def test_a_line_that_the_disk_took_in_part_is_reported_and_left_behind(tmp_path, monkeypatch):
    writer = PartWriter(tmp_path)
    writer.append(row(1), 0.1)
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[: len(data) // 2]))
    with pytest.raises(StoreError, match="only a part"):
        writer.append(row(2), 0.1)
    monkeypatch.undo()
    writer.append(row(2), 0.1)
    writer.close()
    assert finished_samples(tmp_path) == {"s1", "s2"}
