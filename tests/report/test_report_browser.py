"""The page in a real browser: sort, filter, tooltip, examples, themes; no error, no request, no injection."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from synthetic_view import build_summaries, build_view, hostile_view

from durometer.report import write_report

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
CHROMIUM = (
    os.environ.get("DUROMETER_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium; install it or set DUROMETER_CHROMIUM"),
]
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: playwright.Browser) -> Iterator[Opener]:
    opener = Opener(browser)
    yield opener
    opener.context.close()
    assert opener.complaints == []
    assert all(url.startswith("file://") for url in opener.requests)
    assert len(opener.requests) == 1


class Opener:
    """Opens a page and writes down every request, console message and error."""

    def __init__(self, browser: playwright.Browser) -> None:
        self.context = browser.new_context(
            viewport={"width": 1280, "height": 900}, accept_downloads=True, reduced_motion="reduce"
        )
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def __call__(self, path: Path) -> playwright.Page:
        page = self.context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda r: self.requests.append(r.url) if not r.url.startswith("blob:") else None)
        page.goto(path.as_uri())
        return page


@pytest.fixture
def page(open_page: Opener, report_folder: Path) -> playwright.Page:
    return open_page(report_folder / "report.html")


def settled(page: playwright.Page, mark: playwright.Locator) -> playwright.Locator:
    """Bring ``mark`` into view and wait until the frame after has told the page that it scrolled."""
    mark.scroll_into_view_if_needed()
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return mark


def column(page: playwright.Page, table: str, key: int) -> list[float]:
    cells = page.locator(f"#table-{table} tbody tr > :nth-child({key})")
    return [float(text) for text in cells.evaluate_all("cells => cells.map(c => c.dataset.sort)")]


def test_tables_sort_up_and_down(page: playwright.Page) -> None:
    heads = page.locator("#table-grid thead th").all_inner_texts()
    asr = [head.strip() for head in heads].index("ASR") + 1
    head = page.locator(f"#table-grid thead th:nth-child({asr})")
    head.locator("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert column(page, "grid", asr) == sorted(column(page, "grid", asr))
    head.locator("button").press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    assert column(page, "grid", asr) == sorted(column(page, "grid", asr), reverse=True)


def test_exports_download_what_the_table_shows(page: playwright.Page) -> None:
    for form, begins in (("csv", "variant,"), ("tex", "\\begin{table}")):
        with page.expect_download() as waiting:
            page.locator(f".export[data-table=variants] button[data-format={form}]").click()
        assert waiting.value.suggested_filename == f"variants.{form}"
        assert Path(waiting.value.path()).read_text(encoding="utf-8").startswith(begins)


def test_chart_has_tooltips_by_pointer_and_keyboard_axes_and_series(page: playwright.Page) -> None:
    mark = settled(page, page.locator("#frontier figure:not([hidden]) .mark").first)
    mark.hover()
    tooltip = page.locator("#tooltip")
    expect(tooltip).to_be_visible()
    expect(tooltip).to_contain_text(re.compile("original.*%"))
    page.keyboard.press("Escape")
    expect(tooltip).to_be_hidden()
    mark.focus()
    expect(tooltip).to_be_visible()
    page.get_by_text("Latency", exact=True).click()
    expect(page.locator("#frontier figure[data-axis=latency]")).to_be_visible()
    expect(page.locator("#frontier figure[data-axis=size]")).to_be_hidden()
    marks = page.locator("#frontier figure:not([hidden]) .mark:visible")
    shown = marks.count()
    page.get_by_role("button", name="Under MHM").click()
    expect(marks).to_have_count(shown - 4)


def test_tooltip_follows_the_keyboard_to_marks_out_of_view(page: playwright.Page) -> None:
    page.locator("#budget .mark").last.focus()  # far below: the browser scrolls to it
    expect(page.locator("#tooltip")).to_be_visible()
    settled(page, page.locator("#budget .mark").last)
    expect(page.locator("#tooltip")).to_be_visible()


def test_examples_filter_and_show_both_programs(page: playwright.Page) -> None:
    expect(page.locator("#example-count")).to_contain_text("shown of")
    page.select_option("#filter-attack", "mhm")
    page.select_option("#filter-variant", "int8")
    rows, told = page.locator("#example-list .row small"), "int8 · MHM · broken, with proof"
    expect(rows.filter(has_not_text=told)).to_have_count(0)
    expect(rows.first).to_have_text(told)
    detail = page.locator("#example-detail")
    expect(detail.locator(".codes h4")).to_have_text(["Original", "Adversarial"])
    before, after = (detail.locator(".code").nth(i).locator("mark").all_inner_texts() for i in (0, 1))
    assert len(before) == len(after) > 0
    pairs = {tuple(text.split(" → ")) for text in detail.locator(".renames li").all_inner_texts()}
    assert set(zip(before, after, strict=True)) == pairs
    first = detail.locator("h3").inner_text()
    page.locator("#example-list").focus()
    page.keyboard.press("ArrowDown")
    expect(detail.locator("h3")).not_to_have_text(first)
    page.select_option("#filter-status", "skipped")
    expect(detail).to_contain_text("Not attackable: misclassified")
    page.fill("#filter-text", "no such text anywhere")
    expect(detail).to_contain_text("No outcome matches")


def test_list_renders_only_what_is_in_view(page: playwright.Page) -> None:
    page.select_option("#filter-status", "")
    assert page.locator("#example-list .row").count() < 40
    page.locator("#example-list").evaluate("list => { list.scrollTop = list.scrollHeight; }")
    # The scroll event comes with the next frame: wait for its rows, not for a moment.
    page.wait_for_selector("#example-list .row:last-child[aria-posinset='2400'][aria-setsize='2400']")
    assert page.locator("#example-list .row").count() < 40


def test_themes_and_narrow_screens(page: playwright.Page) -> None:
    body = page.locator("body")
    white, light = "rgb(255, 255, 255)", "rgb(251, 250, 246)"
    expect(body).to_have_css("background-color", light)
    page.emulate_media(color_scheme="dark")
    dark = "rgb(21, 22, 26)"
    expect(body).to_have_css("background-color", dark)
    page.locator("#theme").click()
    expect(body).to_have_css("background-color", light)
    page.locator("#theme").click()
    page.emulate_media(color_scheme="light")
    expect(body).to_have_css("background-color", dark)
    page.emulate_media(color_scheme="dark", media="print")
    expect(body).to_have_css("background-color", white)
    expect(body).to_have_css("color", "rgb(0, 0, 0)")
    page.emulate_media(color_scheme="light", media="screen")
    page.set_viewport_size({"width": 360, "height": 740})
    page.wait_for_function("innerWidth === 360 && document.documentElement.scrollWidth <= 360")


def test_a_page_of_two_tasks_names_its_rows_and_fits_on_paper(open_page: Opener, tmp_path: Path) -> None:
    first, second = build_view(12), build_summaries(12)
    both = replace(
        first,
        outcomes=pl.concat([first.outcomes, second.outcomes]),
        variants=(*first.variants, *second.variants),
        floors={**first.floors, **second.floors},
    )
    page = open_page(write_report(both, tmp_path))
    heads = page.locator("#table-grid tbody th[scope=row]")
    assert set(heads.all_inner_texts()) == {v.variant for v in both.variants}
    assert page.locator("table").count() == page.locator("table > caption").count()
    assert page.locator("#table-variants thead").inner_text().count("Accuracy or BLEU") == 1
    assert {text.split(" · ")[0] for text in page.locator("#example-list .row small").all_inner_texts()} <= {
        "clone",
        "summarization",
    }
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 900})  # A4 less Chromium's margins
    wide = "tables => tables.filter(t => t.offsetWidth > t.parentNode.clientWidth).map(t => t.id)"
    assert page.locator(".scroll > table").evaluate_all(wide) == []


def test_hostile_code_is_shown_and_runs_nothing(open_page: Opener, tmp_path: Path) -> None:
    page = open_page(write_report(hostile_view(), tmp_path))
    page.select_option("#filter-status", "")
    seen = ""
    page.locator("#example-list").focus()
    for index in range(12):
        expect(page.locator("#example-list")).to_have_attribute("aria-activedescendant", f"example-{index}")
        seen += page.locator("#example-detail").inner_text()
        page.keyboard.press("ArrowDown")
    assert "</script><script>window.owned = 1</script>" in seen
    assert '<img src=x onerror="window.owned = 2">' in seen
    for mark in ("U+202E", "U+2066", "U+0000", "U+0007", "U+2028"):
        assert mark in seen
    assert "longer than the page keeps" in seen
    assert page.evaluate("typeof window.owned") == "undefined"
    assert page.locator("img").count() == 0


@pytest.mark.slow
def test_large_study_makes_a_page_that_opens_and_scrolls(open_page: Opener, tmp_path: Path) -> None:
    """How fast is for ``benchmarks/report.py`` to say; here: it is small enough, complete, and alive."""
    path = write_report(build_view(samples=3000), tmp_path)
    assert path.stat().st_size < 20_000_000
    page = open_page(path)
    expect(page.locator("#example-count")).to_contain_text("outcomes")
    page.select_option("#filter-status", "")
    expect(page.locator("#example-list .row").first).to_have_attribute("aria-posinset", "1")
    page.locator("#example-list").evaluate("list => { list.scrollTop = list.scrollHeight; }")
    last = page.locator("#example-list .row").last
    total = int(last.get_attribute("aria-setsize") or 0)
    assert total > 3000
    expect(last).to_have_attribute("aria-posinset", str(total))
