"""Files that survive being killed: a destination never exists before it is complete.

Everything goes to a temporary sibling first, is flushed to the disk, and is renamed into place; the
folder is flushed too, so that a power cut cannot take the name away again. Every ``OSError`` on the way
becomes a ``StoreError`` that says what to do.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from durometer.errors import StoreError

HOST = socket.gethostname()[:40]  # in the names of temporary files: process ids repeat on other machines
HINTS = {
    errno.ENOSPC: (
        "the disk is full",
        "Free some space and run the same command again: finished work is kept.",
    ),
    errno.EDQUOT: ("the disk quota is used up", "Free some space and run the same command again."),
    errno.EROFS: ("the file system is read-only", "Choose another folder with --out."),
    errno.EACCES: ("permission denied", "Choose another folder with --out, or change its permissions."),
    errno.EPERM: ("operation not permitted", "Choose another folder with --out."),
    errno.EIO: ("the disk reports an input/output error", "Check the disk; finished work is kept."),
    errno.EMFILE: ("too many open files", "Raise the limit (ulimit -n) or use fewer workers."),
    errno.EFBIG: ("the file is larger than this disk or your limit allows", "Raise the limit (ulimit -f)."),
    errno.EEXIST: ("there is a file where a folder is needed", "Choose another folder with --out."),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "Choose another folder with --out."),
    errno.EISDIR: ("this is a folder, not a file", "Name a file."),
    errno.ENOENT: ("no such file or folder", "Check the path."),
}


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn an ``OSError`` into a ``StoreError`` about ``path`` that says what to do."""
    try:
        yield
    except OSError as error:
        raise store_error(error, path) from error


def store_error(error: OSError, path: Path | str = "") -> StoreError:
    """Return what the system answered about a file in words; ``path`` where the system does not name it."""
    what, hint = HINTS.get(error.errno or 0, (error.strerror or str(error), ""))
    return StoreError(what, where=str(error.filename or path), hint=hint)


def fsync_path(path: Path) -> None:
    """Flush one file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(folder: Path) -> None:
    """Flush every file and folder below ``folder``, and itself."""
    for root, _, files in os.walk(folder):
        for name in files:
            fsync_path(Path(root) / name)
        fsync_path(Path(root))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary sibling to be written; flush it and rename it to ``path``, or leave no trace.

    Folders on the way are made. A link's target is replaced, not the link. What a killed process of this
    machine left of an earlier try goes first.

    Raises:
        StoreError: the disk does not take it, or ``path`` is there and no file.

    """
    with explained(path):
        path = path.resolve()
        if path.exists() and not path.is_file():  # a rename would put a file in the place of /dev/null
            raise OSError(errno.EISDIR if path.is_dir() else errno.EINVAL, "not a regular file", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        temporary = path.with_name(f".{path.name}.{HOST}-{os.getpid()}.tmp")
        try:
            yield temporary
            fsync_path(temporary)
            os.replace(temporary, path)
            fsync_path(path.parent)
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename == str(temporary):
                error.filename = str(path)  # which the user knows
            raise


def _sweep(path: Path) -> None:
    """Remove the temporary siblings of ``path`` whose processes are gone; those of other machines stay."""
    prefix = f".{path.name}.{HOST}-"
    for name in os.listdir(path.parent):
        process = name.removeprefix(prefix).removesuffix(".tmp")
        if name == f"{prefix}{process}.tmp" and process.isdecimal() and not is_alive(int(process)):
            path.with_name(name).unlink(missing_ok=True)


def is_alive(process: int) -> bool:
    """Whether a process of this number runs on this machine, anybody's."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``: all of it or nothing, replacing what was there."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def publish(temporary: Path, destination: Path) -> None:
    """Rename a complete folder into place.

    If somebody else published the same content first, theirs stays: names are content hashes.
    """
    with explained(destination):
        fsync_tree(temporary)
        try:
            os.rename(temporary, destination)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            shutil.rmtree(temporary)
        fsync_path(destination.parent)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read piece by piece."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
