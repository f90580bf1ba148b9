"""The page in a real browser: sort, filter, tooltip, examples, themes; no error, no request, no injection."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from synthetic_view import hostile_view

from durometer.report import write_report

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
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
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
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


def column(page: playwright.Page, table: str, key: int) -> list[float]:
    cells = page.locator(f"#table-{table} tbody tr > :nth-child({key})")
    return [float(text) for text in cells.evaluate_all("cells => cells.map(c => c.dataset.sort)")]


def test_tables_sort_up_and_down(page: playwright.Page) -> None:
    heads = page.locator("#table-grid thead th").all_inner_texts()
    asr = [head.strip() for head in heads].index("ASR") + 1
    button = page.locator(f"#table-grid thead th:nth-child({asr}) button")
    button.click()
    assert column(page, "grid", asr) == sorted(column(page, "grid", asr))
    assert button.locator("..").get_attribute("aria-sort") == "ascending"
    button.press("Enter")
    assert column(page, "grid", asr) == sorted(column(page, "grid", asr), reverse=True)


def test_exports_download_what_the_table_shows(page: playwright.Page) -> None:
    for form, begins in (("csv", "variant,"), ("tex", "\\begin{table}")):
        with page.expect_download() as waiting:
            page.locator(f".export[data-table=variants] button[data-format={form}]").click()
        assert waiting.value.suggested_filename == f"variants.{form}"
        assert Path(waiting.value.path()).read_text(encoding="utf-8").startswith(begins)


def test_chart_has_tooltips_by_pointer_and_keyboard_axes_and_series(page: playwright.Page) -> None:
    mark = page.locator("#frontier figure:not([hidden]) .mark").first
    mark.hover()
    tooltip = page.locator("#tooltip")
    assert "original" in tooltip.inner_text()
    assert "%" in tooltip.inner_text()
    page.keyboard.press("Escape")
    assert tooltip.is_hidden()
    mark.focus()
    assert tooltip.is_visible()
    page.get_by_text("Latency", exact=True).click()
    assert page.locator("#frontier figure[data-axis=latency]").is_visible()
    assert page.locator("#frontier figure[data-axis=size]").is_hidden()
    shown = page.locator("#frontier figure:not([hidden]) .mark:visible").count()
    page.get_by_role("button", name="Under MHM").click()
    assert page.locator("#frontier figure:not([hidden]) .mark:visible").count() == shown - 4


def test_examples_filter_and_show_both_programs(page: playwright.Page) -> None:
    assert "shown of" in page.locator("#example-count").inner_text()
    page.select_option("#filter-attack", "mhm")
    page.select_option("#filter-variant", "int8")
    rows = page.locator("#example-list .row small").all_inner_texts()
    assert rows
    assert all("int8 · MHM · broken, with proof" in row for row in rows)
    detail = page.locator("#example-detail")
    assert detail.locator(".codes h4").all_inner_texts() == ["Original", "Adversarial"]
    before, after = (detail.locator(".code").nth(i).locator("mark").all_inner_texts() for i in (0, 1))
    assert len(before) == len(after) > 0
    pairs = {tuple(text.split(" → ")) for text in detail.locator(".renames li").all_inner_texts()}
    assert set(zip(before, after, strict=True)) == pairs
    first = detail.locator("h3").inner_text()
    page.locator("#example-list").focus()
    page.keyboard.press("ArrowDown")
    assert detail.locator("h3").inner_text() != first
    page.select_option("#filter-status", "skipped")
    assert "Not attackable: misclassified" in detail.inner_text()
    page.fill("#filter-text", "no such text anywhere")
    assert "No outcome matches" in detail.inner_text()


def test_list_renders_only_what_is_in_view(page: playwright.Page) -> None:
    page.select_option("#filter-status", "")
    assert page.locator("#example-list .row").count() < 40
    page.locator("#example-list").evaluate("list => { list.scrollTop = list.scrollHeight; }")
    # The scroll event comes with the next frame: wait for its rows, not for a moment.
    page.wait_for_selector("#example-list .row:last-child[aria-posinset='2400'][aria-setsize='2400']")
    assert page.locator("#example-list .row").count() < 40


def test_themes_and_narrow_screens(page: playwright.Page) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(background)
    assert dark != light
    page.locator("#theme").click()
    assert page.evaluate(background) == light
    page.locator("#theme").click()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(background) == dark
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate(background) == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    page.emulate_media(color_scheme="light", media="screen")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_hostile_code_is_shown_and_runs_nothing(open_page: Opener, tmp_path: Path) -> None:
    page = open_page(write_report(hostile_view(), tmp_path))
    page.select_option("#filter-status", "")
    seen = ""
    page.locator("#example-list").focus()
    for _ in range(12):
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
def test_large_page_opens_within_three_seconds(open_page: Opener, tmp_path: Path) -> None:
    from synthetic_view import build_view

    page = open_page(write_report(build_view(samples=3000), tmp_path))
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    assert timing < 3000
