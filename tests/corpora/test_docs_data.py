"""``docs/data.md`` knows every format: its table comes from the registries, its examples are read here.

``python tests/corpora/test_docs_data.py`` writes the table.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from durometer.cli.ls import describe
from durometer.corpora.base import BUILTIN, CORPORA
from durometer.corpora.options import options_of, source_of
from durometer.corpora.spec import parse_spec

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"
TABLE = re.compile(r"(?<=this table -->\n).*?(?=<!-- end -->)", re.DOTALL)
EXAMPLE = re.compile(r"^```(\w+\.\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
TASK_OF = {"bigclonebench": "clone", "googlecodejam": "clone"} | dict.fromkeys(
    ("codesearchnet", "tlcodesum"), "summarization"
)
BINARY = {"parquet", "hub"}  # nothing that could be shown as text
OURS = [name for name in CORPORA if CORPORA.get(name).__module__.startswith("durometer.")]


def table() -> str:
    rows = ["| name | what | options | source |\n|---|---|---|---|\n"]
    for name in (*BUILTIN, *OURS):
        options = ", ".join(f"`{key}={value}`" for key, value in options_of(name).items()).replace("|", "\\|")
        words = describe(BUILTIN if name in BUILTIN else CORPORA, name)
        rows.append(f"| `{name}` | {words} | {options or '–'} | {source_of(name)} |\n")
    return "".join(rows)


def sections() -> dict[str, str]:
    """Return format → what stands below its heading (a heading may name several)."""
    found = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n### ")[1:]:
        heading, _, rest = part.partition("\n")
        found.update(dict.fromkeys(re.findall(r"`(\w+):\w+`", heading), rest.partition("\n## ")[0]))
    return found


def test_the_table_is_what_the_registries_say() -> None:
    (written,) = TABLE.findall(PAGE.read_text(encoding="utf-8"))
    assert written == table(), "run: python tests/corpora/test_docs_data.py"


def test_every_format_has_a_section_and_every_generator_a_floor() -> None:
    assert set(sections()) == set(OURS)
    text = PAGE.read_text(encoding="utf-8").partition("## Built-in corpora")[2]
    assert all(f"| `{name}` |" in text for name in BUILTIN)


@pytest.mark.parametrize("name", [name for name in OURS if name not in BINARY])
def test_the_example_is_read(name: str, tmp_path: Path) -> None:
    examples = [(file, text) for file, text in EXAMPLE.findall(sections()[name])]
    if name in ("jsonl", "csv"):
        examples = [(file, text) for file, text in examples if file.endswith(name)]
    assert examples
    for file, text in examples:
        (tmp_path / file).write_text(text, encoding="utf-8")
    place = tmp_path if len(examples) > 1 else tmp_path / examples[0][0]
    corpus = parse_spec(f"{name}:{place}").read(TASK_OF.get(name, "vulnerability"))
    assert sum(map(len, corpus.splits.values())) == 1
    assert not any(note.startswith(("skipped", "kept")) for note in corpus.notes)


if __name__ == "__main__":
    PAGE.write_text(TABLE.sub(lambda _: table(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
