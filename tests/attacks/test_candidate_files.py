"""Files of candidates: ALERT's format, matching, errors with line numbers, the cache."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest
from toys import samples

from durometer.attacks.candidate_files import CandidateFile, cached, read_rows, write_rows
from durometer.code import parse
from durometer.errors import InputError

SAMPLES = [replace(s, id=str(i)) for i, s in enumerate(samples())]
SNIPPETS = [parse(s.code, s.language) for s in SAMPLES]


def write(path, rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz"])
def test_alert_rows_are_matched_by_index(tmp_path, name):
    path = write(tmp_path / name, [{"idx": 0, "substitutes": {"values": ["items", " things"]}}])
    assert CandidateFile(path, SAMPLES)(SNIPPETS[0]) == {"values": ("items", " things")}


def test_pairs_are_matched_by_both_ids(tmp_path):
    pair = replace(SAMPLES[1], other="def g(): pass", meta={"first": "7", "second": "9"})
    path = write(tmp_path / "c.jsonl", [{"id1": 7, "id2": 9, "label": 1, "substitutes": {"low": ["floor"]}}])
    assert CandidateFile(path, [pair])(SNIPPETS[1]) == {"low": ("floor",)}


def test_uncovered_snippet_is_an_error_and_never_an_empty_list(tmp_path):
    path = write(tmp_path / "c.jsonl", [{"idx": 0, "substitutes": {}}])
    source = CandidateFile(path, SAMPLES)
    assert source(SNIPPETS[0]) == {}
    with pytest.raises(InputError, match="no candidates for this snippet"):
        source(SNIPPETS[1])


def test_file_for_other_data_is_refused(tmp_path):
    path = write(tmp_path / "c.jsonl", [{"idx": 999, "substitutes": {}}])
    with pytest.raises(InputError, match="none of its rows"):
        CandidateFile(path, SAMPLES)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        pytest.param("[" * 100_000, id="deep"),
        "[]",
        '{"idx": 1}',
        '{"substitutes": {}}',
        '{"idx": 1, "substitutes": 3}',
    ],
)
def test_malformed_row_names_the_line(tmp_path, line):
    path = tmp_path / "c.jsonl"
    path.write_text('{"idx": 0, "substitutes": {}}\n\n' + line + "\n")
    with pytest.raises(InputError, match="line 3"):
        list(read_rows(path))


def test_missing_and_truncated_files(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        list(read_rows(tmp_path / "none.jsonl"))
    path = write(tmp_path / "c.jsonl.gz", [{"idx": i, "substitutes": {}} for i in range(50)])
    whole = path.read_bytes()
    for broken in (whole[:40], whole[:20] + b"\xff" * 20 + whole[40:]):
        path.write_bytes(broken)
        with pytest.raises(InputError, match="damaged gzip data"):
            list(read_rows(path))


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_what_is_written_is_read_again_and_the_bytes_repeat(tmp_path, name):
    rows = [(snippet.snippet_id, {"a": ("b", "c"), "é": ("ü",)}) for snippet in SNIPPETS]
    first, second = tmp_path / "one" / name, tmp_path / "two" / name
    assert write_rows(first, rows) == write_rows(second, rows) == len(SNIPPETS)
    assert first.read_bytes() == second.read_bytes()
    assert CandidateFile(first, SAMPLES)(SNIPPETS[3]) == {"a": ("b", "c"), "é": ("ü",)}


def test_a_failing_source_leaves_nothing_behind(tmp_path):
    def rows():
        yield "one", {}
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_rows(tmp_path / "out.jsonl", rows())
    assert list(tmp_path.iterdir()) == []


def test_cache_asks_once_per_content(tmp_path):
    asked = []

    def source(snippet):
        asked.append(snippet.snippet_id)
        return {"a": ("b",)}

    for _ in range(2):
        look_up = cached(source, tmp_path, "model 1")
        assert look_up(SNIPPETS[0]) == {"a": ("b",)}
    assert len(asked) == 1
    cached(source, tmp_path, "model 2")(SNIPPETS[0])
    assert len(asked) == 2
