"""Studies by name: the demo in three sizes, a quick one, and the published one."""

from __future__ import annotations

from durometer.errors import UnknownNameError
from durometer.study.source import Source, parse_yaml, suggest

DEMO = """\
version: 1
name: demo {size}
seeds: [123456]
tasks:
  - task: clone
    corpus: builtin-clones
    options: {{pairs: {pairs}, seed: 1, test_pairs: {test_pairs}{corpus_options}}}
victims:
  - {{name: encoder, preset: {preset}}}
variants:
  - {{name: pruned 50 %, recipe: [{{kind: magnitude_prune, sparsity: 0.5{prune_options}}}]}}
  - {{name: int8, recipe: [int8]}}
  - {{name: distilled, recipe: [distill]}}
attacks:
  - {{kind: wir_random}}
  - {{kind: mhm, iterations: {iterations}}}
limits: {{samples: {samples}}}
"""


def preset(name: str) -> Source:
    """Return the study file called ``name``.

    Raises:
        UnknownNameError: no such preset.

    """
    if name not in STUDIES:
        raise UnknownNameError(f"unknown preset {name!r}", hint=suggest(name, list(STUDIES)))
    return parse_yaml(STUDIES[name], f"preset {name}")


STUDIES = {
    "demo-tiny": DEMO.format(
        size="tiny",
        pairs=600,
        test_pairs=200,
        corpus_options=", max_functions: 1200",
        prune_options="",
        preset="tiny",
        iterations=10,
        samples=40,
    ),
    "demo-small": DEMO.format(
        size="small",
        pairs=8000,
        test_pairs=1000,
        corpus_options="",
        prune_options="",
        preset="small",
        iterations=30,
        samples=150,
    ),
    "demo-full": DEMO.format(
        size="full",
        pairs=20000,
        test_pairs=2000,
        corpus_options="",
        prune_options="",
        preset="small",
        iterations=100,
        samples=500,
    ),
}
