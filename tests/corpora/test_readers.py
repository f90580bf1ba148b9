from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import polars
import pytest

from durometer.corpora.base import CORPORA, Corpus
from durometer.corpora.files import Damage, existing, json_lines, lines
from durometer.corpora.spec import CorpusSpec, parse_spec
from durometer.corpora.splits import divided_by_group, split_of
from durometer.corpora.summaries import without_docstring
from durometer.errors import InputError, UnknownNameError
from durometer.types import Sample

FUNCTIONS = {"1": "int a() { return 1; }", "2": "int b() { return 2; }", "3": "int c() { return 3; }"}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = text.encode("utf-8", "surrogateescape")
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


def rows(*values: dict[str, object]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def read(spec: str, task: str, **options: object) -> Corpus:
    return parse_spec(spec).read(task, options)


# --- names -----------------------------------------------------------------------------------------


def test_spec_parts() -> None:
    assert parse_spec("bigclonebench:some/dir#test") == CorpusSpec("bigclonebench", "some/dir", "test")
    assert parse_spec("jsonl:C#/x.jsonl") == CorpusSpec("jsonl", "C#/x.jsonl", None)
    assert str(parse_spec("devign:f.jsonl#all")) == "devign:f.jsonl#all"


@pytest.mark.parametrize("text", ["", "devign", "devign:", ":x", "devign:x#", "devign:#test"])
def test_spec_errors_show_the_form(text: str) -> None:
    with pytest.raises(InputError, match="FORMAT:PATH"):
        parse_spec(text)


def test_unknown_format_suggests() -> None:
    with pytest.raises(UnknownNameError, match="bigclonebench"):
        parse_spec("bigclonebnch:x")


OURS = [name for name in CORPORA if CORPORA.get(name).__module__.startswith("durometer.")]


@pytest.mark.parametrize("name", OURS)
def test_every_reader_says_that_nothing_is_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder") as caught:
        read(f"{name}:{tmp_path}/nothing.x", "clone")
    assert "nothing.x" in str(caught.value)


def test_the_folder_that_one_stands_in_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no train, valid or test file"):
        read("jsonl:.", "clone")


@pytest.mark.parametrize(
    ("name", "split"),
    [("test_0_1366.jsonl", "test"), ("valid.txt", "valid"), ("dev.jsonl.gz", "valid"), ("latest.csv", None)],
)
def test_split_said_by_a_file_name(name: str, split: str | None) -> None:
    assert split_of(name) == split


# --- files -----------------------------------------------------------------------------------------


def test_gzip_is_known_by_content_and_found_without_its_suffix(write: Callable[[str, str], Path]) -> None:
    path = write("a.jsonl.gz", rows({"x": 1}))
    assert existing(path.with_suffix("")) == path
    assert list(json_lines(path, Damage())) == [(1, {"x": 1})]
    renamed = path.rename(path.parent / "b.jsonl")
    assert list(json_lines(renamed, Damage())) == [(1, {"x": 1})]


def test_bytes_that_are_no_text_survive(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"caf\xe9\r\nsecond")
    assert list(lines(path)) == [(1, "caf\udce9"), (2, "second")]


def test_line_separators_inside_a_record_do_not_shift_line_numbers(write: Callable[[str, str], Path]) -> None:
    path = write("a.jsonl", '{"func": "a\u2028b\x85"}\n{"func": 1\n')
    with pytest.raises(InputError, match=r"a\.jsonl:2: not JSON"):
        list(json_lines(path, Damage()))


def test_damaged_gzip_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(rows(*({"x": i} for i in range(9999))).encode())[:2000])
    with pytest.raises(InputError, match=r"a\.jsonl\.gz:\d+: damaged gzip"):
        list(json_lines(path, Damage()))


def test_known_damage_is_skipped_and_counted_by_line(write: Callable[[str, str], Path]) -> None:
    good = json.dumps({"func": "int f;", "target": 1})
    path = write("test.jsonl", f'{good}\n{{"func": "it\\\'s", "target": 0}}\n>>> {good}\n\n{good}\n')
    corpus = read(f"devign:{path}", "vulnerability")
    assert len(corpus.splits["test"]) == 2
    assert corpus.notes["skipped: invalid escape \\' in JSON"] == "1 (test.jsonl:2)"
    assert corpus.notes["skipped: stray prefix before the record"] == "1 (test.jsonl:3)"


def test_unknown_damage_stops_with_file_and_line(write: Callable[[str, str], Path]) -> None:
    path = write("test.jsonl", rows({"func": "f", "target": 0}) + "{broken\n")
    with pytest.raises(InputError, match=r"test\.jsonl:2: not JSON"):
        read(f"devign:{path}", "vulnerability")
    path = write("test.jsonl", "[1]\n")
    with pytest.raises(InputError, match=r"test\.jsonl:1: a JSON object per line, not list"):
        read(f"devign:{path}", "vulnerability")


def test_only_damage_is_an_error(write: Callable[[str, str], Path]) -> None:
    path = write("test.jsonl", "x {}\n")
    with pytest.raises(InputError, match="no usable rows"):
        read(f"devign:{path}", "vulnerability")


# --- formats ---------------------------------------------------------------------------------------


@pytest.fixture
def bigclonebench(write: Callable[[str, str], Path]) -> Path:
    path = write("bcb/data.jsonl.gz", rows(*({"idx": k, "func": v} for k, v in FUNCTIONS.items())))
    write("bcb/train.txt", "1\t2\t1\n1 3 0\n1\t2\t1\n")
    write("bcb/valid_sampled.txt", "2 3 1\n3 2 0\n")
    write("bcb/test_sampled.txt.gz", "1 2 1\n2\t9\t0\n2 3 -1\n3\t1\t0\tnan\nnote: 3 1 0\n")
    return path.parent


@pytest.mark.parametrize("name", ["bigclonebench", "googlecodejam"])
def test_pairs_blank_or_tab_separated(bigclonebench: Path, name: str) -> None:
    corpus = read(f"{name}:{bigclonebench}", "clone")
    assert {k: len(v) for k, v in corpus.splits.items()} == {"train": 3, "valid": 2, "test": 2}
    first = corpus.splits["test"][0]
    assert (first.code, first.other, first.label, first.language) == (
        FUNCTIONS["1"],
        FUNCTIONS["2"],
        1,
        "java",
    )
    assert [s.id for s in corpus.splits["train"]] == ["1-2", "1-3", "1-2@2"]
    assert corpus.notes["repeated rows in train"] == "1"
    assert corpus.notes["skipped: pair that names a missing function"] == "1 (test_sampled.txt.gz:2)"
    assert corpus.notes["skipped: pair without a label (-1)"] == "1 (test_sampled.txt.gz:3)"
    assert corpus.notes["skipped: stray prefix before the record"] == "1 (test_sampled.txt.gz:5)"
    assert corpus.notes["test snippets also in train"] == "3 of 3"


def test_one_split_by_name_or_by_stem(bigclonebench: Path) -> None:
    assert list(read(f"bigclonebench:{bigclonebench}#test", "clone").splits) == ["test"]
    assert list(read(f"bigclonebench:{bigclonebench}#valid_sampled", "clone").splits) == ["valid"]
    with pytest.raises(InputError, match="no file for the split 'tset'"):
        read(f"bigclonebench:{bigclonebench}#tset", "clone")


def test_a_pair_line_that_is_none(bigclonebench: Path, write: Callable[[str, str], Path]) -> None:
    write("bcb/train.txt", "1 2 1\n1 2\n")
    with pytest.raises(InputError, match=r"train\.txt:2: not 'id1 id2 label'"):
        read(f"bigclonebench:{bigclonebench}#train", "clone")


def test_two_functions_with_one_id(bigclonebench: Path, write: Callable[[str, str], Path]) -> None:
    write("bcb/data.jsonl.gz", rows({"idx": 1, "func": "a"}, {"idx": "1", "func": "b"}))
    with pytest.raises(InputError, match=r"data\.jsonl\.gz:2: a second, different function"):
        read(f"bigclonebench:{bigclonebench}#train", "clone")


def test_devign_file_array_and_folder(write: Callable[[str, str], Path]) -> None:
    data = [{"func": f"int f{i};", "target": i % 2, "project": "p", "commit_id": f"c{i}"} for i in range(60)]
    whole = read(f"devign:{write('function.json', json.dumps(data))}", "vulnerability")
    assert set(whole.splits) == {"train", "valid", "test"}
    assert sum(map(len, whole.splits.values())) == 60
    assert whole.splits["train"][0].meta["project"] == "p"
    assert len(read(f"devign:{write('f.json', json.dumps(data))}#all", "vulnerability").splits["test"]) == 60
    folder = write("d/train.jsonl", rows(*data[:4])).parent
    write("d/test.jsonl", rows(*data[4:6]))
    assert {k: len(v) for k, v in read(f"devign:{folder}", "vulnerability").splits.items()} == {
        "train": 4,
        "test": 2,
    }


def test_labels_and_fields_are_checked(write: Callable[[str, str], Path]) -> None:
    path = write("test.jsonl", rows({"func": "f", "target": 2}))
    with pytest.raises(InputError, match=r"test\.jsonl:1: field 'target' is 2, not 0 or 1"):
        read(f"devign:{path}", "vulnerability")
    path = write("test.jsonl", rows({"function": "f", "target": 1}))
    with pytest.raises(InputError, match=r"no field 'func' or 'code'\n  Fields here: function, target"):
        read(f"devign:{path}", "vulnerability")
    path = write("test.jsonl", rows({"func": ["f"], "target": 1}))
    with pytest.raises(InputError, match="holds list, not text"):
        read(f"devign:{path}", "vulnerability")


def test_one_class_data_and_repeated_ids_are_noted(write: Callable[[str, str], Path]) -> None:
    path = write("test.jsonl", rows(*({"idx": 7, "func": f"f{i}", "target": 1} for i in range(3))))
    corpus = read(f"devign:{path}", "vulnerability")
    assert corpus.notes["only one class in test"] == "label 1"
    assert corpus.notes["different rows with one id in test"] == "2"
    assert [s.id for s in corpus.splits["test"]] == ["7", "7@2", "7@3"]


def test_juliet_and_owasp_keep_their_cwe(write: Callable[[str, str], Path]) -> None:
    data = [{"idx": i, "func": f"f{i}", "label": i % 2, "cwe": i % 12, "flow": "01"} for i in range(48)]
    path = write("data.jsonl", rows(*data))
    for name in ("juliet", "owasp"):
        corpus = read(f"{name}:{path}", "vulnerability")
        groups = [{s.group for s in samples} for samples in corpus.splits.values()]
        assert sum(map(len, groups)) == len(set().union(*groups)) == 12
        assert corpus.splits["train"][0].meta["cwe"] == corpus.splits["train"][0].group


def test_codesearchnet_reference_is_the_first_paragraph(write: Callable[[str, str], Path]) -> None:
    python = 'def f(a):\n    """Add one.\n\n    More."""\n    return a + 1\n'
    path = write(
        "test.jsonl",
        rows(
            {"code": python, "docstring": "Add\n   one.\n\nMore.", "language": "python", "repo": "r"},
            {"code_tokens": ["int", "f", "(", ")"], "docstring_tokens": ["Adds", "two"], "path": "a/B.java"},
            {"code": "x", "docstring": "  ", "language": "go"},
        ),
    )
    corpus = read(f"codesearchnet:{path}", "summarization")
    first, second = corpus.splits["test"]
    assert (first.reference, first.code, first.group) == ("Add one.", "def f(a):\n    return a + 1\n", "r")
    assert (second.reference, second.code, second.language) == ("Adds two", "int f ( )", "java")
    assert corpus.notes["skipped: no words in the docstring"] == "1 (test.jsonl:3)"
    assert second.label is None


def test_codesearchnet_without_a_language_asks_for_it(write: Callable[[str, str], Path]) -> None:
    path = write("test.jsonl", rows({"code": "x", "docstring": "y"}))
    with pytest.raises(InputError, match="Set the option 'language'"):
        read(f"codesearchnet:{path}", "summarization")
    assert read(f"codesearchnet:{path}", "summarization", language="go").splits["test"][0].language == "go"


def test_tlcodesum(write: Callable[[str, str], Path]) -> None:
    path = write("train.json", rows({"id": 1, "code": "int f ( ) ;", "comment": "does it", "api_seq": []}))
    (sample,) = read(f"tlcodesum:{path}", "summarization").splits["train"]
    assert (sample.code, sample.reference, sample.language) == ("int f ( ) ;", "does it", "java")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('def f():\n    "doc"\n', "def f():\n    pass"),
        ('def f(): "doc"; return 1\n', "def f():\n    return 1"),
        ('def f():\n    """a\n    b"""\n    # kept\n    return 1\n', "def f():\n    # kept\n    return 1\n"),
        ("def f(:\n", "def f(:\n"),
        ("x = 1\n", "x = 1\n"),
    ],
)
def test_docstrings_go_and_all_else_stays(source: str, expected: str) -> None:
    assert without_docstring(source) == expected


TABLE = [
    {"n": 1, "left": "int a;", "right": "int b;", "same": 1, "author": "x"},
    {"n": 2, "left": "int c;", "right": "int d;\n// é", "same": 0, "author": "y"},
]
COLUMNS = {"id": "n", "code": "left", "other": "right", "label": "same"}


@pytest.mark.parametrize("name", ["jsonl", "csv", "parquet"])
def test_tables_of_any_kind_give_the_same_samples(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"test.{name}"
    frame = polars.DataFrame(TABLE)
    {"jsonl": frame.write_ndjson, "csv": frame.write_csv, "parquet": frame.write_parquet}[name](path)
    corpus = read(f"{name}:{path}", "clone", columns=COLUMNS, language="c")
    assert [(s.id, s.code, s.other, s.label, s.language) for s in corpus.splits["test"]] == [
        ("1", "int a;", "int b;", 1, "c"),
        ("2", "int c;", "int d;\n// é", 0, "c"),
    ]
    assert corpus.splits["test"][0].meta == {"author": "x"}
    given = ",".join(f"{field}={column}" for field, column in COLUMNS.items())
    spec = parse_spec(f"{name}:{path}:language=c,{given}#test")
    assert spec.read("clone").splits == corpus.splits
    assert parse_spec(str(spec)) == spec


def test_tables_say_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    polars.DataFrame(TABLE).write_ndjson(path)
    with pytest.raises(InputError, match="no column 'language'"):
        read(f"jsonl:{path}", "clone", columns=COLUMNS)
    with pytest.raises(InputError, match="no field 'code'"):
        read(f"jsonl:{path}", "clone", language="c")
    with pytest.raises(InputError, match="unknown field 'text'"):
        read(f"jsonl:{path}", "clone", columns={"text": "left"})
    broken = tmp_path / "test.csv"
    broken.write_text("code,label\na,1\nb\n")
    with pytest.raises(InputError, match=r"test\.csv:3: more or fewer fields"):
        read(f"csv:{broken}", "vulnerability", language="c")
    broken.write_text('code,label\n"a\nb",1\n\n"c\nd",2\n')
    with pytest.raises(InputError, match=r"test\.csv:5: field 'label' is '2'"):
        read(f"csv:{broken}", "vulnerability", language="c")
    broken.write_text('code,label\na,1\n"b,1\n')
    with pytest.raises(InputError, match=r"test\.csv:3: not CSV"):
        read(f"csv:{broken}", "vulnerability", language="c")
    (tmp_path / "test.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="not Parquet"):
        read(f"parquet:{tmp_path / 'test.parquet'}", "vulnerability", language="c")


def test_division_by_group_is_fixed_and_whole() -> None:
    samples = [Sample(str(i), f"x{i}", "c", 0, group=str(i % 40)) for i in range(400)]
    splits = divided_by_group(samples)
    assert splits == divided_by_group(samples)
    assert sum(map(len, splits.values())) == 400
    groups = [{s.group for s in members} for members in splits.values()]
    assert sum(map(len, groups)) == 40


# --- real data -------------------------------------------------------------------------------------


@pytest.mark.bench_data
@pytest.mark.parametrize(
    ("spec", "task", "sizes"),
    [
        ("bigclonebench:bigclonebench#test", "clone", {"test": 4000}),
        ("devign:devign/test_0_1366.jsonl#test", "vulnerability", {"test": 1366}),
        ("owasp:owasp-benchmark-java/data.jsonl.gz#all", "vulnerability", {"test": 2740}),
        ("juliet:juliet-java/data.jsonl#all", "vulnerability", {"test": 10945}),
        ("codesearchnet:codesearchnet/java_eval.jsonl#all", "summarization", {"test": 3502}),
        ("codesearchnet:codesearchnet/python_eval.jsonl#all", "summarization", {"test": 7469}),
    ],
)
def test_real_files_are_read_whole(bench_data: Path, spec: str, task: str, sizes: dict[str, int]) -> None:
    name, _, path = spec.partition(":")
    corpus = read(f"{name}:{bench_data / path}", task)
    assert {key: len(value) for key, value in corpus.splits.items()} == sizes
    assert not any(note.startswith("skipped") for note in corpus.notes)
    for samples in corpus.splits.values():
        assert len({s.id for s in samples}) == len(samples)


@pytest.mark.bench_data
def test_real_pairs_without_labels_are_skipped_and_counted(bench_data: Path) -> None:
    folder = f"bigclonebench:{bench_data / 'bigclonebench'}"
    labelled = read(f"{folder}#teacher_predictions_label_train", "clone")
    assert len(labelled.splits["train"]) == 45051
    with pytest.raises(InputError, match=r"pair without a label \(-1\): 45051 \(teacher_predictions_unlabel"):
        read(f"{folder}#teacher_predictions_unlabel_train", "clone")


@pytest.mark.bench_data
@pytest.mark.parametrize(
    ("name", "path", "task"),
    [
        ("devign", "devign/test_0_1366.jsonl.gz", "vulnerability"),
        ("juliet", "juliet-java/data.jsonl.gz", "vulnerability"),
        ("codesearchnet", "codesearchnet/python_eval.jsonl.gz", "summarization"),
    ],
)
def test_real_lines_damaged_as_in_the_wild_are_skipped_by_line(
    bench_data: Path, tmp_path: Path, name: str, path: str, task: str
) -> None:
    """The two kinds of damage on real records: an escaped quote that JSON has not, a prefix on the line."""
    records = [text for _, text in lines(bench_data / path)][:60]
    records[10] = "INFO: " + records[10]
    records[20:22] = [text[:-1] + ', "said": "it\\\'s"}' for text in records[20:22]]
    file = f"test_{Path(path).stem}"
    (tmp_path / file).write_text("\n".join(records), encoding="utf-8")
    corpus = read(f"{name}:{tmp_path / file}", task)
    assert len(corpus.splits["test"]) == 57
    assert corpus.notes["skipped: stray prefix before the record"] == f"1 ({file}:11)"
    assert corpus.notes["skipped: invalid escape \\' in JSON"] == f"2 ({file}:21, {file}:22)"
