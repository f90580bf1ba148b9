"""What a large study's report costs: seconds of CPU, bytes, and how soon a browser has the page.

    python benchmarks/report.py [--samples 26000] [--chromium /usr/bin/chromium]

The study is the synthetic one of the tests: 4 variants, 2 attacks, one seed, every sample a snippet of its
own, so 26,000 samples are 208,000 outcomes. Without a browser (or Playwright) the opening is not timed.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "report"))

from synthetic_view import build_view

from durometer.report import to_json
from durometer.report.page import render_page
from durometer.report.results import build_results

OPENED = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


def milliseconds_to_open(page: Path, chromium: str) -> float:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.goto(page.as_uri())
        opened = float(tab.evaluate(OPENED))
        browser.close()
    return opened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=26_000)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    arguments = parser.parse_args()
    view = build_view(samples=arguments.samples)
    start = time.process_time()
    results = build_results(view)
    built = time.process_time()
    text = render_page(results, view.outcomes)
    answer: dict[str, float | int | None] = {
        "outcomes": view.outcomes.height,
        "results_cpu_seconds": round(built - start, 1),
        "page_cpu_seconds": round(time.process_time() - built, 1),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
        "results_megabytes": round(len(to_json(results).encode()) / 1e6, 2),
        "page_megabytes": round(len(text.encode()) / 1e6, 2),
        "opens_in_milliseconds": None,
    }
    if arguments.chromium:
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "report.html"
            page.write_text(text, encoding="utf-8")
            answer["opens_in_milliseconds"] = round(milliseconds_to_open(page, arguments.chromium))
    print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
