"""Outcomes on disk: whole lines only, one owner a file, the same bytes for the same rows."""

import json
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durometer.errors import StoreError
from durometer.stats.frame import CellKey, to_frame, to_row
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


def test_parquet_bytes_depend_on_rows_only(tmp_path):
    rows = [row(i, random.Random(i).choice(list(Status))) for i in range(50)]
    expected = parquet_bytes(to_frame(rows))
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        assert parquet_bytes(to_frame(rows)) == expected


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
