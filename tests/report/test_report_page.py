"""The page as a file: what it holds, what it may do, how large it gets."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from synthetic_view import HOSTILE, build_view, hostile_view

from durometer.errors import StoreError
from durometer.report import write_report
from durometer.report.charts import symbol
from durometer.report.comparisons import class_names
from durometer.report.examples import LIMIT_CODE, embedded_examples
from durometer.report.files import write_text
from durometer.report.frontier import frontier
from durometer.report.results import build_results


class Reader(HTMLParser):
    """Collects the texts of scripts and styles, and every attribute."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.blocks: list[tuple[str, dict[str, str | None], str]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self._open: tuple[str, dict[str, str | None]] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag in ("script", "style"):
            self._open = (tag, dict(attrs))

    def handle_data(self, data: str) -> None:
        if self._open:
            self.blocks.append((*self._open, data))
            self._open = None


@pytest.fixture(scope="module")
def page(report_folder: Path) -> str:
    return (report_folder / "report.html").read_text(encoding="utf-8")


def test_policy_allows_one_script_and_one_style_by_hash(page: str) -> None:
    reader = Reader(page)
    policy = next(v for t, n, v in reader.attributes if t == "meta" and n == "content" and "default-src" in v)
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none';")
    for tag, attributes, text in reader.blocks:
        if attributes.get("type") == "application/json":
            json.loads(text)
            continue
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_method_says_where_each_attack_departs_from_its_paper(page: str, results: dict[str, Any]) -> None:
    assert [m["kind"] for m in results["methods"]] == ["wir_random", "mhm"]
    assert page.count("Departures from the released code") >= 2


def test_classes_have_the_names_of_their_task(page: str) -> None:
    blocks = [json.loads(t) for _, a, t in Reader(page).blocks if a.get("type") == "application/json"]
    said = next(block["classes"] for block in blocks if "classes" in block and "statuses" in block)
    assert said == {"clone": ["different", "clone"]}
    assert class_names("somebody-elses") == []  # the page falls back to "class 0"


def test_page_names_no_other_place(page: str) -> None:
    for tag, name, value in Reader(page).attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("src", "srcset", "style", "action", "formaction"), (tag, name)
        if name == "href":
            assert value.startswith("#"), (tag, value)
    urls = set(re.findall(r"https?://[^\s\"'<>)]+", page))
    assert urls <= {"http://www.w3.org/2000/svg"}


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    page = write_report(hostile_view(), tmp_path).read_text(encoding="utf-8")
    assert "<img" not in page
    assert page.count("<script") == page.count("</script>") == 5
    blocks = [json.loads(t) for tag, a, t in Reader(page).blocks if a.get("type") == "application/json"]
    codes = next(block["codes"] for block in blocks if "codes" in block)
    assert HOSTILE[0] in codes
    assert HOSTILE[2] in codes
    assert max(map(len, codes)) == LIMIT_CODE


def test_examples_are_sampled_evenly_and_bounded() -> None:
    outcomes = build_view(samples=300).outcomes
    few = embedded_examples(outcomes, limit_bytes=100_000)
    assert few["total"] == outcomes.height > len(few["rows"]) > 50
    assert len(json.dumps(few)) < 130_000
    assert len(few["cells"]) == 8
    assert {row["status"] for row in few["rows"]} == set(outcomes["status"].unique())
    assert few == embedded_examples(outcomes.sample(fraction=1.0, shuffle=True, seed=1), limit_bytes=100_000)


def test_examples_of_nothing_are_empty() -> None:
    outcomes = build_view(samples=5).outcomes.clear()
    assert embedded_examples(outcomes) == {"total": 0, "cells": [], "codes": [], "rows": []}


def test_pictures_tell_series_apart_by_shape_and_names_apart_by_place() -> None:
    shapes = {re.sub(r' class="[^"]*"', "", symbol(kind, 0, 0, 6, "point")) for kind in range(7)}
    assert len(shapes) == 7
    view = build_view(samples=10)
    many = [
        replace(v, variant=f"{v.variant}, a long name {i}", size_bytes=v.size_bytes + i)
        for v in view.variants
        for i in range(2)
    ]
    picture = frontier(build_results(replace(view, variants=tuple(many))), "clone", "encoder-3M", "size")
    labels = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" class="direct middle">([^<]+)<', picture)
    half = {name: 3.6 * len(name) for _, _, name in labels}  # pixels
    spans = sorted((float(y), float(x) - half[name], float(x) + half[name]) for x, y, name in labels)
    assert len(spans) == 8
    assert all(one[0] < two[0] or one[2] < two[1] for one, two in pairwise(spans))
    assert min(y for y, *_ in spans) >= 0


def test_unfinished_study_says_so(tmp_path: Path) -> None:
    view = build_view(samples=20, complete=False)
    assert "This study is not finished" in write_report(view, tmp_path).read_text(encoding="utf-8")


def test_page_of_a_study_without_any_finished_row_renders(tmp_path: Path) -> None:
    view = build_view(samples=20)
    empty = type(view)(**{**vars(view), "outcomes": view.outcomes.clear(), "variants": ()})
    assert "No sample has been attacked yet" in write_report(empty, tmp_path).read_text(encoding="utf-8")


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = write_text(tmp_path / "new" / "a.txt", "one")
    assert path.read_text() == "one"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]
    with pytest.raises(StoreError, match="a file where a folder is needed"):
        write_text(path / "below-a-file.txt", "two")


@pytest.mark.slow
def test_200_000_outcomes_make_a_page_under_20_megabytes(tmp_path: Path) -> None:
    view = build_view(samples=500)
    rows = view.outcomes
    many = pl.concat(
        [rows.with_columns(sample_id=pl.format("{}-{}", "sample_id", pl.lit(i))) for i in range(50)]
    )
    page = write_report(type(view)(**{**vars(view), "outcomes": many}), tmp_path)
    assert many.height == 200_000
    assert page.stat().st_size < 20_000_000
