"""What is wrong with the data stands beside the numbers: ``eval`` on damaged files, as a user types it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from durometer.cli import main

CARD = Path(__file__).resolve().parents[2] / "examples" / "victims" / "codebert-3mb-clone.yaml"


@pytest.fixture
def damaged(bench_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write 40 real functions and pairs of them with the three kinds of damage and a leaking test pair."""
    from durometer.corpora.files import Damage, json_lines

    monkeypatch.setenv("DUROMETER_BENCH_DATA", str(bench_data))
    rows = []
    for _, row in json_lines(bench_data / "bigclonebench" / "data.jsonl.gz", Damage()):
        rows.append(json.dumps(row))
        if len(rows) == 40:
            break
    ids = [json.loads(row)["idx"] for row in rows]
    rows[3] = f">>> {rows[3]}"
    rows[4] = rows[4][:-2] + "// it\\'s" + rows[4][-2:]
    pairs = [f"{ids[i]}\t{ids[i + 1]}\t{i % 2}\n" for i in range(5, 39)]
    (tmp_path / "data.jsonl").write_text("\n".join(rows))
    (tmp_path / "train.txt").write_text("".join(pairs[:20]))
    (tmp_path / "test.txt").write_text(
        "".join(pairs[19:]) + f"{ids[5]} {ids[4]} 1\n{ids[5]} 0 0\npair: {ids[8]} {ids[9]} 1\n"
    )
    return tmp_path


def evaluate(folder: Path, *more: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words: Sequence[str] = ("eval", "--victim", str(CARD), "--data", f"bigclonebench:{folder}", *more)
    monkeypatch.setattr("sys.argv", ["durometer", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code


@pytest.mark.bench_data
def test_damage_and_leakage_are_counted_by_line(
    damaged: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(damaged, "--json", monkeypatch=monkeypatch)
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["samples"] == 15
    notes = numbers["notes"]
    assert notes.pop("test snippets also in train") == "2 of 16"  # the pair at the boundary
    assert notes.pop("test snippets nearly in train").startswith("5 of 16 ")
    assert notes == {
        "skipped: stray prefix before the record": "2 (data.jsonl:4, test.txt:18)",
        "skipped: invalid escape \\' in JSON": "1 (data.jsonl:5)",
        "skipped: pair that names a missing function": "2 (test.txt:16, test.txt:17)",
    }
    evaluate(damaged, monkeypatch=monkeypatch)
    error = capsys.readouterr().err
    assert all(f"note: {name}: {note}\n" in error for name, note in notes.items())
    assert "note: test snippets also in train: " in error
