"""Machine options from the command line, over those of the study file."""

from __future__ import annotations

from pydantic import ValidationError

from durometer.errors import InputError
from durometer.study.config import MachineOptions


def machine_options(base: MachineOptions, **given: str | bool | None) -> MachineOptions:
    """Return ``base`` with the given options, checked.

    Raises:
        InputError: an option with a value that is not allowed.

    """
    update = {name: value for name, value in given.items() if value is not None}
    try:
        return MachineOptions.model_validate(base.model_dump() | update)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0])
        allowed = {"backend": "in-process, processes, ray", "workers": "a number, or auto"}.get(option, "")
        raise InputError(
            f"{first['input']!r} is not allowed",
            where=f"--{option}",
            hint=f"Allowed: {allowed}." if allowed else "",
        ) from None


def on_a_device(options: MachineOptions) -> MachineOptions:
    """Return ``options`` with the device ``auto`` resolved.

    Raises:
        InputError: this machine has no such device, or cannot know (the machines of a cluster).

    """
    if options.device == "cpu":  # torch would take a second to say so
        return options
    from durometer.victims.device import resolved

    if options.backend != "ray":
        return options.model_copy(update={"device": resolved(options.device)})
    if options.device == "auto":
        raise InputError(
            "this machine cannot tell what those of a cluster have",
            where="--device auto",
            hint="With --backend ray, say cpu or cuda.",
        )
    return options
