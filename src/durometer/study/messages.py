"""What a driver asks of a worker, and what a worker tells its driver: plain data, one JSON line each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from durometer import errors
from durometer.errors import DurometerError

EventKind = Literal["progress", "sample", "done", "failed", "died"]


@dataclass(frozen=True)
class Task:
    """Make ``node``, or attack these ``samples`` of it: of a cell, or of a campaign, which has no node."""

    node: Mapping[str, Any]
    samples: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Return the task as one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Task:
        """Return the task that :meth:`encode` wrote."""
        data = json.loads(line)
        return cls(data["node"], tuple(data["samples"]))


@dataclass(frozen=True)
class Event:
    """Something that happened to the task at hand.

    ``progress``: ``stage``, ``done`` of ``total``, ``note`` (such as the loss). ``sample``: one outcome is on
    the disk. ``done`` and ``failed`` end the task; so does ``died``: its process is gone, or was out of
    memory.
    """

    kind: EventKind
    data: Mapping[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the event as one line."""
        return json.dumps({"kind": self.kind, "data": dict(self.data)}).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Event:
        """Return the event that :meth:`encode` wrote."""
        return cls(**json.loads(line))


Emit = Callable[[Event], None]


def describe(error: BaseException, trace: str) -> dict[str, Any]:
    """Return an exception as plain data; :func:`revive` makes it an exception again."""
    if isinstance(error, DurometerError):
        return {"class": type(error).__name__, "what": error.what, "where": error.where, "hint": error.hint}
    return {"class": "", "what": f"{type(error).__name__}: {error}", "trace": trace}


def revive(data: Mapping[str, Any]) -> Exception:
    """Return the exception that :func:`describe` described; a bug keeps its worker's traceback as text."""
    kind = getattr(errors, data["class"], None) if data["class"] else None
    if kind is None:
        return RuntimeError(f"{data['what']}\n\nIn the worker:\n{data.get('trace', '')}")
    error: Exception = kind(data["what"], where=data["where"], hint=data["hint"])
    return error
