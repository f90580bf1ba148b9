"""One run per folder at a time: an advisory lock that dies with the processes that hold it.

The lock is ``flock`` on a file that also says who holds it. Worker processes inherit the descriptor, so a
driver that was killed keeps the folder locked until its last worker, which may still be writing, is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from durometer.durable import explained, is_alive
from durometer.errors import StoreError

PATIENCE_SECONDS = 5.0  # workers notice within a moment that their driver was killed
PEEK_SECONDS = 0.3  # `status` holds the lock for a moment to see whether anybody else does


class RunLock:
    """Context manager that holds ``folder/run.lock``.

    Raises:
        StoreError: another live process holds the folder; the message names it.

    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "run.lock"
        self.descriptor = -1

    def __enter__(self) -> RunLock:
        with explained(self.path):
            self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        started = time.monotonic()
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = read_holder(self.path)
                if time.monotonic() - started > (PEEK_SECONDS if _is_alive(holder) else PATIENCE_SECONDS):
                    os.close(self.descriptor)
                    raise self._held(holder) from None
                time.sleep(0.05)
        holder_text = json.dumps(
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
        with explained(self.path):
            os.ftruncate(self.descriptor, 0)
            os.pwrite(self.descriptor, holder_text.encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)  # the file stays: removing it would race with the next holder

    def _held(self, holder: dict[str, object]) -> StoreError:
        who = "process {pid} on {host} since {since}".format_map(
            {"pid": "?", "host": "?", "since": "?"} | holder
        )
        is_study = (self.path.parent / "plan.json").exists()
        progress = " `durometer status` shows how far it is." if is_study else ""
        return StoreError(
            f"another durometer is running in this folder: {who}",
            where=str(self.path.parent),
            hint=f"Wait for it, stop it, or choose another folder with --out.{progress}",
        )


def read_holder(path: Path) -> dict[str, object]:
    """Return what the lock file says about its last holder (pid, host, since); empty if unreadable."""
    try:
        holder = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def is_held(folder: Path) -> bool:
    """Whether a live process holds the folder now."""
    try:
        descriptor = os.open(folder / "run.lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_alive(holder: dict[str, object]) -> bool:
    """Whether the named holder still runs; another host's process counts as alive."""
    if holder.get("host") != socket.gethostname():
        return bool(holder)
    try:
        return is_alive(int(str(holder["pid"])))
    except (KeyError, ValueError):
        return False
