"""Every number that the page shows, in tables, charts and sentences, is a rounded one of results.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from synthetic_view import build_summaries, build_view

from durometer.report import write_report
from durometer.report.results import build_results
from durometer.report.transfer import SCHEMA

NUMBER = re.compile(r"[−+-]?\d[\d\u2009]*(?:\.\d+)?")
UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "k": 1e3, "M": 1e6, "G": 1e9}
ESTIMATE = re.compile(r"(\S+) % \((\S+) to ([^\s;),]+)(?:; n = (\d+))?\)")
EFFECT = re.compile(
    r"([−+]?[\d.]+) points(?: for [^(]+)? \(95 % interval (\S+) to ([^\s,]+)"
    r"(?: before correction for (\d+) comparisons; not significant after it)?, adjusted p ([=<]) ([\d.]+)\)"
)
CONSTANTS = (80.0, 95.0)  # the power and the level, which are words here


@dataclass
class Shown(HTMLParser):
    """The cells of tables, the labels of marks and the sentences of the answer."""

    page: str
    cells: list[tuple[str, str, str]] = field(default_factory=list)  # sort key, text, what stands below
    marks: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._in: str | None = None
        self._sort, self._text, self._small = "", "", ""
        self.feed(self.page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "mark" in (given.get("class") or "").split():
            self.marks.append(given["aria-label"] or "")
        if tag == "td" and given.get("class") == "number":
            self._in, self._sort, self._text, self._small = "td", given["data-sort"] or "", "", ""
        elif tag == "small" and self._in == "td":
            self._in = "small"
        elif tag == "ol" and given.get("class") == "answer":
            self._in = "answer"
        elif tag == "li" and self._in == "answer":
            self.sentences.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "td" and self._in in ("td", "small"):
            self.cells.append((self._sort, self._text, self._small))
            self._in = None
        elif tag == "ol":
            self._in = None

    def handle_data(self, data: str) -> None:
        if self._in == "answer" and self.sentences:
            self.sentences[-1] += data.replace("\u00a0", " ")
        elif self._in == "td":
            self._text += data
        elif self._in == "small":
            self._small += data


def records(thing: Any) -> Iterator[dict[str, Any]]:
    if isinstance(thing, dict):
        yield thing
    for item in thing.values() if isinstance(thing, dict) else thing if isinstance(thing, list) else ():
        yield from records(item)


def leaves(thing: Any) -> Iterator[float]:
    if isinstance(thing, (dict, list)):
        for item in thing.values() if isinstance(thing, dict) else thing:
            yield from leaves(item)
    elif isinstance(thing, (int, float)) and not isinstance(thing, bool):
        yield float(thing)


def rounds_to(value: float | None, text: str, unit: str = "") -> bool:
    """Whether ``text``, with as many digits as it has, is ``value``."""
    if value is None:
        return False
    scale = UNITS.get(unit, 1.0)
    digits = text.replace("\u2009", "").replace("−", "-")
    step = scale * 10.0 ** -len(digits.partition(".")[2])
    return abs(float(digits) * scale - value) <= step / 2 * (1 + 1e-9)


def numbers(text: str) -> list[tuple[str, str]]:
    """Return each number of ``text`` with the unit that follows it."""
    return [(m[0], re.match(r" ?(\w*)", text[m.end() :])[1]) for m in NUMBER.finditer(text)]  # type: ignore[index]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    first, second = build_view(40, (0, 1)), build_summaries(30, (0, 1), variants=4)
    view = replace(
        first,
        outcomes=pl.concat([first.outcomes, second.outcomes]),
        variants=(*first.variants, *second.variants),
        floors={**first.floors, **second.floors},
    )
    broken = view.outcomes.filter(status="success", task="clone").rename({"variant": "source"})
    transfer = broken.with_columns(
        target=pl.lit("int8"), original_correct=True, adversarial_correct=pl.col("queries") % 3 == 0
    )
    folder = tmp_path_factory.mktemp("shown")
    write_report(view, folder, build_results(view, transfer.select(list(SCHEMA))))
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


@pytest.fixture(scope="module")
def shown(folder: Path) -> Shown:
    return Shown((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def estimates(results: dict[str, Any]) -> dict[float, list[dict[str, Any]]]:
    """Everything with an interval, by its value."""
    found: dict[float, list[dict[str, Any]]] = {}
    for record in records(results):
        value = record.get("value", record.get("difference"))
        if "low" in record and value is not None:
            found.setdefault(float(value), []).append(record)
    return found


def test_cells_show_a_number_its_rounding_and_its_interval(
    shown: Shown, results: dict[str, Any], estimates: dict[float, list[dict[str, Any]]]
) -> None:
    known = set(leaves(results))
    assert len(shown.cells) > 1000
    for sort, text, below in shown.cells:
        if sort == "–":
            assert (text, below) == ("–", "")
            continue
        assert float(sort) in known, (sort, text)
        number = numbers(text)[0]
        smallest = text.startswith("< ")  # "< 0.001": a p that is not zero
        assert float(sort) < float(number[0]) if smallest else rounds_to(float(sort), *number), (sort, text)
        if " to " in below:
            low, high = below.split(" to ")
            assert any(
                rounds_to(e["low"], low) and rounds_to(e["high"], high) for e in estimates[float(sort)]
            ), (sort, below)
        elif below:
            assert any(rounds_to(value, *numbers(below)[0]) for value in known), below


def test_marks_of_charts_show_estimates(
    shown: Shown, results: dict[str, Any], estimates: dict[float, list[dict[str, Any]]]
) -> None:
    known = sorted(set(leaves(results)))
    names = {v[key] for v in results["variants"] for key in ("variant", "victim")}
    everything = [(value, record) for value, found in estimates.items() for record in found]
    kinds = {"frontier": 0, "rest": 0}
    nameless = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))
    for label in (nameless.sub("", mark) for mark in shown.marks):
        for value, low, high, n in ESTIMATE.findall(label):
            kinds["frontier"] += 1
            assert any(
                rounds_to(v, value)
                and rounds_to(e["low"], low)
                and rounds_to(e["high"], high)
                and (not n or e["n"] == int(n))
                for v, e in everything
            ), label
        for text, unit in numbers(ESTIMATE.sub("", label)):
            kinds["rest"] += 1
            assert any(rounds_to(value, text, unit) for value in known), label
    assert min(kinds.values()) > 100


def test_sentences_show_comparisons(shown: Shown, results: dict[str, Any]) -> None:
    known = sorted(set(leaves(results)))
    effects = 0
    for sentence in shown.sentences:
        for change, low, high, family, sign, p in EFFECT.findall(sentence):
            effects += 1
            assert any(
                rounds_to(c["difference"], change)
                and rounds_to(c["low"], low)
                and rounds_to(c["high"], high)
                and (c["p_holm"] < 0.001 if sign == "<" else rounds_to(c["p_holm"], p))
                and (not family or c["family"] == int(family))
                for c in results["comparisons"]
            ), sentence
        rest = EFFECT.sub("", sentence)
        for v in results["variants"]:
            rest = rest.replace(v["variant"], "").replace(v["victim"], "")
        for text, unit in numbers(rest):
            assert any(rounds_to(value, text, unit) for value in (*known, *CONSTANTS)), (text, rest)
    assert effects >= 4
