"""Studies by name, as commented files: the demo in three sizes, a quick one, and the published one."""

from __future__ import annotations

from importlib import resources

from durometer.errors import UnknownNameError, suggest
from durometer.study.source import Source, parse_yaml

STUDIES = {
    "quick": "One small model, two attacks, some minutes: a start for a study of one's own.",
    "paper": "The published study of CodeBERT: its data, four attacks, hyper-parameters and seed.",
    "demo-tiny": "The demo in a minute, for continuous integration: two tasks.",
    "demo-small": "The demo in some minutes: three tasks.",
    "demo-full": "The demo with three architectures and samples for narrow intervals, in some hours.",
}


def preset(name: str) -> Source:
    """Return the study file called ``name``.

    Raises:
        UnknownNameError: no such preset.

    """
    if name not in STUDIES:
        raise UnknownNameError(f"unknown preset {name!r}", hint=suggest(name, STUDIES))
    text = resources.files("durometer.study").joinpath("studies", f"{name}.yaml").read_text(encoding="utf-8")
    return parse_yaml(text, f"preset {name}")
