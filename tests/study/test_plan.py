"""The graph: names by content, shared nodes once, fast."""

import time

import pytest

from durometer.errors import ConfigurationError, InputError
from durometer.study.config import StudyConfig
from durometer.study.plan import Node, known_sources, plan_study

STUDY = """\
seeds: [1, 2]
tasks: [{task: toy, corpus: toy}]
victims: [{name: a, preset: tiny}, {name: b, preset: tiny, seed: 5}]
variants: [int8, bf16]
attacks: [mhm, wir_random]
limits: {samples: 10}
"""


def plan(text=STUDY):
    return plan_study(StudyConfig.parse(text))


@pytest.mark.parametrize(
    ("option", "asked", "lies"),
    [
        ("teacher", "*.txt", "a.txt"),
        ("teacher", "a.txt", "a.txt.gz"),
        ("unlabelled", "jsonl:a.jsonl", "a.jsonl"),
    ],
)
def test_files_that_a_step_reads_name_its_result_wherever_they_lie(option, asked, lies, tmp_path):
    """A path is relative to the study file; its file counts by what it holds and is not needed twice."""
    text = STUDY.replace("[int8, bf16]", f'[int8, {{kind: distill, {option}: "{asked}"}}]')
    names = []
    for folder, held in (("one", b"0 1 1\n"), ("two", b"0 1 0\n"), ("three", b"0 1 1\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / lies).write_bytes(held)
        (tmp_path / folder / "study.yaml").write_text(text)
        config = StudyConfig.load(tmp_path / folder / "study.yaml")
        graph = plan_study(config)
        names.append([node.name for node in graph.of_kind("variant")])
        assert str(tmp_path / folder) in graph.of_kind("variant")[1].hints["recipe"][0][option]
    assert names[0] == names[2]
    assert [a == b for a, b in zip(names[0], names[1], strict=True)] == [True, False] * 2
    assert names[0][0] == plan().of_kind("variant")[0].name, "a step that reads no file has another name"
    (tmp_path / folder / lies).unlink()
    assert plan_study(config, known=known_sources(graph)).nodes.keys() == graph.nodes.keys()
    with pytest.raises(InputError, match="no such file"):
        plan_study(config)


def test_every_node_once_and_inputs_first():
    graph = plan()
    kinds = [node.kind for node in graph.nodes.values()]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "corpus": 1,
        "tools": 1,
        "victim": 2,
        "variant": 4,
        "measures": 6,
        "latency": 2,
        "cell": 24,
    }
    seen = set()
    for name, node in graph.nodes.items():
        assert set(node.inputs.values()) <= seen
        seen.add(name)


def test_names_follow_content():
    before, after = plan(), plan(STUDY.replace("samples: 10", "samples: 11"))
    changed = [n for n in before.nodes if n not in after.nodes]
    assert {name.partition("-")[0] for name in changed} == {"cell"}
    more = plan(STUDY.replace("[int8, bf16]", "[bf16, int8, distill]"))
    assert set(more.nodes) > {n for n in before.nodes if not n.startswith("latency")}


def test_a_victim_of_another_seed_is_another_victim_and_its_variants_too():
    before, after = plan(), plan(STUDY.replace("seed: 5", "seed: 6"))
    lost = sorted({before.nodes[n].label for n in before.nodes if n not in after.nodes and "cell" not in n})
    assert lost == [
        "b",
        "b bf16",
        "b bf16: answers on the test split",
        "b int8",
        "b int8: answers on the test split",
        "b original: answers on the test split",
        "b: size and speed",
    ]


def test_a_task_may_have_limits_of_its_own():
    both = STUDY.replace("[{task: toy, corpus: toy}]", "[{task: toy, corpus: toy}, LAST]")
    last = "{task: toy, name: short, corpus: toy, limits: {samples: 3, max_queries: 50}}"
    cells = plan(both.replace("LAST", last)).cells
    found = {cell.cell.task: cell.config["limits"] for cell in cells}
    assert found["toy"] == {"samples": 10, "max_queries": None, "max_seconds": None}
    assert found["toy short"] == {"samples": 3, "max_queries": 50, "max_seconds": None}
    plain = plan(both.replace("LAST", last.replace(", limits: {samples: 3, max_queries: 50}", ""))).cells
    assert {cell.name for cell in plan().cells} == {c.name for c in plain if c.cell.task == "toy"}


def test_nodes_survive_json():
    for node in plan().nodes.values():
        assert Node.from_json(node.to_json()).name == node.name


def test_golden_node_names():
    """Names of finished work must not change with an upgrade; raise VERSIONS when content changes."""
    node = Node(
        "cell", "any words", {"cell": {"task": "t"}, "attack": {"kind": "mhm"}}, {"model": "victim-0"}
    )
    assert node.name == "cell-8ffec057cd9d979c"


def test_include_and_exclude():
    graph = plan(
        STUDY + "include: [{variant: [original, int8]}]\nexclude: [{attack: mhm, seed: 2}, {victim: b}]\n"
    )
    cells = {(c.cell.victim, c.cell.variant, c.cell.attack, c.cell.seed) for c in graph.cells}
    assert cells == {
        ("a", variant, attack, seed)
        for variant in ("original", "int8")
        for attack, seed in (("mhm", 1), ("wir_random", 1), ("wir_random", 2))
    }
    assert [node.label for node in graph.of_kind("victim")] == ["a"]  # nobody needs the others
    assert [node.label for node in graph.of_kind("variant")] == ["a int8"]
    with pytest.raises(ConfigurationError, match="no cell is left"):
        plan(STUDY + "exclude: [{task: toy}]\n")


def test_ten_thousand_cells_are_planned_in_five_seconds():
    seeds = ", ".join(map(str, range(834)))
    study = StudyConfig.parse(STUDY.replace("[1, 2]", f"[{seeds}]"))
    started = time.process_time()
    graph = plan_study(study)
    names = [node.name for node in graph.cells]
    assert time.process_time() - started < 5
    assert len(set(names)) == len(names) == 10_008


def test_data_files_count_by_their_bytes(tmp_path):
    paths = [tmp_path / name for name in ("one.jsonl", "two.jsonl", "three.jsonl")]
    for path, text in zip(paths, ("same", "same", "other"), strict=True):
        path.write_text(text)
    texts = [STUDY.replace("corpus: toy", f'corpus: "toy:{path}"') for path in paths]
    one, two, three = (plan(text).of_kind("corpus")[0].key for text in texts)
    assert one == two != three
