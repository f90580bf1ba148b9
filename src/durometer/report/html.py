"""What both pages are made with: templates that escape, and sources that their policies allow by SHA-256."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

import jinja2


def environment() -> jinja2.Environment:
    """Return the environment of our templates: everything is escaped, and an unknown name is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("durometer.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def asset(name: str) -> str:
    """Return the text of a style sheet or script."""
    return files("durometer.report").joinpath("templates", name).read_text(encoding="utf-8")


def allowed(source: str) -> str:
    """Return how a content-security policy names an inline style sheet or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
