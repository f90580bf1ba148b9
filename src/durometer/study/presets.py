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
    options: {corpus}
victims:
  - {{name: encoder, preset: {preset}, training: {training}}}
variants:
  - {{name: pruned 50 %, recipe: [{{kind: magnitude_prune, sparsity: 0.5}}]}}
  - {{name: int8, recipe: [int8]}}
  - {{name: distilled, recipe: [{{kind: distill, epochs: {distill_epochs}}}]}}
attacks:
  - wir_random
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
        corpus="{pairs: 1200, test_pairs: 200, max_functions: 1500, seed: 1}",
        preset="tiny",
        training="{}",
        distill_epochs=3,
        iterations=10,
        samples=40,
    ),
    "demo-small": DEMO.format(
        size="small",
        corpus="{pairs: 5000, test_pairs: 800, seed: 1}",
        preset="small",
        training="{epochs: 2, pretrain_epochs: 0.5, evaluations: 2}",
        distill_epochs=2,
        iterations=10,
        samples=80,
    ),
    "demo-full": DEMO.format(
        size="full",
        corpus="{pairs: 20000, test_pairs: 2000, seed: 1}",
        preset="small",
        training="{}",
        distill_epochs=4,
        iterations=100,
        samples=500,
    ),
}
