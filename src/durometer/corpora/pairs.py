"""Clone pairs in CodeXGLUE's layout: ``data.jsonl`` (``idx``, ``func``) and files of ``id1 id2 label``.

BigCloneBench (Svajlenko et al., ICSME 2014) as CodeXGLUE and ALERT distribute it, and Google Code Jam as
BeamAttack does. Columns are separated by blanks or TABs; a fourth (a teacher's answer) is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from durometer.corpora.base import Corpus
from durometer.corpora.files import Damage, existing, first_present, json_lines, lines, text_field
from durometer.corpora.splits import finished, split_files
from durometer.errors import InputError
from durometer.types import Sample

LABELS = {"0": 0, "1": 1}


def bigclonebench(path: str, *, split: str | None, task: str, language: str = "java") -> Corpus:
    """Read BigCloneBench: a folder with ``data.jsonl[.gz]`` and ``train/valid/test[_…].txt[.gz]``.

    Source: Svajlenko et al., ICSME 2014, as CodeXGLUE and ALERT distribute it.
    """
    return _read("bigclonebench", path, split, task, language)


def googlecodejam(path: str, *, split: str | None, task: str, language: str = "java") -> Corpus:
    """Read Google Code Jam clone pairs, in the same layout as BigCloneBench.

    Source: Zhao and Huang, FSE 2018, as BeamAttack distributes it.
    """
    return _read("googlecodejam", path, split, task, language)


def _read(name: str, path: str, split: str | None, task: str, language: str) -> Corpus:
    folder, damage = existing(path), Damage()
    if not folder.is_dir():
        raise InputError("not a folder", where=str(folder), hint="Give the folder that holds data.jsonl.")
    functions = read_functions(existing(folder / "data.jsonl"), damage)
    splits = {
        key: _pairs(file, functions, language, damage)
        for key, file in split_files(folder, split, (".txt", ".txt.gz")).items()
    }
    return finished(name, task, splits, damage, source=folder.name, where=folder)


def read_functions(path: Path, damage: Damage) -> dict[str, str]:
    """Return id → source of ``data.jsonl``.

    Raises:
        InputError: a field is missing, or one id has two different functions.

    """
    functions: dict[str, str] = {}
    for number, row in json_lines(path, damage):
        where = f"{path}:{number}"
        key, code = str(row[first_present(row, ("idx",), where)]), text_field(row, ("func", "code"), where)
        if functions.setdefault(key, code) != code:
            what = f"a second, different function with the id {key!r}"
            raise InputError(what, where=where, hint="Give each function an id of its own.")
    return functions


def _pairs(path: Path, functions: Mapping[str, str], language: str, damage: Damage) -> list[Sample]:
    samples = []
    for number, text in lines(path, damage):
        fields = text.split()
        if not fields:
            continue
        if len(fields) > 3 and fields[0] not in functions and fields[-3] in functions:
            damage.skip(path, number, "stray prefix before the record")
            continue
        if len(fields) < 3 or fields[2] not in (*LABELS, "-1"):
            raise InputError(
                "not 'id1 id2 label' with label 0 or 1",
                where=f"{path}:{number}",
                hint="Write two ids of data.jsonl and a label, separated by blanks or TABs.",
            )
        first, second, label = fields[:3]
        if label == "-1":
            damage.skip(path, number, "pair without a label (-1)")
        elif first not in functions or second not in functions:
            damage.skip(path, number, "pair that names a missing function")
        else:
            meta = {"first": first, "second": second}
            samples.append(
                Sample(
                    f"{first}-{second}",
                    functions[first],
                    language,
                    LABELS[label],
                    functions[second],
                    group=first,
                    meta=meta,
                )
            )
    return samples
