"""Functions and what people wrote about them: CodeSearchNet and TL-CodeSum.

The reference is the docstring's first paragraph on one line, as CodeSearchNet defines a query. A Python
function loses its own docstring, or the answer would stand in the question.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from durometer.corpora.base import Corpus
from durometer.corpora.files import Damage, json_lines, text_field
from durometer.corpora.splits import read_splits
from durometer.corpora.syntax import FunctionNode, parse_quietly
from durometer.errors import InputError
from durometer.types import Sample

SUFFIXES = {".java": "java", ".py": "python", ".js": "javascript", ".go": "go", ".c": "c", ".cpp": "cpp"}
GROUPS = ("repo", "file", "path")


def codesearchnet(path: str, *, split: str | None, task: str, language: str | None = None) -> Corpus:
    """Read CodeSearchNet: ``code`` and ``docstring``, or the two token fields.

    Source: Husain et al., 2019, arXiv:1909.09436.
    """
    read = _rows(("code", "original_string", "func"), ("docstring",), language)
    return read_splits("codesearchnet", path, split, task, read)


def tlcodesum(path: str, *, split: str | None, task: str, language: str = "java") -> Corpus:
    """Read TL-CodeSum: ``code`` and ``comment``, or the two token fields.

    Source: Hu et al., IJCAI 2018.
    """
    read = _rows(("code", "func"), ("comment", "docstring", "nl"), language)
    return read_splits("tlcodesum", path, split, task, read)


def _rows(
    code: tuple[str, ...], text: tuple[str, ...], language: str | None
) -> Callable[[Path, Damage], list[Sample]]:
    def read(path: Path, damage: Damage) -> list[Sample]:
        samples = []
        for number, row in json_lines(path, damage):
            where = f"{path}:{number}"
            spoken = language or language_of(row, path, where)
            source = _text_or_tokens(row, code, "code_tokens", where)
            reference = first_paragraph(_text_or_tokens(row, text, "docstring_tokens", where))
            if not reference:
                damage.skip(path, number, "no words in the docstring")
                continue
            if spoken == "python":
                source = without_docstring(source)
            samples.append(
                Sample(
                    id=str(row.get("idx", row.get("url", row.get("id", number)))),
                    code=source,
                    language=spoken,
                    reference=reference,
                    group=next((str(row[name]) for name in GROUPS if row.get(name)), ""),
                )
            )
        return samples

    return read


def language_of(row: Mapping[str, Any], path: Path, where: str) -> str:
    """Return the language that a row or its file's name says.

    Raises:
        InputError: nothing says it.

    """
    if isinstance(row.get("language"), str):
        return str(row["language"]).lower()
    for name in (str(row.get("path", "")), str(row.get("file", ""))):
        if Path(name).suffix in SUFFIXES:
            return SUFFIXES[Path(name).suffix]
    for word in re.split(r"[^a-z]+", path.name.lower()):
        if word in SUFFIXES.values():
            return word
    raise InputError("nothing says the language", where=where, hint="Set the option 'language'.")


def first_paragraph(text: str) -> str:
    """Return the first paragraph on one line, without markup that stands alone on a line."""
    paragraph = re.split(r"\n\s*\n", text.strip(), maxsplit=1)[0]
    return " ".join(paragraph.split())


def without_docstring(source: str) -> str:
    """Return Python ``source`` without its function's docstring; untouched where it is no valid Python."""
    tree = parse_quietly(source)
    if tree is None or not tree.body:
        return source
    node = tree.body[0]
    if not isinstance(node, FunctionNode) or ast.get_docstring(node) is None:
        return source
    first = node.body[0]
    rows = source.splitlines(keepends=True)
    shared = first.lineno == node.lineno or (len(node.body) > 1 and node.body[1].lineno == first.end_lineno)
    if len(node.body) == 1 or shared:
        node.body = node.body[1:] or [ast.Pass()]
        return ast.unparse(tree)
    return "".join(rows[: first.lineno - 1] + rows[first.end_lineno or first.lineno :])


def _text_or_tokens(row: Mapping[str, Any], names: tuple[str, ...], tokens: str, where: str) -> str:
    if not any(row.get(name) for name in names) and isinstance(row.get(tokens), list):
        return " ".join(map(str, row[tokens]))
    present = next((name for name in names if row.get(name) is not None), "")
    if isinstance(row.get(present), list):
        return " ".join(map(str, row[present]))
    return text_field(row, (*names, tokens), where)
