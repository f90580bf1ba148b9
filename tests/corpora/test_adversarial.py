"""Files of adversarial examples in every spelling that we know, and what a wrong one is told."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from durometer.corpora.adversarial import read_adversarial_examples, read_originals
from durometer.errors import InputError
from durometer.stats.frame import SCHEMA

PTMC = (
    "Index,Original Code,Adversarial Code,Program Length,Identifier Num,Replaced Identifiers,"
    "Query Times,Time Cost,Type\n"
    "0,,,285,12,,4230,1.02,0\n"
    '3,"int f(int a) {\n  return a;\n}","int f(int b) {\n  return b;\n}",12,2,"a:b\n,c: d,",31,0.5,Greedy\n'
)
ALERT = (
    "Original Code,Program Length,Adversarial Code,True Label,Original Prediction,Adv Prediction,Is Success,"
    "Extracted Names,Importance Score,No. Changed Names,No. Changed Tokens,Replaced Names\n"
    '"int f(int a){return a;}",12,"int f(int b){return b;}",1,1,0,1,"a,f",,1,2,"a:b,"\n'
    '"int g(int a){return a;}",12,,1,1,,-3,,,,,\n'
    '"int h(int a){return a;}",12,"int h(int z){return z;}",1,1,1,-1,"a,f",,1,2,"a:z,"\n'
)


def test_attack_ptmc_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(PTMC)
    read = read_adversarial_examples(path)
    failure, success = read.examples
    assert (failure.success, failure.attacked, failure.queries) == (False, True, 4230)
    assert success.success
    assert (success.line, success.index, success.attack) == (3, "3", "Greedy")
    assert success.claimed == (("a", "b\n"), ("c", " d"))
    assert success.original == "int f(int a) {\n  return a;\n}"
    assert (success.identifiers, success.program_length) == (2, 12)


def test_words_in_the_place_of_queries_are_no_count(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(PTMC.replace(",31,", ",many,"))
    assert read_adversarial_examples(path).examples[1].queries is None


def test_alert_columns_and_skipped_rows(tmp_path: Path) -> None:
    path = tmp_path / "alert.csv.gz"
    path.write_bytes(gzip.compress(ALERT.encode()))
    success, skipped, failure = read_adversarial_examples(path).examples
    assert success.success
    assert success.claimed == (("a", "b"),)
    assert success.identifiers == 2
    assert (skipped.success, skipped.attacked) == (False, False)
    assert (failure.success, failure.attacked) == (False, True)


def test_carriage_returns_inside_cells_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'original_code,adversarial_code\r\n"a\r\nb","c\r\nd"\r\n')
    (row,) = read_adversarial_examples(path).examples
    assert (row.original, row.adversarial) == ("a\r\nb", "c\r\nd")


def test_json_lines_with_any_two_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    rows = [{"src": "int a;", "tgt": "int b;", "lang": "c"}, {"src": "int a;", "tgt": ""}]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match=r"src, tgt, lang"):
        read_adversarial_examples(path)
    read = read_adversarial_examples(path, original="src", adversarial="tgt")
    assert [row.success for row in read.examples] == [True, False]
    assert read.examples[0].language == "c"
    assert "every row" in read.notes[0]


def test_our_parquet(tmp_path: Path) -> None:
    row = dict.fromkeys(SCHEMA) | {
        "sample_id": "7",
        "status": "success",
        "attack": "mhm",
        "original_code": "x",
        "adversarial_code": "y",
        "renames": [{"old": "x", "new": "y"}],
        "identifiers": 3,
        "queries": 5,
    }
    skipped = dict(row, status="skipped", adversarial_code=None, renames=None)
    pl.DataFrame([row, skipped], schema=SCHEMA).write_parquet(tmp_path / "o.parquet")
    success, other = read_adversarial_examples(tmp_path / "o.parquet").examples
    assert success.success
    assert success.claimed == (("x", "y"),)
    assert (success.index, success.attack, success.queries, success.identifiers) == ("7", "mhm", 5, 3)
    assert (other.success, other.attacked) == (False, False)


def test_originals_by_row_number_or_index(tmp_path: Path) -> None:
    data = tmp_path / "d.jsonl"
    data.write_text('{"idx": 4, "func": "int a;"}\n{"idx": 9, "func": "int c;"}\n')
    for index in ("1", "9"):
        path = tmp_path / f"{index}.csv"
        path.write_text(f"index,success,adversarial_code\n{index},1,int d;\n")
        with pytest.raises(InputError, match="--originals"):
            read_adversarial_examples(path)
        (row,) = read_adversarial_examples(path, originals=read_originals(data)).examples
        assert row.original == "int c;"
    path.write_text("index,success,adversarial_code\n77,1,int d;\n")
    with pytest.raises(InputError, match=r":2.*77"):
        read_adversarial_examples(path, originals=read_originals(data))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\x80\x04\x95", "pickle"),
        (b"\x1f\x8b broken", "gzip"),
        (b"PAR1 broken", "Parquet"),
        (b'{"original": 1, "adversarial": 2}\n{"origi', ":2: not JSON"),
        (b'{"original": 1' + b"0" * 5000 + b"}", ":1: not JSON"),
        (b"[1]", ": element 1: not an object"),
        (b"[{", "not JSON"),
        (b"original,adversarial\nint a;,int b;,more\n", ":2: 3 cells"),
        (b'original,adversarial\nint a;,"int b;\n\n', ":2: not CSV"),
        (b"just text\n", "no column names"),
        (b"original,adversarial,success\n,int b;,1\n", ":2: a success without original code"),
        (b"\x1b[31mint a,int b\n", "the file has: �[31mint a, int b"),
        (b'{"original": ["int"], "adversarial": ["int"]}', "code must be text"),
    ],
)
def test_wrong_files_are_explained(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_adversarial_examples(path)
    assert message in str(caught.value)
    assert str(path) in caught.value.where
    assert caught.value.hint


def test_a_success_without_code_is_not_judged_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("original,adversarial,Type\nint a;,int b;,GA\n,,GA\n,,0\n")
    read = read_adversarial_examples(path)
    assert [row.success for row in read.examples] == [True, False, False]
    assert read.notes == ("1 claimed successes lack a program (first: line 3): not judged",)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_adversarial_examples(tmp_path / "nothing")
    with pytest.raises(InputError, match="folder"):
        read_adversarial_examples(tmp_path)


def test_bytes_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"original,adversarial\nint a; //\xe9,int b; //\xe9\n")
    read = read_adversarial_examples(path)
    assert read.examples[0].original == "int a; //\udce9"
    assert "line 2 is not UTF-8" in read.notes[0]
    path.write_bytes("original,adversarial\nint a;,int b;\n".encode("utf-16"))
    with pytest.raises(InputError, match=r"a\.csv:1: UTF-16 text"):
        read_adversarial_examples(path)


@pytest.mark.bench_data
@pytest.mark.parametrize(("name", "successes"), [("alert", 688), ("beam", 455)])
def test_published_files(bench_data: Path, name: str, successes: int) -> None:
    read = read_adversarial_examples(bench_data / f"published-attacks/gcj_codebert_{name}.csv.gz")
    assert len(read.examples) == 3842
    assert sum(row.success for row in read.examples) == successes
