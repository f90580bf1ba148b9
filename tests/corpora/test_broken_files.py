"""Every reader on every kind of broken file: what is wrong, where, what to do; nothing else escapes."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars
import pytest

from durometer.cli import main
from durometer.corpora.base import CORPORA, Corpus
from durometer.corpora.spec import parse_spec
from durometer.errors import InputError

CODE = "int f(int a) { return a; }"
ROW = {"code": CODE, "label": 1, "language": "java"}
Rows = Sequence[dict[str, Any]]


def json_lines(rows: Rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def table(rows: Rows) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[-1]))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def parquet(rows: Rows) -> bytes:
    """Encode all rows, or the last where their columns or types differ (one table has one schema)."""
    file = io.BytesIO()
    shapes = {tuple((key, type(value)) for key, value in row.items()) for row in rows}
    polars.DataFrame(rows if len(shapes) == 1 else rows[-1:]).write_parquet(file)
    return file.getvalue()


@dataclass(frozen=True)
class Format:
    """A good row, how rows become bytes, and what the file and its second row are called in a message."""

    task: str
    row: dict[str, Any]
    encode: Callable[[Rows], bytes] = json_lines
    file: str = "test.x"
    line: str = "test.x:2"

    def write(self, folder: Path, name: str, data: bytes | None) -> str:
        """Write ``data`` (None: a folder) as the reader's file; return the corpus's name."""
        folder.mkdir()
        path = folder / self.file
        path.mkdir() if data is None else path.write_bytes(data)
        whole = name == "hub" or self.file == "data.jsonl"
        if self.file == "data.jsonl":
            (folder / "test.txt").write_text("1 1 1\n")
        return f"{name}:{folder if whole else path}"

    def field(self, value: str) -> str:
        return next(key for key, held in self.row.items() if held == value)


PAIRS = Format("clone", {"func": CODE, "idx": "1"}, file="data.jsonl", line="data.jsonl:2")
FORMATS = {
    "bigclonebench": PAIRS,
    "googlecodejam": PAIRS,
    "devign": Format("vulnerability", {"func": CODE, "target": 1}),
    "owasp": Format("vulnerability", {"func": CODE, "label": 1, "cwe": 89}),
    "juliet": Format("vulnerability", {"func": CODE, "label": 1, "cwe": 89}),
    "codesearchnet": Format("summarization", {"code": CODE, "docstring": "Say it.", "language": "java"}),
    "tlcodesum": Format("summarization", {"code": CODE, "comment": "Say it."}),
    "jsonl": Format("vulnerability", ROW),
    "csv": Format("vulnerability", ROW, table, line="test.x:3"),
    "parquet": Format("vulnerability", ROW, parquet, line="test.x:1"),
    "hub": Format("vulnerability", ROW, file="test.jsonl", line="#test:2"),
}
OURS = [name for name in CORPORA if CORPORA.get(name).__module__.startswith("durometer.")]
LABELLED = [name for name, form in FORMATS.items() if {"label", "target"} & set(form.row)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "hub" in request.node.name:
        pytest.importorskip("datasets")
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def read(spec: str, task: str) -> Corpus:
    return parse_spec(spec).read(task)


def complaint(spec: str, task: str) -> str:
    """Return the message, which must say where and, on a line of its own, what to do."""
    with pytest.raises(InputError) as caught:
        read(spec, task)
    assert caught.value.where
    assert caught.value.hint
    return str(caught.value)


def test_every_reader_is_tried() -> None:
    assert set(FORMATS) == set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_a_good_file_is_read(name: str, tmp_path: Path) -> None:
    form = FORMATS[name]
    corpus = read(form.write(tmp_path / "d", name, form.encode([form.row])), form.task)
    assert [len(samples) for samples in corpus.splits.values()] == [1]


@pytest.mark.parametrize("name", OURS)
def test_a_missing_field_is_named_with_those_that_are_there(name: str, tmp_path: Path) -> None:
    form = FORMATS[name]
    code = form.field(CODE)
    without = {key: value for key, value in form.row.items() if key != code}
    first, line = (without, "test.x:2") if form.encode is table else (form.row, form.line)
    message = complaint(form.write(tmp_path / "d", name, form.encode([first, without])), form.task)
    assert f"{line}: no field {code!r}" in message
    assert "Fields here: " in message
    assert all(field in message.partition("Fields here: ")[2] for field in without)


@pytest.mark.parametrize("name", [name for name in OURS if name not in ("csv", "hub")])
def test_a_wrong_type_is_named(name: str, tmp_path: Path) -> None:
    form = FORMATS[name]
    wrong = {**form.row, form.field(CODE): 5}
    message = complaint(form.write(tmp_path / "d", name, form.encode([form.row, wrong])), form.task)
    assert f"{form.line}: field {form.field(CODE)!r} holds int, not text" in message


@pytest.mark.parametrize("name", LABELLED)
def test_an_unknown_label_is_shown(name: str, tmp_path: Path) -> None:
    form = FORMATS[name]
    label = next(key for key in ("label", "target") if key in form.row)
    good, wrong = {**form.row, label: 0}, {**form.row, label: "may be"}
    message = complaint(form.write(tmp_path / "d", name, form.encode([good, wrong])), form.task)
    assert f"{form.line}: field {label!r} is 'may be', not 0 or 1" in message


@pytest.mark.parametrize("name", ["bigclonebench", "googlecodejam"])
def test_an_unknown_label_of_a_pair_is_a_line(name: str, tmp_path: Path) -> None:
    spec = PAIRS.write(tmp_path / "d", name, json_lines([PAIRS.row]))
    (tmp_path / "d" / "test.txt").write_text("1 1 1\n1 1 2\n")
    assert "test.txt:2: not 'id1 id2 label' with label 0 or 1" in complaint(spec, "clone")


@pytest.mark.parametrize("name", OURS)
def test_an_empty_file_is_no_corpus(name: str, tmp_path: Path) -> None:
    form = FORMATS[name]
    message = complaint(form.write(tmp_path / "d", name, b""), form.task)
    assert str(tmp_path / "d") in message
    assert any(words in message for words in ("no usable rows", "not Parquet", "cannot be loaded"))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("place", ["nothing.x", "no/folder/at/all"])
def test_nothing_is_there(name: str, place: str, tmp_path: Path) -> None:
    assert f"{tmp_path}/{place}: no such file or folder" in complaint(
        f"{name}:{tmp_path}/{place}", FORMATS[name].task
    )


@pytest.mark.parametrize("name", [name for name in OURS if name != "hub"])
def test_a_folder_in_place_of_a_file(name: str, tmp_path: Path) -> None:
    form = FORMATS[name]
    message = complaint(form.write(tmp_path / "d", name, None), form.task)
    assert f"{tmp_path / 'd' / form.file}: " in message
    assert "no train, valid or test file" in message or "Is a directory" in message


@pytest.mark.parametrize("name", OURS)
def test_the_folder_that_one_stands_in(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert complaint(f"{name}:.", FORMATS[name].task).startswith((".: ", "data.jsonl: "))


@pytest.mark.parametrize("name", OURS)
def test_a_file_that_was_cut_in_transit(name: str, tmp_path: Path) -> None:
    form = FORMATS[name]
    rows = [{**form.row, form.field(CODE): f"{CODE} // {i * i}", "idx": i} for i in range(2000)]
    cut = parquet(rows)[:-9] if form.encode is parquet else gzip.compress(form.encode(rows))[:3000]
    message = complaint(form.write(tmp_path / "d", name, cut), form.task)
    assert any(words in message for words in ("damaged gzip data", "not Parquet", "cannot be loaded"))
    if form.encode is not parquet and name != "hub":
        assert f"{form.file}:" in message.partition(": damaged")[0]


@pytest.mark.parametrize("name", [name for name in OURS if name not in ("parquet", "hub")])
def test_bytes_that_are_no_utf8_are_kept_and_counted(name: str, tmp_path: Path) -> None:
    form = FORMATS[name]
    data = form.encode([form.row]).replace(b"return", b"ret\xfcrn")
    corpus = read(form.write(tmp_path / "d", name, data), form.task)
    line = 2 if form.encode is table else 1
    assert corpus.notes["kept: bytes that are no UTF-8"] == f"1 ({form.file}:{line})"
    (samples,) = corpus.splits.values()
    assert samples[0].code.encode("utf-8", "surrogateescape") == CODE.encode().replace(b"u", b"\xfc", 1)


def test_the_hub_takes_utf8_only(tmp_path: Path) -> None:
    data = json_lines([ROW]).replace(b"return", b"ret\xfcrn")
    message = complaint(FORMATS["hub"].write(tmp_path / "d", "hub", data), "vulnerability")
    assert "#test:1: not UTF-8" in message


def long(i: int) -> str:
    """Return a function of 40 statements of its own; a change of one leaves a near duplicate."""
    return f"int f{i}(int a) {{\n" + "".join(f"  a += {i}{k} * a;\n" for k in range(40)) + "return a;\n}\n"


TEXTS = {
    "train": [long(1), long(2), long(3)],
    "test": [long(1) + "\n\n", long(2).replace("a += 220 ", "a -= 777 "), long(4), long(5)],
}


@pytest.mark.parametrize("name", OURS)
def test_leakage_one_class_and_repeated_ids_are_noted(name: str, tmp_path: Path) -> None:
    """Of four test snippets, one is in training word for word and one nearly; all have one id and label."""
    form = FORMATS[name]
    code = form.field(CODE)
    if form is PAIRS:
        texts = [text for split in TEXTS.values() for text in split]
        (tmp_path / "data.jsonl").write_bytes(json_lines([{code: t, "idx": i} for i, t in enumerate(texts)]))
        (tmp_path / "train.txt").write_text("0 1 1\n1 2 0\n")
        (tmp_path / "test.txt").write_text("3 4 1\n5 6 1\n3 4 1\n")
    else:
        suffix = "jsonl" if form.encode is json_lines else name
        for split, texts in TEXTS.items():
            rows = [{**form.row, code: text, "id": "x", "idx": "x"} for text in texts]
            (tmp_path / f"{split}.{suffix}").write_bytes(form.encode(rows))
    notes = read(f"{name}:{tmp_path}", form.task).notes
    assert notes["test snippets also in train"] == "1 of 4"
    assert notes["test snippets nearly in train"].startswith("1 of 4 ")
    repeated = (
        ("repeated rows in test", "1") if form is PAIRS else ("different rows with one id in test", "3")
    )
    assert notes[repeated[0]] == repeated[1]
    assert form.task == "summarization" or notes["only one class in test"] == "label 1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1' + "0" * 5000 + "}", "not JSON: Exceeds the limit"),
        ('{"a": ' + "[" * 100_000, "not JSON: maximum recursion depth"),
        ("5", "a JSON object per line, not int"),
    ],
    ids=["long number", "deep", "number"],
)
def test_json_that_python_itself_gives_up_on(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text(json.dumps(ROW) + "\n" + text + "\n")
    message = complaint(f"jsonl:{tmp_path}/test.jsonl", "vulnerability")
    assert f"test.jsonl:2: {words}" in message


def test_the_delimiter_is_one_character(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_bytes(table([ROW]))
    with pytest.raises(InputError, match="is not one character"):
        parse_spec(f"csv:{tmp_path}/test.csv").read("vulnerability", {"delimiter": "||"})


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("devign", b'{"func": "f", "target": 3}\n', "test.x:1: field 'target' is 3, not 0 or 1"),
        ("csv", b"code,label\n", "no usable rows"),
        ("jsonl", b"\x1f\x8b\x08\x00", "test.x:1: damaged gzip data"),
        ("csv", "\ufeffcode".encode("utf-16-be"), "test.x:1: UTF-16 text, not UTF-8\n  Convert it: iconv"),
        ("jsonl", gzip.compress("{}".encode("utf-32"), mtime=0), "test.x:1: UTF-32 text, not UTF-8"),
        ("jsonl", '{"code": "f"}'.encode("utf-16-le"), "test.x:1: UTF-16 text, not UTF-8"),
        ("jsonl", parquet([ROW]), "test.x:1: binary data, not UTF-8 text"),
        ("juliet", None, "test.x: no train, valid or test file"),
    ],
)
def test_the_command_line_says_it_and_fails(
    name: str,
    data: bytes | None,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec = FORMATS[name].write(tmp_path / "d", name, data)
    arguments = ["train", "--task", "vulnerability", "--data", spec, "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["durometer", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
