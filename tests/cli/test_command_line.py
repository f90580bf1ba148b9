"""The command line as a whole: quick help, suggestions, no traceback for what people do wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from durometer.cli import VERBS


def durometer(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "durometer", *arguments], capture_output=True, text=True, check=False
    )


def test_help_names_every_verb_and_loads_nothing_heavy() -> None:
    names = "torch transformers polars numpy scipy pydantic altair"
    code = (
        "import sys, durometer.cli as cli\n"
        "try: cli.app(['--help'], prog_name='durometer')\n"
        "except SystemExit: pass\n"
        f"heavy = set({names!r}.split()) & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f"  {verb} " in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    done = durometer(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert "Options:" in done.stdout


def test_a_misspelt_verb_is_suggested() -> None:
    done = durometer("dmo")
    assert done.returncode == 2
    assert "Did you mean 'demo'?" in done.stderr


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_signal_gets_one_line_and_its_exit_code(tmp_path: Path, number: int, word: str) -> None:
    study = tmp_path / "study.yaml"
    os.mkfifo(study)  # the verb waits for what nobody writes
    command = [sys.executable, "-m", "durometer", "run", study, "--dry-run"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while True:
        try:
            writer = os.open(study, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError:
            time.sleep(0.02)  # nobody reads yet
    process.send_signal(number)
    _, complaint = process.communicate(timeout=60)
    os.close(writer)
    assert process.returncode == 128 + number
    assert complaint == (f"durometer: {word}. Finished work is kept: run the same command again to resume.\n")


def test_a_reader_that_went_away_a_full_disk_and_no_output_at_all_are_no_bugs() -> None:
    code = "import sys; from durometer.__main__ import main; sys.argv[1:] = ['ls', 'attacks']; main()"
    command = ["sh", "-c", '"$0" -c "$1" | :; "$0" -c "$1" > /dev/full; echo $?; "$0" -c "$1" >&-; echo $?']
    done = subprocess.run([*command, sys.executable, code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1", "0"]
    assert done.stderr.startswith("durometer: the disk is full\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "missing.yaml"),
        ("status", "missing"),
        ("report", "missing"),
        ("check", "missing.csv"),
        ("ls", "atacks"),
        ("eval", "--victim", "missing.yaml", "--data", "devign:missing"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_is_not_there_gets_a_message(arguments: tuple[str, ...]) -> None:
    done = durometer(*arguments)
    assert done.returncode != 0
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr + done.stdout
