"""Takes the picture of a report for the README: python docs/screenshot.py RUN [docs/report.png].

Needs the development extra and a chromium (found on the path, or named by DUROMETER_CHROMIUM).
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
WIDTH, HEIGHT = 1280, 2030


def main(run: Path, picture: Path) -> None:
    """Open the page of ``run`` and write what a reader sees first."""
    chromium = os.environ.get("DUROMETER_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=list(OPTIONS))
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1.25)
        page.goto((run / "report.html").resolve().as_uri())
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "docs/report.png"))
