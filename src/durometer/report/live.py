"""Follows a run in a browser: serves its page on the loopback address, made anew as the run proceeds.

Standard library only, because it serves one person on one machine. It listens on 127.0.0.1, answers GET
for two paths, and refuses requests whose ``Host`` is another name, so that a page elsewhere cannot reach
it through a rebound domain name.
"""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from time import monotonic

import polars as pl

from durometer.errors import DurometerError
from durometer.report import to_json
from durometer.report.page import render_page
from durometer.report.results import build_results
from durometer.study.view import RunView

REFRESH_SECONDS = 10
Run = tuple[RunView, pl.DataFrame | None, pl.DataFrame | None]  # with transfer and similarity, where asked


class Follower:
    """Makes page and numbers of a run on demand, at most once in ``REFRESH_SECONDS`` while it is running."""

    def __init__(self, load: Callable[[], Run]) -> None:
        self._load = load
        self._lock = Lock()
        self._made_at = float("-inf")
        self._complete = False
        self._answers: dict[str, tuple[str, bytes]] = {}

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Return (media type, body) of ``path``, or None where there is no such page."""
        with self._lock:
            if not self._complete and monotonic() - self._made_at >= REFRESH_SECONDS:
                self._make()
            return self._answers.get(path)

    @property
    def refresh(self) -> int | None:
        """Seconds after which a browser should ask again; None once the run is complete."""
        return None if self._complete else REFRESH_SECONDS

    def _make(self) -> None:
        view, transfer, similarity = self._load()
        results = build_results(view, transfer, similarity)
        page = render_page(results, view.outcomes).encode("utf-8", "replace")
        self._answers = {
            "/": ("text/html; charset=utf-8", page),
            "/results.json": ("application/json", to_json(results).encode("utf-8", "replace")),
        }
        self._complete = view.complete
        self._made_at = monotonic()


def make_server(load: Callable[[], Run], port: int) -> ThreadingHTTPServer:
    """Return a server on 127.0.0.1 (``port`` 0 takes a free one) that shows what ``load`` returns."""
    follower = Follower(load)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
            if host not in ("127.0.0.1", "localhost"):
                self.send_error(403, "this server answers on 127.0.0.1 only")
                return
            try:
                found = follower.answer(self.path.partition("?")[0])
            except DurometerError as error:
                self.send_error(503, "the run cannot be read", str(error))
                return
            if found is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", found[0])
            self.send_header("Content-Length", str(len(found[1])))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            if follower.refresh is not None and self.path == "/":
                self.send_header("Refresh", str(follower.refresh))
            self.end_headers()
            self.wfile.write(found[1])

        def log_message(self, format: str, *args: object) -> None:
            """Keep the terminal quiet."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)
