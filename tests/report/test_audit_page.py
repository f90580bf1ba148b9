"""The page of an audit: hostile code is shown as text, the page asks for nothing, changes are marked."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from durometer.code.audit import audit
from durometer.corpora.adversarial import AdversarialExample
from durometer.report.audit_page import page, side_by_side, visible, write_page
from durometer.report.audit_tables import Audited, AuditedFile

HOSTILE = "</script><img src=x onerror=alert(1)>\u202eevil\x00" + "y" * 5000


def audited(original: str, adversarial: str, number: int = 1) -> Audited:
    example = AdversarialExample("<b>f</b>.csv", number, "i&1", original, adversarial, True)
    return Audited(example, "java", audit(original, adversarial, "java"))


def one_file(*successes: Audited) -> AuditedFile:
    return AuditedFile("<b>f</b>.csv", "java", tuple(one.example for one in successes), successes)


ORIGINAL = f'int f(int a) {{\n  // {HOSTILE}\n  String s = "{HOSTILE}";\n\n  return a;\n}}'


def test_hostile_code_is_text() -> None:
    html = page([one_file(audited(ORIGINAL, ORIGINAL.replace("int a", "int b").replace("evil", "EVIL")))])
    assert "<img" not in html
    assert "<b>f" not in html
    assert "\u202e" not in html
    assert "\x00" not in html
    assert "⟨U+202E⟩" in html
    assert "<script" not in html
    assert len(html) < 60_000
    assert not re.search(r'(?:src|href)="(?!#)', html)
    assert "default-src 'none'; style-src 'sha256-" in unescape(html)


def test_changed_names_are_marked_and_lines_keep_their_numbers() -> None:
    pair = side_by_side(audited("int f(int a) {\n\n  return a;\n}", "int f(int b) {\n  return b;\n}"))
    (first, second), (third, fourth), _ = pair.lines
    assert (first.number, second.number, third.number, fourth.number) == (1, 1, 3, 2)
    assert [text for text, changed in second.pieces if changed] == ["b"]
    assert [text for text, changed in third.pieces if changed] == ["a"]


def test_the_first_offending_line_is_shown() -> None:
    body = "\n".join(f"  g({n});" for n in range(400))
    original = f"int f(int a) {{\n{body}\n  a.run();\n{body}\n}}"
    pair = side_by_side(audited(original, original.replace("a.run", "a.walk")))
    offending = [right for _, right in pair.lines if right.offends]
    assert [line.number for line in offending] == [402]
    assert len(pair.lines) < 40
    assert pair.hidden > 700


def test_every_class_has_a_section_with_different_originals(tmp_path: Path) -> None:
    same = [audited("int f(int a) { return a; }", "int f(int char) { return char; }", n) for n in range(9)]
    other = audited("int g(int a) { return h(a); }", "int g(int a) { return i(a); }", 10)
    write_page([one_file(*same, other)], tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    for name in ("parse_error", "reserved_word", "renames_call"):
        assert f'<section id="{name}"' in html
    assert html.count("<details") == 3
    assert list(tmp_path.iterdir()) == [tmp_path / "page.html"]


def test_visible() -> None:
    assert visible("a\tb\u200bc\ud800") == "a\tb⟨U+200B⟩c⟨U+D800⟩"


@pytest.mark.browser
def test_the_page_makes_no_request_and_no_complaint(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    write_page([one_file(audited(ORIGINAL, ORIGINAL.replace("int a", "int b")))], tmp_path / "page.html")
    seen: list[str] = []
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no chromium: {error}")
        tab = browser.new_page(viewport={"width": 400, "height": 800})
        tab.on("console", lambda message: seen.append(message.text))
        tab.on("request", lambda request: seen.append(request.url))
        tab.goto((tmp_path / "page.html").as_uri())
        width = tab.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert seen == [(tmp_path / "page.html").as_uri()]
    assert width <= 400
