"""Compilers of this machine as functions from a program to its errors, in subprocesses with limits.

``javac`` and Python are servers (one process for all programs, length-prefixed over pipes; a dead or late
server is replaced on the next question), ``gcc`` and ``g++`` are one process a program. Each works in an
empty folder of its own, on text only: nothing is linked, loaded or run, no annotation processor is started
and no ``#include`` is followed.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol

TIMEOUT_SECONDS = 20.0
_GAVE_UP = "gave up: "  # how a server's answer starts when the compiler itself failed
ANSWER_LIMIT_BYTES = 16 << 20

_PYTHON_SERVER = """
import struct, sys
read, write = sys.stdin.buffer, sys.stdout.buffer
while head := read.read(4):
    text = read.read(struct.unpack(">I", head)[0]).decode("utf-8", "surrogateescape")
    answer = ""
    try:
        compile(text, "snippet", "exec", dont_inherit=True)
    except SyntaxError as error:
        answer = f"{error.lineno or 0}\\t0\\t{' '.join(str(error.msg).split())}\\n"
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        answer = f"0\\t0\\tgave up: {type(error).__name__}\\n"
    data = answer.encode("utf-8", "replace")
    write.write(struct.pack(">I", len(data)) + data)
    write.flush()
"""
# A missing header ends the compilation, and a header is a file of this machine: snippets go without.
_INCLUDE = re.compile(r"^[ \t]*(?:#|%:|\?\?=)[ \t]*(?:include|include_next|import|embed)\b.*$", re.MULTILINE)
_GCC_ERROR = re.compile(r"^<stdin>:(\d+)(?::\d+)?: (?:fatal )?error: (.*)$", re.MULTILINE)


class CompilerGoneError(Exception):
    """The compiler died or exceeded its time limit on one program: it has no opinion on that one."""


@dataclass(frozen=True)
class CompileError:
    """One complaint; ``line`` is 1-based (0 where unknown)."""

    line: int
    message: str


class Compiler(Protocol):
    """What a witness needs of a compiler."""

    name: str

    def errors(self, source: str) -> tuple[CompileError, ...]:
        """Return the errors on ``source``; raises ``CompilerGoneError``."""
        ...

    def close(self) -> None:
        """Stop its process and remove its folder."""
        ...


def find_compiler(language: str) -> Compiler | None:
    """Return this machine's compiler for ``language``, or None where there is none."""
    if language == "python":
        command = _limited([sys.executable, "-I", "-S", "-c", _PYTHON_SERVER], memory_mib=2048)
        return _Server(f"Python {sys.version_info[0]}.{sys.version_info[1]}", command, {})
    if language == "java" and (java := shutil.which("java")) and shutil.which("javac"):
        source = files("durometer.code").joinpath("JavaSyntaxServer.java").read_text("utf-8")
        # A JVM reserves far more address space than it uses: its memory limit is its own -Xmx.
        options = ["-Xshare:auto", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss64m", "-Xmx1g"]
        return _Server("javac", [java, *options, "JavaSyntaxServer.java"], {"JavaSyntaxServer.java": source})
    program = {"c": "gcc", "cpp": "g++"}.get(language)
    if program and (path := shutil.which(program)):
        return _Gcc(program, path, "c++" if language == "cpp" else "c")
    return None


def _limited(command: list[str], *, memory_mib: int) -> list[str]:
    limits = f'ulimit -f 0; ulimit -v {memory_mib << 10}; exec "$@"'
    return ["/bin/sh", "-c", limits, "sh", *command]


def _started(
    command: list[str], folder: str, locale: str, *, stdout: int, stderr: int
) -> subprocess.Popen[bytes]:
    """Start a compiler in ``folder``, its home too, with nothing of our environment but the path."""
    path = os.environ.get("PATH", os.defpath)
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        cwd=folder,
        env={"LC_ALL": locale, "PATH": path, "HOME": folder, "TMPDIR": folder},
        start_new_session=True,
    )


class _Gcc:
    """``gcc -fsyntax-only`` on standard input."""

    def __init__(self, name: str, path: str, kind: str) -> None:
        self.name = name
        flags = ["-fsyntax-only", "-w", "-nostdinc", "-fmax-errors=500", "-fno-diagnostics-show-caret"]
        flags += ["-fno-diagnostics-show-option", "-fdiagnostics-color=never"]
        self._command = _limited([path, *flags, "-x", kind, "-"], memory_mib=4096)
        self._folder = tempfile.TemporaryDirectory(prefix="durometer-")

    def errors(self, source: str) -> tuple[CompileError, ...]:
        """Return the errors, at most 500."""
        process = _started(
            self._command, self._folder.name, "C", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            data = _INCLUDE.sub("", source).encode("utf-8", "surrogateescape")
            _, complaints = process.communicate(data, timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            _kill_group(process)
            raise CompilerGoneError(f"{self.name} took more than {TIMEOUT_SECONDS:.0f} s") from None
        text = complaints.decode("utf-8", "replace")
        found = tuple(CompileError(int(line), message) for line, message in _GCC_ERROR.findall(text))
        if process.returncode and not found:
            raise CompilerGoneError(f"{self.name} gave up: {text.strip()[:200] or process.returncode}")
        return found

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()


class _Server:
    """A process that answers length-prefixed programs with lines of ``line TAB column TAB message``."""

    def __init__(self, name: str, command: list[str], texts: dict[str, str]) -> None:
        self.name = name
        self._command = command
        self._folder = tempfile.TemporaryDirectory(prefix="durometer-")
        for file, text in texts.items():
            (Path(self._folder.name) / file).write_text(text, "utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def errors(self, source: str) -> tuple[CompileError, ...]:
        """Ask the server, starting it if need be."""
        data = source.encode("utf-8", "surrogateescape")
        answer = self._ask(struct.pack(">I", len(data)) + data).decode("utf-8", "replace")
        rows = (line.split("\t", 2) for line in answer.split("\n") if line)
        found = tuple(CompileError(int(line), message) for line, _, message in rows)
        if found and found[0].message.startswith(_GAVE_UP):
            raise CompilerGoneError(found[0].message)
        return found

    def close(self) -> None:
        """Stop the process and remove its folder."""
        self._stop()
        self._folder.cleanup()

    def _ask(self, question: bytes) -> bytes:
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        deadline = time.monotonic() + TIMEOUT_SECONDS
        answer, size = bytearray(), 4
        while len(answer) < size:
            wait = deadline - time.monotonic()
            writers = [process.stdin] if question else []
            readable, writable, _ = select.select([process.stdout], writers, [], max(wait, 0))
            if not readable and not writable:
                self._stop()
                raise CompilerGoneError(f"{self.name} took more than {TIMEOUT_SECONDS:.0f} s")
            try:
                if writable:
                    question = question[os.write(process.stdin.fileno(), question[: 1 << 16]) :]
                chunk = os.read(process.stdout.fileno(), size - len(answer)) if readable else None
            except OSError:
                chunk = b""
            if chunk == b"":
                self._stop()
                raise CompilerGoneError(f"{self.name} died")
            answer += chunk or b""
            if size == 4 and len(answer) == 4:
                size += min(struct.unpack(">I", answer)[0], ANSWER_LIMIT_BYTES)
        return bytes(answer[4:])

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = process = _started(
            self._command, self._folder.name, "C.UTF-8", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        return process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _kill_group(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was still buffered for a dead process does not matter
                    pipe.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and its children (``gcc`` starts a compiler proper), and reap it."""
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        process.kill()
    process.wait()
