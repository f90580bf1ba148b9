"""Study files as text: YAML with the line of every field, and errors that point at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from durometer.errors import ConfigurationError, InputError, not_utf8, suggest

FieldPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """Parsed YAML (plain objects), the file's name, the line of each field (1-based), and the text."""

    data: Any
    name: str = "study"
    lines: Mapping[FieldPath, int] = field(default_factory=dict)
    text: str = ""

    def where(self, path: FieldPath) -> str:
        """Return ``file:line field.path`` for a field, or for its nearest enclosing field."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return f"{self.name}:{self.lines[path[:end]]} {spell(path)}".rstrip()
        return f"{self.name} {spell(path)}".rstrip()

    def error(self, path: FieldPath, what: str, hint: str = "") -> ConfigurationError:
        """Return the error for one field."""
        return ConfigurationError(what, where=self.where(path), hint=hint)


def spell(path: FieldPath) -> str:
    """Return ``attacks[0].kind`` for ``("attacks", 0, "kind")``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_yaml(path: Path) -> Source:
    """Read a YAML file.

    Raises:
        InputError: no such file, not text, or broken YAML (with the line).

    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        hint = (
            f"YAML files there: {', '.join(near[:8])}." if near else "`durometer init` writes a study file."
        )
        raise InputError("no such file", where=str(path), hint=hint) from None
    except IsADirectoryError:
        raise InputError("this is a folder; a study file is expected", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise not_utf8(error.object[:100], str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> Source:
    """Parse YAML text; ``name`` stands for it in errors.

    Raises:
        InputError: broken YAML, or a field that is given twice; with the line.

    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[FieldPath, int] = {}
        if root is not None:
            _walk(root, (), lines, name)
        return Source(yaml.safe_load(text), name, lines, text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        problem = " ".join(filter(None, [error.context, error.problem]))
        raise InputError(f"broken YAML: {problem}", where=f"{name}{line}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"broken YAML: {str(error).splitlines()[0]}", where=name) from None


def _walk(node: yaml.Node, path: FieldPath, lines: dict[FieldPath, int], name: str) -> None:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise InputError("broken YAML: a field's name must be a word", where=f"{name}:{line}")
            if key.value in seen:
                raise InputError(f"the field {key.value!r} is given twice", where=f"{name}:{line}")
            seen.add(key.value)
            _walk(value, (*path, key.value), lines, name)
            lines[(*path, key.value)] = line
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, name)


def explain(
    error: ValidationError, source: Source, model: type[BaseModel], prefix: FieldPath = ()
) -> ConfigurationError:
    """Turn pydantic's first complaint into ours: file, line, field, allowed values, nearest name."""
    first = error.errors()[0]
    path = prefix + tuple(first["loc"])
    kind, value = first["type"], first.get("input")
    if kind == "extra_forbidden":
        known = _fields_at(model, tuple(first["loc"])[:-1])
        return source.error(path, f"unknown field {path[-1]!r}", suggest(str(path[-1]), known))
    if kind == "missing":
        return source.error(path[:-1] or path, f"the field {path[-1]!r} is missing")
    if kind == "literal_error":
        return source.error(path, f"{value!r} is not allowed", f"Allowed: {first['ctx']['expected']}.")
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, HintedError):
        return source.error(path, inner.what, inner.hint)
    message = str(inner) if inner else first["msg"][:1].lower() + first["msg"][1:]
    shown = "" if isinstance(value, Mapping | list | tuple) or inner else f" (got {value!r})"
    return source.error(path, message + shown)


class HintedError(ValueError):
    """Raised inside validators: a message and what to do about it."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


def _fields_at(model: type[BaseModel], path: FieldPath) -> list[str]:
    """Return the field names of the (nested) model at ``path``."""
    current: Any = model
    for part in path:
        if isinstance(part, int) or not hasattr(current, "model_fields"):
            continue
        if part not in current.model_fields:
            continue
        annotation = current.model_fields[part].annotation
        arguments = [a for a in getattr(annotation, "__args__", ()) if hasattr(a, "model_fields")]
        current = arguments[0] if arguments else annotation
    return list(getattr(current, "model_fields", {}))
