"""The options of readers and generators: what there is, with defaults, and a refusal of what there is not."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from durometer.corpora.base import BUILTIN, CORPORA, Corpus
from durometer.errors import InputError

DEFAULTS: Mapping[str, Mapping[str, int]] = {
    "builtin-clones": {"pairs": 4000, "seed": 1},
    "builtin-cwe": {"pairs": 2000, "seed": 1},
    "builtin-injected": {"seed": 1},
    "builtin-summaries": {"seed": 1},
}
"""What a generator is asked for where the command line says nothing."""
NOT_OPTIONS = frozenset({"path", "split", "task"})
SOURCE = re.compile(r"^Source: (.+?)(?:\n\s*\n|\Z)", re.DOTALL | re.MULTILINE)


def maker(name: str) -> Callable[..., Corpus]:
    """Return the generator or reader of this name (raises ``UnknownNameError``)."""
    return BUILTIN.get(name) if name in BUILTIN else CORPORA.get(name)


def options_of(name: str) -> dict[str, str]:
    """Return option → default as one would type it, further choices behind a bar; "" where it has none."""
    function = maker(name)
    hints = _hints(function)
    options = {}
    for option, parameter in inspect.signature(function).parameters.items():
        if option not in NOT_OPTIONS:
            default = DEFAULTS.get(name, {}).get(option, parameter.default)
            hint = hints.get(option)
            choices = get_args(hint) if get_origin(hint) is Literal else ()
            others = [str(choice) for choice in choices if choice != default]
            options[option] = "|".join([_typed(default), *others])
    return options


def source_of(name: str) -> str:
    """Return what the documentation of a reader or generator says behind ``Source:``, on one line."""
    found = SOURCE.search(inspect.getdoc(maker(name)) or "")
    return " ".join(found[1].split()) if found else ""


def call(name: str, *arguments: str, options: Mapping[str, Any], **fixed: str | None) -> Corpus:
    """Read or generate the corpus ``name`` after its options were checked against its annotations.

    Raises:
        InputError: an option that is unknown, missing or of the wrong type; says what there is.

    """
    from pydantic import ValidationError, validate_call

    function = maker(name)
    checked = validate_call(function) if inspect.isfunction(function) else function
    try:
        return checked(*arguments, **fixed, **options)
    except ValidationError as error:
        fault = error.errors()[0]
        option = str(fault["loc"][0])
        known = fault["type"] != "unexpected_keyword_argument"
        what = f"the option {option!r}: {fault['msg'].lower()}" if known else f"no option {option!r}"
        shown = ", ".join(f"{key}={value}" for key, value in options_of(name).items())
        raise InputError(what, where=f"options of {name}", hint=f"Options: {shown or 'none'}.") from None


def _hints(function: Callable[..., Corpus]) -> Mapping[str, Any]:
    try:
        return get_type_hints(function)
    except (NameError, TypeError):  # a plug-in whose annotations are for type checkers alone
        return {}


def _typed(default: object) -> str:
    if default in (None, inspect.Parameter.empty):
        return ""
    return "+".join(map(str, default)) if isinstance(default, tuple) else str(default)
