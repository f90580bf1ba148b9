"""The one method that a victim must have, and what it may say about itself.

Anything with ``predict`` can be attacked. The optional attributes let the driver be faster or more honest;
``traits_of`` reads them with safe defaults.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from durometer.errors import ConfigurationError, DurometerError, VictimError
from durometer.types import Prediction, Sample


@runtime_checkable
class Victim(Protocol):
    """A model under attack. Must not depend on the order of its inputs."""

    def predict(self, inputs: Sequence[Sample]) -> Sequence[Prediction]:
        """Return one prediction per input, in order."""
        ...


@dataclass(frozen=True)
class Traits:
    """What a victim says about itself.

    ``fingerprint`` names device, dtype, canonical shapes and library versions: rows with different
    fingerprints must not be mixed in a table. ``batch_dependent``: a row's answer depends on its
    neighbours, so the driver queries one at a time. ``slice_rows``: how many rows the victim computes
    at once at full use (the driver's lazy slices). ``gradients``: whether input gradients exist.
    """

    fingerprint: str = "unknown"
    batch_dependent: bool = False
    slice_rows: int = 8
    gradients: bool = False


def traits_of(victim: Victim) -> Traits:
    """Return the victim's own ``traits`` attribute, or the defaults."""
    traits = getattr(victim, "traits", None)
    return traits if isinstance(traits, Traits) else Traits()


def made_by(function: str, task: object) -> Any:
    """Return the victim that the user's ``module:function`` makes for ``task``.

    Raises:
        ConfigurationError: it cannot be imported.
        VictimError: it raised.

    """
    module, _, name = function.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # the user's module lies beside the study
    try:
        make = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"cannot make the victim ({error})",
            where=function,
            hint="Write module:function, and run from the module's folder or install it.",
        ) from error
    try:
        return make(task)
    except DurometerError:
        raise
    except Exception as error:
        raise VictimError(f"it raised {type(error).__name__}: {error}", where=f"victim {function}") from error
