"""The languages that program text comes in: one file each, found by name."""

from __future__ import annotations

from durometer.code.languages.base import Language
from durometer.registry import Registry

LANGUAGES: Registry[Language] = Registry(
    "language",
    {
        "java": "durometer.code.languages.java:JAVA",
        "c": "durometer.code.languages.c:C",
        "python": "durometer.code.languages.python:PYTHON",
        "cpp": "durometer.code.languages.cpp:CPP",
        "javascript": "durometer.code.languages.javascript:JAVASCRIPT",
        "go": "durometer.code.languages.go:GO",
    },
)
