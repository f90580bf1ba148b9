"""``durometer check`` as a person runs it: words, JSON, rows, page, compilers, errors."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from durometer.cli import app

ORIGINAL = (
    'int sum(Reader in, int n) {\n  int all = 0;\n  while (all < n) all += in.read("\\n");\n  return all;\n}'
)
HEADER = (
    "Index,Original Code,Adversarial Code,Program Length,Identifier Num,"
    "Replaced Identifiers,Query Times,Time Cost,Type"
)
EDITS = {
    "valid": ORIGINAL.replace("all", "total"),
    "flattened": ORIGINAL.replace("all", "total").replace("\\n", "\n"),
    "function": ORIGINAL.replace("sum", "add"),
    "capture": ORIGINAL.replace("all", "n"),
    "reserved": ORIGINAL.replace("all", "char"),
    "call": ORIGINAL.replace("read", "next"),
    "lost": ORIGINAL.replace("return all;", "return ;"),
}


def check(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "attack.csv"
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(HEADER.split(","))
        writer.writerow([0, "", "", 30, 3, "", 400, 1.0, "0"])
        for number, (name, code) in enumerate(EDITS.items(), start=1):
            writer.writerow([number, ORIGINAL, code, 30, 3, "all:total,", 100, 1.0, name])
    return path


def test_words_fit_80_columns_and_name_every_class(file: Path) -> None:
    result = check(file)
    assert result.exit_code == 0, result.output
    assert "8 examples, 7 successes" in result.output
    assert "3  42.9 %  VALID" in result.output
    for word in ("capture", "reserved_word", "renames_call", "token_change", "newline_flattened", "FSE 2023"):
        assert word in result.output
    assert max(map(len, result.output.splitlines()[1:])) <= 80


def test_json(file: Path) -> None:
    result = check(file, "--json")
    (one,) = json.loads(result.stdout)["files"]
    assert {"file", "examples", "successes", "valid", "invalid_percent", "reasons"} <= one.keys()
    assert one["file"] == str(file)
    assert (one["examples"], one["successes"], one["valid"], one["proven"]) == (8, 7, 3, 3)
    assert one["invalid_percent"] == pytest.approx(400 / 7)
    assert one["reasons"]["renames_call"] == 1
    assert one["notes"] == {"newline_flattened": 1, "function_name": 1}
    assert one["newline_flattened"] == 1
    assert one["same_token_count"] == 6
    assert one["same_token_count_invalid"] == 3


def test_several_files_have_a_total(file: Path) -> None:
    result = json.loads(check(file, file, "--json").stdout)
    assert [one["successes"] for one in result["files"]] == [7, 7]
    assert result["all"]["successes"] == 14
    assert "all files" in check(file, file).output


def test_metrics_in_both_readings(file: Path) -> None:
    (one,) = json.loads(check(file, "--json", "--metrics").stdout)["files"]
    reference, sound = one["metrics"]["reference"], one["metrics"]["sound"]
    assert {"asr", "amq", "icr", "tcr", "acs", "aed"} <= reference.keys() & sound.keys()
    assert reference["asr"] == pytest.approx(100 * 6 / 8)
    assert sound["asr"] == pytest.approx(100 * 3 / 8)
    assert reference["amq"] == 100
    assert reference["acs"] is None
    assert "encode" in one["metrics"]["unavailable"]["acs"]
    assert "reference" in check(file, "--metrics").output


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
def test_a_row_per_example(file: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"rows.{suffix}"
    assert check(file, "--out", out).exit_code == 0
    read = {"parquet": pl.read_parquet, "jsonl": pl.read_ndjson, "csv": pl.read_csv}[suffix]
    frame = read(out)  # type: ignore[operator]
    assert frame.height == 8
    rows = {row["attack"]: row for row in frame.iter_rows(named=True)}
    assert rows["valid"]["valid"] is True
    assert rows["capture"]["reasons"] == "not_injective capture"
    assert rows["capture"]["first_line"] == 2
    assert rows["flattened"]["restored_code"] == EDITS["valid"]
    assert frame["valid"].null_count() == 1
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_strict_holds_to_our_own_rules(file: Path) -> None:
    (one,) = json.loads(check(file, "--json", "--strict").stdout)["files"]
    assert one["valid"] == 2
    assert one["reasons"]["function_name"] == 1


@pytest.mark.skipif(shutil.which("javac") is None, reason="no javac on this machine")
def test_the_compiler_as_second_witness(file: Path) -> None:
    (one,) = json.loads(check(file, "--json", "--compile").stdout)["files"]
    assert one["compiler"]["name"] == "javac"
    assert one["compiler"]["asked"] == 7
    assert one["compiler"]["valid_but_new_errors"] == 0
    assert "second witness: javac" in check(file, "--compile").output


@pytest.mark.skipif(shutil.which("javac") is None, reason="no javac on this machine")
def test_the_compiler_decides_what_the_snippet_leaves_open(tmp_path: Path) -> None:
    original = "class A { static Object in = System.in; }"
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"original": original, "adversarial": original.replace("in ", "line ", 1)
                                .replace("System.in", "System.line")}))  # fmt: skip
    (one,) = json.loads(check(path, "--json").stdout)["files"]
    assert (one["valid"], one["undecided"]) == (1, 1)
    (one,) = json.loads(check(path, "--json", "--compile").stdout)["files"]
    assert (one["valid"], one["reasons"]) == (0, {"renames_field": 1})


def test_language_from_the_file_the_column_or_the_option(tmp_path: Path) -> None:
    rows = [("def f(a):\n    return a + 1\n", "def f(b):\n    return b + 1\n")]
    rows += [("int f(struct s *a)\n{\n    return a->x;\n}\n", "int f(struct s *b)\n{\n    return b->x;\n}\n")]
    for language, (before, after) in zip(("python", "c"), rows, strict=True):
        path = tmp_path / f"{language}.jsonl"
        path.write_text(json.dumps({"original": before, "adversarial": after}))
        (one,) = json.loads(check(path, "--json").stdout)["files"]
        assert one["languages"] == {language: 1}
        assert one["valid"] == 1
        wrong = "python" if language == "c" else "java"
        (one,) = json.loads(check(path, "--json", "--language", wrong).stdout)["files"]
        assert one["languages"] == {wrong: 1}
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text(
        "\n".join(
            json.dumps({"original": before, "adversarial": after, "language": language})
            for language, (before, after) in zip(("Python3", "C"), rows, strict=True)
        )
    )
    (one,) = json.loads(check(mixed, "--json").stdout)["files"]
    assert one["languages"] == {"python": 1, "c": 1}
    mixed.write_text(json.dumps({"original": "a", "adversarial": "b", "language": "cobol"}))
    result = check(mixed)
    assert result.exit_code == 2
    assert "mixed.jsonl:1: unknown language 'cobol'" in result.output + (result.stderr or "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.csv"], "nothing.csv: no such file"),
        (["{file}", "--language", "jva"], "Did you mean 'java'"),
        (["{file}", "--original", "Orig"], "no column 'Orig'"),
        (["{file}", "--out", "rows.xlsx"], ".parquet, .jsonl or .csv"),
        (["{file}", "--html", "nowhere/page.html"], "nowhere: no such folder"),
    ],
)
def test_errors_exit_2_with_a_message(file: Path, arguments: list[str], message: str) -> None:
    result = check(*[argument.format(file=file) for argument in arguments])
    assert result.exit_code == 2
    assert message in result.output + (result.stderr or "")


def test_no_success_is_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text("original_code,adversarial_code,Type\nint a;,,0\n")
    result = check(path)
    assert result.exit_code == 0
    assert "no success" in result.output
    page = tmp_path / "page.html"
    (one,) = json.loads(check(path, "--json", "--metrics", "--html", page).stdout)["files"]
    assert one["invalid_percent"] is None
    assert "no success to judge" in page.read_text()


@pytest.mark.bench_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "digits"),
    [
        ("alert", {"asr": "6.85", "amq": "1257", "icr": "4.13", "tcr": "0.80", "aed": "95.2"}),
        ("beam", {"asr": "11.84", "amq": "2385", "icr": "4.52", "tcr": "1.02", "aed": "82.0"}),
    ],
)
def test_published_metrics_to_the_digit(bench_data: Path, name: str, digits: dict[str, str]) -> None:
    path = bench_data / f"published-attacks/gcj_codebert_{name}.csv.gz"
    (one,) = json.loads(check(path, "--json", "--metrics").stdout)["files"]
    for metric, shown in digits.items():
        places = len(shown.partition(".")[2])
        assert f"{one['metrics']['reference'][metric]:.{places}f}" == shown, metric


@pytest.mark.bench_data
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
def test_compiler_refutes_nothing_of_the_reference_runs(bench_data: Path) -> None:
    runs = sorted((bench_data / "reference-runs").glob("*.csv.gz"))
    devign = bench_data / "devign/test_0_1366.jsonl.gz"
    whole = json.loads(check(*runs, "--originals", devign, "--json", "--compile").stdout)["all"]
    assert whole["successes"] == 217
    assert 10 < whole["invalid_percent"] < 30
    assert whole["compiler"]["valid_but_new_errors"] <= 1
