from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import polars as pl
import pytest
from synthetic_view import build_view

from durometer.errors import StoreError
from durometer.report import live
from durometer.report.transfer import SCHEMA


def transfer_answers() -> pl.DataFrame:
    row = {"task": "clone", "victim": "encoder-3M", "seed": 0, "source": "original", "target": "pruned-50"}
    return pl.DataFrame(
        {**row, "sample_id": "a", "snippet_id": "a", "original_correct": True, "adversarial_correct": False},
        schema=SCHEMA,
    )


class Run:
    """A run that gains variants each time it is looked at."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> live.Run:
        self.looks += 1
        if self.looks == 1:
            return build_view(samples=20, variants=1, complete=False), None, None
        return build_view(samples=20, variants=2), transfer_answers(), None


@pytest.fixture
def run() -> Run:
    return Run()


@pytest.fixture
def port(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(live, "REFRESH_SECONDS", 0)
    with live.make_server(run, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def get(port: int, path: str, host: str = "127.0.0.1"):
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Host": f"{host}:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def test_page_follows_the_run_until_it_is_complete(run: Run, port: int) -> None:
    status, headers, page = get(port, "/")
    assert status == 200
    assert headers["Refresh"] == "0"
    assert "This study is not finished" in page
    _, headers, page = get(port, "/")
    assert headers["Refresh"] is None
    assert "This study is not finished" not in page
    get(port, "/")
    assert run.looks == 2
    record = json.loads(get(port, "/results.json")[2])
    assert len(record["variants"]) == 2
    assert [t["target"] for t in record["transfer"]] == [
        "pruned-50"
    ]  # what --transfer has measured is shown too
    assert "break pruned-50" in page


def test_other_names_and_other_paths_are_refused(port: int) -> None:
    assert get(port, "/", host="evil.example")[0] == 403
    assert get(port, "/../etc/passwd")[0] == 404


def test_a_damaged_run_is_explained() -> None:
    def broken() -> live.Run:
        raise StoreError("damaged", where="cell")

    with live.make_server(broken, 0) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        status, _, text = get(server.server_address[1], "/")
        thread.join()
    assert status == 503
    assert "cell: damaged" in text
