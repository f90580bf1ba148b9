"""A file of teacher predictions: its layouts, how it meets the data, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from durometer.compress.teacher import kept, match, read_predictions
from durometer.errors import InputError
from durometer.types import Sample

PAIR = Sample("a-b", "int a;", "java", label=1, other="int b;", meta={"first": "a", "second": "b"})


def write(folder: Path, text: str) -> str:
    path = folder / "teacher.txt"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b 1 1\na b 1\n", r"teacher.txt:2.*3 fields, not 'id1 id2 label teacher"),
        ("a b 2 1\n", r"teacher.txt:1.*label '2'"),
        ("a b 1 0.7\n", r"teacher.txt:1.*class '0.7'"),
        ("a b 1 0.7 0.7\n", r"teacher.txt:1.*add up to 1"),
        ("a b 1 0.7 x\n", r"teacher.txt:1.*numbers"),
        ("\n", "no predictions"),
    ],
)
def test_a_broken_file_says_where(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_predictions(write(tmp_path, text), pair=True, classes=2)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for name in ("none.txt", "none*.txt"):
        with pytest.raises(InputError, match="none"):
            read_predictions(str(tmp_path / name), pair=True, classes=2)


def test_classes_and_probabilities(tmp_path: Path) -> None:
    first, second = read_predictions(write(tmp_path, "x 0 1\ny -1 0.25 0.75\n"), pair=False, classes=2)
    assert (first.ids, first.label, first.probabilities) == (("x",), 0, (0.0, 1.0))
    assert (second.label, second.probabilities) == (None, (0.25, 0.75))


def test_pairs_meet_the_data(tmp_path: Path) -> None:
    answers = read_predictions(write(tmp_path, "a b -1 1\nb a 0 0\na z 1 1\n"), pair=True, classes=2)
    samples, matched = match(answers, [PAIR], where="f")
    assert [(s.code, s.other, s.label) for s in samples] == [
        ("int a;", "int b;", None),
        ("int b;", "int a;", 0),
    ]
    assert len(matched) == 2


def test_predictions_for_other_data_are_refused(tmp_path: Path) -> None:
    contradiction = read_predictions(write(tmp_path, "a b 0 1\n"), pair=True, classes=2)
    with pytest.raises(InputError, match=r"teacher.txt:1.*data says 1"):
        match(contradiction, [PAIR], where="f")
    stranger = read_predictions(write(tmp_path, "x y 0 1\n"), pair=True, classes=2)
    with pytest.raises(InputError, match="no line names a snippet"):
        match(stranger, [PAIR], where="f")


def test_what_a_teacher_said_before_a_kill_is_not_asked_again(tmp_path: Path) -> None:
    path, asked = tmp_path / "work" / "teacher.states", []

    def ask(index: int) -> bytes:
        asked.append(index)
        return bytes([index, 10, 0])

    answers = kept(path, 5, ask)
    assert [next(answers) for _ in range(3)] == [ask(i) for i in range(3)]
    answers.close()
    with path.open("ab") as file:
        file.write(b"AwoA")  # torn: no end of line
    asked.clear()
    assert [list(kept(path, 5, ask)) for _ in range(2)] == [[bytes([i, 10, 0]) for i in range(5)]] * 2
    assert asked == [3, 4]
