"""The set-up script: what a newcomer meets before any package exists."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return a copy of run.py beside the files that it hashes, with no environment."""
    for name in ("run.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, tmp_path)
    return tmp_path / "run.py"


def test_help_needs_no_environment(script: Path) -> None:
    done = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True)
    assert "python3 run.py demo" in done.stdout
    assert not (script.parent / ".venv").exists()


def test_an_old_interpreter_gets_one_clear_line(script: Path, monkeypatch, capsys) -> None:
    names = runpy.run_path(str(script))
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit) as stopped:
        names["find_python"]()
    assert stopped.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_full_disk_gets_one_clear_line(script: Path, monkeypatch, capsys) -> None:
    names = runpy.run_path(str(script))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(SystemExit) as stopped:
        names["set_up"](False)
    assert stopped.value.code == 1
    assert "free disk" in capsys.readouterr().err
    assert not (script.parent / ".venv").exists()


def test_the_stamp_follows_the_requirements(script: Path) -> None:
    names = runpy.run_path(str(script))
    python = Path(names["PYTHON"])
    python.parent.mkdir(parents=True)
    python.touch()
    stamp = Path(names["STAMP"])
    assert not names["is_ready"](False)
    stamp.write_text(names["wanted_stamp"]("core") + "\n")
    assert names["is_ready"](False)
    assert not names["is_ready"](True)
    stamp.write_text(names["wanted_stamp"]("dev") + "\n")
    assert names["is_ready"](False)
    assert names["is_ready"](True)
    (script.parent / "constraints.txt").write_text("changed")
    assert not names["is_ready"](False)


def test_the_tests_run_in_two_processes_unless_told_otherwise(script: Path) -> None:
    names = runpy.run_path(str(script))
    python, stamp = Path(names["PYTHON"]), Path(names["STAMP"])
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\nexit 5\n')
    python.chmod(0o755)
    stamp.write_text(names["wanted_stamp"]("dev") + "\n")
    command = [sys.executable, script, "test", "-n", "0", "-k", "one or other"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert done.stdout.split()[:3] == ["-m", "pytest", "-n"]
    assert done.stdout.endswith(" -n 0 -k one or other\n")  # pytest takes the last
