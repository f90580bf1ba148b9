"""How a verb ends when it cannot go on: one message, the right exit code, and no traceback.

Ctrl-C and SIGTERM both raise ``KeyboardInterrupt`` wherever the verb is, so that half-written files go and
workers are told. Libraries turn that into errors of their own now and then; whatever ends a verb after a
signal came is therefore taken for the signal.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from durometer.durable import store_error
from durometer.errors import DurometerError, out_of_memory

KEEPING = ("demo", "run", "attack", "train", "compress", "candidates")  # verbs that go on where they were
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_received: list[int] = []


def _stop(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt


@contextmanager
def listening() -> Iterator[None]:
    """Let the signals stop the verb inside, unless whoever started us (nohup, a shell's ``&``) ignores them.

    Streams that are closed become empty ones, and a letter that the terminal does not know a question mark.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (also keeps files off descriptors 0 to 2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]
    _received.clear()
    try:
        for number in heard:
            signal.signal(number, _stop)
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


@contextmanager
def explained_ending(context: Any) -> Iterator[None]:
    """Say on standard error why the verb of a click ``context`` ends, and exit; bugs of ours go on."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # here, where a reader that went away and a full disk are explained
    except BaseException as error:
        code = _exit_code(error, context.invoked_subcommand if context else None)
        if code is None:
            raise
        raise SystemExit(code) from None


def _exit_code(error: BaseException, verb: str | None) -> int | None:
    if _received or isinstance(error, KeyboardInterrupt):
        return _stopped(_received[0] if _received else signal.SIGINT, verb)
    if isinstance(error, DurometerError):
        complain(str(error))
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # The reader of our output (head, less) went away: not an error, and nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    if isinstance(error, OSError):
        complain(str(store_error(error)))
        return 1
    if isinstance(error, MemoryError | RuntimeError) and out_of_memory(error):
        complain("out of memory. Use fewer --workers, or a machine with more memory.")
        return 1
    return None


def _stopped(number: int, verb: str | None) -> int:
    """Say what is kept; a second Ctrl-C does not disturb it."""
    for impatient in SIGNALS:
        signal.signal(impatient, signal.SIG_IGN)
    what = "interrupted" if number == signal.SIGINT else "terminated"
    kept = "Finished work is kept: run" if verb in KEEPING else "No file is left half-written: run"
    complain(f"{what}. {kept} the same command again" + (" to resume." if verb in KEEPING else "."))
    return 128 + number


def complain(message: str) -> None:
    """Print one message on standard error."""
    prefix = "\n" if sys.stderr.isatty() else ""
    print(f"{prefix}durometer: {message}", file=sys.stderr, flush=True)
