"""How each kind of node is made from its inputs. The only place where a study touches models."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from durometer.corpora.spec import CorpusSpec
from durometer.errors import InputError, RefusedError
from durometer.study.artefacts import Artefacts
from durometer.study.corpusfile import read_corpus, read_samples, write_corpus
from durometer.study.latency import measure_forms, write_form
from durometer.study.plan import Node
from durometer.types import Sample, content_hash

if TYPE_CHECKING:
    from durometer.attacks.campaign import Attacker
    from durometer.victims.loop import Progress

ORIGIN = "victim_origin.json"
GPU_WIDTH = 16  # samples searched in lockstep, so that small requests fill a batch


@dataclass(frozen=True)
class Bench:
    """What a maker works with."""

    node: Node
    artefacts: Artefacts
    device: str
    news: Progress

    @property
    def allow_download(self) -> bool:
        """Whether a hub id may be fetched."""
        return bool(self.node.hints.get("allow_download"))

    def input(self, role: str) -> Path:
        """Return the folder of the input that plays ``role``."""
        return self.artefacts.path(self.node.inputs[role])


def make(node: Node, artefacts: Artefacts, device: str, news: Progress) -> None:
    """Make the artefact of ``node`` (any kind but ``cell``) and publish it."""
    maker = MAKERS[node.kind]
    bench = Bench(node, artefacts, device, news)
    artefacts.make(node, lambda folder: maker(bench, folder))


def make_corpus(bench: Bench, folder: Path) -> None:
    """Read or generate the data; measure the floor on it, which needs no model."""
    config = bench.node.config
    bench.news("reading", 0, 1, "")
    spec = CorpusSpec(config["reader"], bench.node.hints["path"], config["split"] or None)
    corpus = spec.read(config["task"], config["options"], allow_download=bench.allow_download)
    if not corpus.splits.get("test"):
        raise InputError("no test split to attack", where=corpus.name)
    write_corpus(corpus, folder)
    task = task_of(config["task"])
    bench.news("floor", 0, 1, "")
    train = corpus.splits.get("train", ())
    (folder / "floor.json").write_text(json.dumps(dict(task.floor(train, corpus.splits["test"]))))


def make_tools(bench: Bench, folder: Path) -> None:
    """Collect the names that attacks try: the most frequent identifiers of the test split."""
    from durometer.attacks.vocabulary import vocabulary

    bench.news("counting identifiers", 0, 1, "")
    words = vocabulary(read_samples(bench.input("corpus"), "test"))
    (folder / "vocabulary.json").write_text(json.dumps(words))


def make_victim(bench: Bench, folder: Path) -> None:
    """Train a preset, or take the weights that a card or the user's function names."""
    config = bench.node.config
    if "python" in config:
        (folder / ORIGIN).write_text(json.dumps({**config, **bench.node.hints}))
        write_form(folder, load_victim(folder, task_of(config["task"]), bench.device), "uncompressed")
        return
    victim = _trained(bench, folder) if "preset" in config else _loaded(bench)
    victim.save(folder, probes=list(read_samples(bench.input("corpus"), "test")))
    write_form(folder, victim, "uncompressed")


def _trained(bench: Bench, folder: Path) -> Any:
    """Train a preset from scratch."""
    from durometer.victims.presets import EncoderPreset, TrainConfig
    from durometer.victims.scratch import train_victim

    config = bench.node.config
    return train_victim(
        read_corpus(bench.input("corpus")),
        task_of(config["task"]),
        EncoderPreset(**config["shape"]),
        TrainConfig(**config["training"]),
        folder,
        seed=config["seed"],
        name=bench.node.hints["name"],
        work=bench.artefacts.work(bench.node),
        progress=bench.news,
    )


def _loaded(bench: Bench) -> Any:
    """Load the checkpoint that a card names, and fine-tune it where the study says how."""
    config, card = bench.node.config, bench.node.hints["card"]
    if not config["tuned"]:
        from durometer.victims.load import load_victim as load_checkpoint

        return load_checkpoint(
            card,
            allow_download=bench.allow_download,
            device=bench.device,
            kind=task_of(config["task"]).kind,
        )
    from durometer.victims.presets import TrainConfig
    from durometer.victims.pretrained import pretrained_victim

    task, corpus = task_of(config["task"]), read_corpus(bench.input("corpus"))
    plan, seed, work = TrainConfig(**config["training"]), config["seed"], bench.artefacts.work(bench.node)
    victim: Any = pretrained_victim(
        card,
        kind=task.kind,
        pair=task.pair,
        classes=max(2, len(task.classes)),
        seed=seed,
        device=bench.device,
        allow_download=bench.allow_download,
    )
    if task.kind == "generation":
        from durometer.victims.train_generator import tune_generator

        tune_generator(victim, corpus, plan, seed=seed, work=work, progress=bench.news)
        return victim
    from durometer.victims.train import fine_tune

    checkpoint = work / "fine-tune.safetensors"
    fine_tune(victim, corpus, plan, seed=seed, checkpoint=checkpoint, progress=bench.news)
    return victim


def make_variant(bench: Bench, folder: Path) -> None:
    """Compress the victim by the recipe."""
    from durometer.compress import compress, parse_compression
    from durometer.compress.artefact import save_artefact

    config = bench.node.config
    recipe = [parse_compression(step) for step in bench.node.hints.get("recipe", config["recipe"])]
    victim = load_victim(bench.input("victim"), task_of(bench.node.hints["task"]), bench.device)
    data = read_corpus(bench.input("corpus"))
    smaller = compress(
        victim,
        recipe,
        data,
        seed=config["seed"],
        progress=bench.news,
        work=bench.artefacts.work(bench.node),
    )
    save_artefact(smaller, folder, data.splits["test"])
    words = " + ".join(step.describe() for step in recipe)
    write_form(folder, smaller, words, simulated=any(step.simulated for step in recipe))


def make_measures(bench: Bench, folder: Path) -> None:
    """Let the model answer the whole test split, unattacked."""
    task = task_of(bench.node.hints["task"])
    victim = load_victim(bench.input("model"), task, bench.device)
    samples = list(read_samples(bench.input("corpus"), "test"))
    predictions = []
    for start in range(0, len(samples), 32):
        predictions += victim.predict(samples[start : start + 32])
        bench.news("answering", len(predictions), len(samples), "")
    rows = [
        {
            "sample_id": sample.id,
            "snippet_id": sample.snippet_id,
            "label": sample.label,
            "predicted": answer.label if answer.text is None else int(content_hash(answer.text)[:15], 16),
            "correct": not task.attackable(sample, answer),
            "score": task.score(sample, answer),
            "probability": answer.probabilities[1] if len(answer.probabilities) == 2 else None,
        }
        for sample, answer in zip(samples, predictions, strict=True)
    ]
    (folder / "predictions.json").write_text(json.dumps(rows))
    (folder / "measures.json").write_text(json.dumps(dict(task.measure(samples, predictions))))


def make_latency(bench: Bench, folder: Path) -> None:
    """Measure all forms of one victim in one process, interleaved, so that their ratios mean something."""
    task = task_of(bench.node.hints["task"])
    names = [name for role, name in sorted(bench.node.inputs.items()) if role != "corpus"]
    forms = {name: load_victim(bench.artefacts.path(name), task, bench.device) for name in names}
    samples = list(read_samples(bench.input("corpus"), "test"))
    bench.news("timing", 0, 1, "")
    original = next((name for name in names if name.startswith("victim-")), None)
    records = measure_forms(forms, samples, bench.artefacts.folder, original=original)
    (folder / "latency.json").write_text(json.dumps(records, indent=1))


MAKERS: Mapping[str, Callable[[Bench, Path], None]] = {
    "corpus": make_corpus,
    "tools": make_tools,
    "victim": make_victim,
    "variant": make_variant,
    "measures": make_measures,
    "latency": make_latency,
}


def task_of(name: str) -> Any:
    """Return the task object; ``name`` may be that of one of its data sets (``task name``)."""
    from durometer.tasks.base import TASKS

    return TASKS.get(name.partition(" ")[0])()


def load_victim(folder: Path, task: Any, device: str) -> Any:
    """Load the victim of a ``victim`` or ``variant`` artefact."""
    origin = folder / ORIGIN
    if not origin.exists():
        from durometer.victims.load import load_victim as load_checkpoint

        return load_checkpoint(folder, device=device)
    from durometer.victims.base import made_by

    return made_by(json.loads(origin.read_text())["python"], task)


def samples_of(cell: Node, artefacts: Artefacts, ids: Sequence[str]) -> Iterator[Sample]:
    """Read these samples of what the cell attacks."""
    return read_samples(artefacts.path(cell.inputs["corpus"]), "test", ids)


def open_cell(node: Node, artefacts: Artefacts, device: str, previous: Attacker | None) -> Attacker:
    """Load what the cell needs; ``previous`` lends its victim if it is the same."""
    from durometer.attacks.campaign import Attacker
    from durometer.attacks.strength import attack_from
    from durometer.attacks.trial import Limits
    from durometer.victims.oracle import Oracle

    if previous:
        oracle = previous.oracle
    else:
        task = task_of(node.cell.task)
        oracle = Oracle(load_victim(artefacts.path(node.inputs["model"]), task, device), task)
    attack = attack_from(node.config["attack"])
    tools = _tools(node, artefacts, attack, oracle, device)
    # Variants share their random numbers: comparisons are paired to the draw.
    draws = f"{node.cell.task} {node.config['attack']['kind']}"
    limits = Limits(*(node.config["limits"][name] for name in ("max_queries", "max_seconds")))
    width = 1 if device == "cpu" else GPU_WIDTH
    return Attacker(attack, oracle, tools, node.cell.seed, draws, limits, width)


def _tools(node: Node, artefacts: Artefacts, attack: Any, oracle: Any, device: str) -> Any:
    """Return the names and gradients that the attack asks for."""
    from durometer.attacks.base import Tools, needs

    tools = Tools(
        vocabulary=tuple(artefacts.read_json(node.inputs["tools"], "vocabulary.json")),
        rename_function_name=node.config["rename_function_name"],
    )
    if needs(attack, "gradients"):
        tools = replace(tools, gradients=_gradients(oracle, node))
    if not needs(attack, "candidates"):
        return tools
    if "file" in node.hints:
        from durometer.attacks.candidate_files import CandidateFile

        samples = read_samples(artefacts.path(node.inputs["corpus"]), "test")
        return replace(tools, candidates=CandidateFile(Path(node.hints["file"]), samples))
    from durometer.attacks.candidates import lend_masked_lm

    own = "candidates" in node.inputs
    folder = artefacts.path(node.inputs["candidates"]) if own else Path(node.hints["masked_lm"])
    cache = artefacts.run / "candidates"  # by content: shared by all cells, kept between sessions
    return lend_masked_lm(tools, folder, oracle.task.name, device, cache)


def _gradients(oracle: Any, node: Node) -> Any:
    from durometer.attacks.gradients import gradient_source

    try:
        return gradient_source(oracle)
    except RefusedError as error:
        cell = node.cell
        leave_out = f"exclude: [{{attack: {cell.attack}, victim: {cell.victim}, variant: {cell.variant}}}]"
        raise RefusedError(
            error.what, where=node.label, hint=f"{error.hint} Leave it out: `{leave_out}`."
        ) from error
