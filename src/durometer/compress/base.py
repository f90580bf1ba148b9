"""What a compression is: a frozen configuration, applied by one verb to a victim, giving a victim.

``compress(victim, recipe, data)`` applies a list of configurations in order. The result saves to a folder
that loads without the code that made it (see ``durometer.victims.storage``). Configurations are light: torch
is imported when one is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from durometer.corpora.base import Corpus
from durometer.errors import ConfigurationError, suggest
from durometer.registry import Registry

if TYPE_CHECKING:
    from durometer.victims.loop import Progress
    from durometer.victims.saved import SavedVictim


class Compression(BaseModel):
    """One step of a recipe. ``kind`` names it in files; ``simulated`` says that nothing really computes less.

    A subclass sets ``kind: Literal["…"] = "…"``, ``source``, its options as fields, and ``behaviour``, a
    function of the victim, the step and the rest of ``apply``; or it has an ``apply`` of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    simulated: ClassVar[bool] = False
    source: ClassVar[str] = ""  # the paper that it follows
    behaviour: ClassVar[str] = ""  # module:function, imported when the step is applied
    kind: str

    def apply(
        self, victim: SavedVictim, data: Corpus | None, *, seed: int, progress: Progress, work: Path | None
    ) -> SavedVictim:
        """Return a new victim; the given one is not changed.

        ``work`` is a folder for checkpoints, this step's own: a step that is killed and applied again with
        the same arguments goes on from there and ends with the same weights.

        Raises:
            RefusedError: the step cannot be applied to this victim.
            InputError: the step needs data and there is none.

        """
        module, _, function = self.behaviour.partition(":")
        applied: SavedVictim = getattr(import_module(module), function)(
            victim, self, data, seed=seed, progress=progress, work=work
        )
        return applied

    def files(self) -> list[str]:
        """Return the paths (``*`` names several) that the step reads beside its data; what they hold
        names its result too, where they lie does not.
        """
        return []

    def moved(self, change: Callable[[str], str]) -> Self:
        """Return the step with each of :meth:`files` replaced by what ``change`` makes of it."""
        return self

    def describe(self) -> str:
        """Return the step in words, for tables."""
        values = self.model_dump(exclude={"kind"}, exclude_defaults=True)
        options = ", ".join(f"{key} {value}" for key, value in values.items())
        return f"{self.kind}({options})" if options else self.kind


COMPRESSIONS: Registry[type[Compression]] = Registry(
    "compression",
    {
        "magnitude_prune": "durometer.compress.prune_configs:MagnitudePrune",
        "structured_prune": "durometer.compress.prune_configs:StructuredPrune",
        "movement_prune": "durometer.compress.prune_configs:MovementPrune",
        "extra_training": "durometer.compress.prune_configs:ExtraTraining",
        "int8": "durometer.compress.configs:Int8",
        "int4": "durometer.compress.configs:Int4",
        "bf16": "durometer.compress.configs:BFloat16",
        "qat_int8": "durometer.compress.configs:QatInt8",
        "qat_int4": "durometer.compress.configs:QatInt4",
        "onnx": "durometer.compress.engine_configs:Onnx",
        "onnx_int8": "durometer.compress.engine_configs:OnnxInt8",
        "openvino": "durometer.compress.engine_configs:OpenVino",
        "openvino_int8": "durometer.compress.engine_configs:OpenVinoInt8",
        "openvino_static_int8": "durometer.compress.engine_configs:OpenVinoStaticInt8",
        "distill": "durometer.compress.distill_config:Distill",
    },
)


def parse_compression(values: Mapping[str, Any], *, where: str = "") -> Compression:
    """Return the configuration that ``values`` describe; ``kind`` decides the class.

    Raises:
        UnknownNameError: no such kind (the message suggests one).
        ConfigurationError: a field is missing, unknown or out of range.

    """
    kind = values.get("kind")
    if not isinstance(kind, str):
        raise ConfigurationError("a compression needs a field 'kind'", where=where)
    try:
        return COMPRESSIONS.get(kind).model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            known = [name for name in COMPRESSIONS.get(kind).model_fields if name != "kind"]
            name = str(first["loc"][0])
            what = f"{kind} has no option {name!r}"
            raise ConfigurationError(what, where=where, hint=suggest(name, known)) from error
        field = "".join(f".{part}" for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        got = f" (got {first['input']!r})" if field else ""  # the whole step where fields disagree
        place = f"{where}{': ' if where else ''}{kind}{field}"
        raise ConfigurationError(f"{what}{got}", where=place) from error
