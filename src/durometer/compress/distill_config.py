"""Options of distillation: which student, what it learns from, and how."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from durometer.compress.base import Compression

if TYPE_CHECKING:
    pass

UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]I?B)", re.IGNORECASE)
BY_SHAPE = re.compile(r"(\d+)x(\d+)")


class StudentShape(BaseModel):
    """A student's shape. ``heads`` defaults to heads of 64, ``feed_forward`` to four times ``hidden``.

    With ``vocabulary`` the student reads through a byte-level BPE of its own, trained on the train split;
    it then starts from random weights. Without, it reads as its teacher does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: int = Field(ge=1, le=48)  # on each side of an encoder-decoder
    hidden: int = Field(ge=8)
    heads: int | None = Field(default=None, ge=1)
    feed_forward: int | None = Field(default=None, ge=8)
    vocabulary: int | None = Field(default=None, ge=300)
    lower_case: bool = False  # with collapsed blanks; for a vocabulary of its own
    max_length: int | None = Field(default=None, ge=16)  # ids, framing included; for a vocabulary of its own

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden % self.attention_heads:
            raise ValueError(f"hidden {self.hidden} is no multiple of heads {self.attention_heads}")
        if self.vocabulary is None and (self.lower_case or self.max_length):
            raise ValueError("lower_case and max_length need a vocabulary of the student's own")
        return self

    @property
    def attention_heads(self) -> int:
        """The number of heads; by default the most that divide ``hidden`` into heads of 64 or more."""
        most = max(1, self.hidden // 64)
        return self.heads or next(n for n in range(most, 0, -1) if self.hidden % n == 0)

    @property
    def inner(self) -> int:
        """The feed-forward width."""
        return self.feed_forward or 4 * self.hidden


# Shi et al., "Compressing Pre-trained Models of Code into 3 MB" (ASE 2022).
COMPRESSOR_3MB = StudentShape(
    layers=12, hidden=96, heads=8, feed_forward=64, vocabulary=1000, lower_case=True, max_length=400
)


class Calibration(BaseModel):
    """What a student's time is a weighted sum of, on one machine (see ``durometer.compress.clock``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: list[float] = Field(
        min_length=6, max_length=6
    )  # milliseconds, in the order of ``clock.features``
    max_length: int = Field(ge=1)  # ids of the snippet that was timed
    threads: int = Field(ge=1)
    machine: str = ""
    error: float = 0.0  # largest relative error on the networks that were timed
    measured_ms: float | None = None  # of the student that it found


class Distill(Compression):
    """Train a smaller student on the victim's softened answers (KL, Hinton 2015) and on the labels.

    ``student``: ``half`` (every second layer of the teacher, as DistilBERT, Sanh 2019), ``3mb`` (Compressor,
    Shi et al., ASE 2022), ``LAYERSxHIDDEN`` such as ``6x256``, or a mapping of a shape. Without, ``layers``
    and ``width`` are fractions of the teacher's depth and width (hidden and feed-forward; the default has
    about a third of the weights). A student with the teacher's tokenizer and width starts from evenly
    spaced layers of the teacher, a narrower one from the teacher's embeddings projected on their principal
    directions. ``target_size`` (``3MB``, fp32), ``target_latency_ms`` and ``max_gflops`` search the shape
    (``search.py``). Milliseconds are those of one snippet as long as the window, in torch on this machine's
    CPU, by a calibration that ``recipe.json`` records: another machine finds another student, unless it is
    given as ``calibration``.

    The loss is ``hard`` · CE(labels) + (1 − ``hard``) · ``temperature``² · KL, plus the terms that have a
    weight: ``hidden_states`` (MSE of evenly spaced layers, projected where widths differ; TinyBERT, Jiao
    et al. 2020), ``attention`` (MSE of attention maps, averaged over heads where their numbers differ), and
    ``relational``: KL between the teacher's and the student's similarities of the snippets of a batch (pairs
    only; Park et al., CVPR 2019, in softmax form), a departure from the published recipes that short
    trainings need. ``unlabelled`` (FORMAT:PATH[#split]) adds samples that only the teacher labels, as does a
    split ``unlabelled`` of the data. ``teacher`` is a file of predictions (``teacher.py``) that takes the
    victim's place; ``relational`` then is InfoNCE over the pairs that it calls clones. ``memory`` (pairs)
    encodes each snippet once an epoch and compares it with the remembered states of all its partners
    (Wang et al., CVPR 2020). Generators: token-level KL, or ``sequence_level``: the teacher's own
    summaries take the place of its probabilities (Kim and Rush, EMNLP 2016).
    """

    source: ClassVar[str] = "Hinton et al. 2015; Shi et al., ASE 2022"
    behaviour: ClassVar[str] = "durometer.compress.distill:distill"
    kind: Literal["distill"] = "distill"
    student: StudentShape | str | None = None
    layers: float = Field(default=0.5, gt=0, le=1)
    width: float = Field(default=0.45, gt=0, le=1)
    target_size: str | None = None
    target_latency_ms: float | None = Field(default=None, gt=0)
    calibration: Calibration | None = None
    max_gflops: float | None = Field(default=None, gt=0)  # for one snippet as long as the window
    temperature: float = Field(default=2.0, gt=0)
    hard: float = Field(default=0.5, ge=0, le=1)  # share of the cross-entropy with the labels
    relational: float = Field(default=1.0, ge=0)
    hidden_states: float = Field(default=0.0, ge=0)
    attention: float = Field(default=0.0, ge=0)
    memory: bool = False
    sequence_level: bool = False
    teacher: str | None = None
    unlabelled: str | None = None
    dropout: float | None = Field(default=None, ge=0, lt=1)  # the teacher's by default
    epochs: float = Field(default=2.5, gt=0)
    batch: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)

    @field_validator("student")
    @classmethod
    def _known(cls, student: StudentShape | str | None) -> StudentShape | str | None:
        if isinstance(student, str) and student not in ("half", "3mb") and not BY_SHAPE.fullmatch(student):
            raise ValueError("a student is half, 3mb, LAYERSxHIDDEN (6x256) or a mapping of a shape")
        return student

    @field_validator("target_size")
    @classmethod
    def _readable(cls, size: str | None) -> str | None:
        if size is not None:
            parse_size(size)
        return size

    @model_validator(mode="after")
    def _one_student(self) -> Self:
        targets = ("target_size", "target_latency_ms")
        named = [name for name in ("student", *targets) if getattr(self, name) is not None]
        if self.student is not None and len(named) > 1:
            raise ValueError(f"student and {named[1]} exclude each other")
        fields = type(self).model_fields
        changed = [n for n in ("layers", "width") if getattr(self, n) != fields[n].default]
        if named and changed:
            raise ValueError(f"{changed[0]} has no effect beside {named[0]}")
        if self.max_gflops is not None and not self.searched:
            raise ValueError("max_gflops needs target_size or target_latency_ms")
        if self.calibration is not None and self.target_latency_ms is None:
            raise ValueError("calibration needs target_latency_ms")
        return self

    @property
    def searched(self) -> bool:
        """Whether the student's shape is searched under a budget."""
        return self.target_size is not None or self.target_latency_ms is not None

    def shape(self) -> StudentShape | None:
        """Return the shape that ``student`` names; None where it follows from the teacher's."""
        if isinstance(self.student, StudentShape):
            return self.student
        if self.student == "3mb":
            return COMPRESSOR_3MB
        match = BY_SHAPE.fullmatch(self.student or "")
        return StudentShape(layers=int(match[1]), hidden=int(match[2])) if match else None

    def fractions(self) -> tuple[float, float]:
        """Return the shares of the teacher's depth and width, where the shape follows from the teacher's."""
        return (0.5, 1.0) if self.student == "half" else (self.layers, self.width)

    def files(self) -> list[str]:
        """See the base class."""
        found: list[str] = []

        def note(path: str) -> str:
            found.append(path)
            return path

        self.moved(note)
        return found

    def moved(self, change: Callable[[str], str]) -> Self:
        """See the base class; a data set of the hub is no file."""
        from durometer.corpora.spec import parse_spec

        update = {"teacher": change(self.teacher)} if self.teacher else {}
        spec = parse_spec(self.unlabelled) if self.unlabelled else None
        if spec and spec.path and (spec.format != "hub" or Path(spec.path).exists()):
            update["unlabelled"] = str(replace(spec, path=change(spec.path)))
        return self.model_copy(update=update)

    def describe(self) -> str:
        """See the base class."""
        shape = self.shape()
        if self.searched:
            budgets = [self.target_size, f"{self.target_latency_ms:g} ms" if self.target_latency_ms else None]
            what = f"at most {' and '.join(filter(None, budgets))}"
        elif shape is not None:
            what = f"{shape.layers} layer{'s' if shape.layers > 1 else ''} × {shape.hidden}"
        else:
            layers, width = self.fractions()
            what = f"{layers:.0%} of the layers" + (f", {width:.0%} of the width" if width < 1 else "")
        taught = " by a file of predictions" if self.teacher else ""
        return f"distilled{taught} into {what}, {self.epochs:g} epoch{'' if self.epochs == 1 else 's'}"


def parse_size(text: str) -> int:
    """Return the bytes that ``3MB`` (10⁶) or ``3MiB`` (2²⁰) means.

    Raises:
        ValueError: not a size.

    """
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 3MB or 500KB")
    return round(float(match[1]) * UNITS[match[2].upper()])
